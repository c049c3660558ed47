//! Writes the Kotlin and the Swift beside the library, after a build. The generator is the library's own release.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use uniffi::{GenerateOptions, TargetLanguage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let target =
        program.ancestors().nth(2).and_then(|folder| folder.to_str()).ok_or("the target folder has no name")?;
    for (language, name) in [(TargetLanguage::Kotlin, "kotlin"), (TargetLanguage::Swift, "swift")] {
        uniffi::generate(GenerateOptions {
            languages: vec![language],
            source: format!("{target}/debug/{DLL_PREFIX}tidelock_uniffi{DLL_SUFFIX}").into(),
            out_dir: format!("{target}/{name}").into(),
            config_override: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../uniffi.toml").into()),
            format: false,
            crate_filter: None,
            metadata_no_deps: false,
        })?;
    }
    Ok(())
}
