//! The `hw-probe` program.
fn main() {}
