//! Writes the `/proc` and `/sys` of a server with 128 hardware threads to a directory, for
//! `scripts/bench`: `cargo run -p hw-probe --example big_machine -- DIR`

use std::io;
use std::path::PathBuf;

#[path = "../tests/it/big_machine.rs"]
mod big_machine;

fn main() -> io::Result<()> {
    match std::env::args_os().nth(1).map(PathBuf::from) {
        Some(dir) => big_machine::write(&dir),
        None => Err(io::Error::other("which directory?")),
    }
}
