//! iPXE's language, held to the real thing.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the environment, and fail by panicking"
)]

mod binaries;
mod corpus;
mod lints;
mod oracle;
mod sanitized;
mod twin;
