//! `cargo xtask package`: what crates.io and PyPI take as source, in `dist/`, with checksums.

use crate::tools::{Source, Tool};
use crate::{Outcome, packages, process, test};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The crates that are published, each after those it needs.
const CRATES: [&str; 5] = ["tidelock-core", "tidelock-client", "tidelock-sqlite", "tidelock", "tidelock-cli"];
/// The version of every package: that of the workspace, which this one has too.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What packs for PyPI, of the version that bindings-python/pyproject.toml asks for.
const MATURIN: Tool = Tool { name: "maturin", version: "1.16.0", source: Source::PyPi("maturin") };

/// Makes `dist/` anew. Cargo refuses to pack a crate with changes that are not committed.
pub(crate) fn run() -> Outcome<()> {
    let dist = test::workspace().join("dist");
    let path = test::path_with(vec![MATURIN.provide()?])?;
    if dist.exists() {
        fs::remove_dir_all(&dist).map_err(|error| format!("can't clear {}: {error}", dist.display()))?;
    }
    fs::create_dir(&dist).map_err(|error| format!("can't make {}: {error}", dist.display()))?;
    pack_crates(&dist)?;
    let mut maturin = Command::new("maturin");
    maturin.args(["sdist", "--manifest-path", "bindings-python/Cargo.toml", "--out"]).arg(&dist);
    process::forget_own_package(&mut maturin);
    process::run(maturin.env("PATH", path).current_dir(test::workspace()))?;
    let sums = checksums(&dist).map_err(|error| format!("can't read {}: {error}", dist.display()))?;
    print!("{sums}");
    fs::write(dist.join("SHA256SUMS"), sums).map_err(|error| format!("can't write the checksums: {error}"))
}

/// The crates are not built here: `cargo publish` builds each from what it packed.
fn pack_crates(dist: &Path) -> Outcome<()> {
    let mut cargo = packages::cargo(&["package", "--no-verify"])?;
    process::run(cargo.args(CRATES.map(|name| format!("--package={name}"))))?;
    for name in CRATES {
        let file = format!("{name}-{VERSION}.crate");
        let packed = test::target_folder()?.join("package").join(&file);
        fs::copy(&packed, dist.join(file)).map_err(|error| format!("no {}: {error}", packed.display()))?;
    }
    Ok(())
}

/// The lines that `sha256sum --check` reads, by name.
fn checksums(folder: &Path) -> std::io::Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let digest = Sha256::digest(fs::read(entry.path())?);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push((entry.file_name(), digest));
    }
    lines.sort();
    Ok(lines.iter().map(|(name, digest)| format!("{digest}  {}\n", name.display())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read(file: &str) -> String {
        fs::read_to_string(test::workspace().join(file)).expect("the file is there")
    }

    #[test]
    fn a_line_of_checksums_is_what_sha256sum_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        // FIPS 180-2, appendix B.1; and the digest of nothing.
        fs::write(folder.path().join("b.crate"), "abc").expect("it is written");
        fs::write(folder.path().join("a.crate"), "").expect("it is written");
        assert_eq!(
            checksums(folder.path()).expect("it is read"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.crate\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.crate\n"
        );
    }

    #[test]
    fn every_package_has_the_version_of_the_workspace() {
        let manifest = read("Cargo.toml");
        for name in CRATES {
            let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = ")));
            let line = line.unwrap_or_else(|| panic!("Cargo.toml names no {name}"));
            assert!(line.ends_with(&format!("version = \"{VERSION}\" }}")), "{line}");
        }
        for file in ["package.json", "package-lock.json"] {
            let package: Value = serde_json::from_str(&read(&format!("bindings-wasm/{file}"))).expect("it is JSON");
            assert_eq!(package["version"], VERSION, "{file}");
        }
        let poms = [
            "pom.xml",
            "tidelock/pom.xml",
            "tidelock-okhttp/pom.xml",
            "tests/pom.xml",
            "consumer/pom.xml",
            "../README.md",
        ];
        for file in poms {
            let pom = read(&format!("bindings-uniffi/kotlin/{file}"));
            let after_group = pom.split("<groupId>io.github.tidelock</groupId>").nth(1).expect("it names the group");
            let version = after_group.split("<version>").nth(1).and_then(|rest| rest.split("</version>").next());
            assert_eq!(version, Some(VERSION), "{file}");
        }
    }

    #[test]
    fn the_packer_for_pypi_is_the_one_that_pip_takes() {
        let asked = format!("\"maturin=={}\"", MATURIN.version);
        assert!(read("bindings-python/pyproject.toml").contains(&asked), "{asked}");
    }
}
