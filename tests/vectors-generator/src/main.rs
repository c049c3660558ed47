//! Writes the vectors: `cargo run --package tidelock-vectors`.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut cases = 0;
    for file in tidelock_vectors::files() {
        fs::write(folder.join(file.name()), file.text())?;
        println!("{:4} {}", file.cases.len(), file.name());
        cases += file.cases.len();
    }
    println!("{cases:4} cases");
    Ok(())
}
