//! `seeds DIR`: writes the seeds of every target to `DIR/TARGET/`.

use std::path::Path;

fn main() {
    let dir = std::env::args_os().nth(1).expect("a directory");
    for target in image_builder_fuzz::seeds::TARGETS {
        let dir = Path::new(&dir).join(target);
        std::fs::create_dir_all(&dir).expect("a directory");
        for (number, seed) in image_builder_fuzz::seeds::of(target).iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{number}")), seed).expect("written");
        }
    }
}
