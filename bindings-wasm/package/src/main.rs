//! Writes the JavaScript that goes with the library into `bindings-wasm/dist`, after a build with the profile `wasm`. The
//! generator is a dependency, so its release is always the library's.

use std::error::Error;
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("programs lie in the target folder")?;
    let library = target.join("wasm32-unknown-unknown/wasm/tidelock_wasm.wasm");
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("dist");
    let mut bindgen = Bindgen::new();
    // Where the library is, the package's own loaders say: bundlers would ship it twice.
    bindgen.web(true)?.omit_default_module_path(true).typescript(true).out_name("tidelock");
    bindgen.input_path(library).generate(dist)?;
    Ok(())
}
