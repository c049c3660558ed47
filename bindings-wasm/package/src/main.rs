//! Writes the package for Node beside the library, after a build for `wasm32-unknown-unknown`. The generator is a dependency,
//! so its release is always the library's.

use std::error::Error;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("programs lie in the target folder")?;
    let library = target.join("wasm32-unknown-unknown/debug/tidelock_wasm.wasm");
    Bindgen::new().nodejs(true)?.typescript(true).input_path(library).generate(target.join("node"))?;
    Ok(())
}
