//! Writes the Kotlin beside the library, after a build. The generator is the library's own release.

use uniffi::{GenerateOptions, TargetLanguage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let target =
        program.ancestors().nth(2).and_then(|folder| folder.to_str()).ok_or("the target folder has no name")?;
    uniffi::generate(GenerateOptions {
        languages: vec![TargetLanguage::Kotlin],
        source: format!("{target}/debug/libtidelock_uniffi.so").into(),
        out_dir: format!("{target}/kotlin").into(),
        config_override: None,
        format: false,
        crate_filter: None,
        metadata_no_deps: false,
    })?;
    Ok(())
}
