//! What the targets run. A new target is a function in `bodies.rs`, a file in `fuzz_targets/` of
//! two lines, a `[[bin]]`, and seeds in `seeds/` of its name; `scripts/fuzz` and the replay in
//! `tests/it/hostile.rs` find the rest.

include!("../bodies.rs");
