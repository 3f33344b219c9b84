//! What the targets run, and the seeds they begin with. A new target is a function in `bodies.rs`,
//! an arm in `seeds.rs`, a file in `fuzz_targets/` of two lines, a `[[bin]]`, and a line in
//! `tests/it/hostile.rs`, which replays all of them on the stable toolchain.

#[path = "../bodies.rs"]
pub mod bodies;
#[path = "../seeds.rs"]
pub mod seeds;
// The made-up medium of the tests.
#[allow(dead_code)]
#[path = "../../tests/it/support.rs"]
mod support;
