//! iPXE's language, held to the real thing.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the environment, and fail by panicking"
)]

mod binaries;
mod lints;
mod sanitized;
mod twin;
