//! Writes the seeds of every target: `seeds DIRECTORY` fills `DIRECTORY/<target>/seed-<n>`.
//!
//! The inputs come from the product's own encoders, so that the fuzzer begins behind the first
//! checks of each format.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: seeds DIRECTORY");
        std::process::exit(2);
    };
    for (target, seeds) in tools_fuzz::seeds() {
        let folder = Path::new(&directory).join(target);
        std::fs::create_dir_all(&folder)?;
        for (index, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index:04}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}
