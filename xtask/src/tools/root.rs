//! A root of another release of Debian, for what the system's own release does not have.

use super::{Need, Tool};
use crate::{Outcome, process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What makes a root.
const DEBOOTSTRAP: Need = Need::Program { name: "debootstrap", debian: Some("debootstrap") };
/// What runs a program in it.
const IN_ROOT: &str = include_str!("in-root.sh");

/// Makes the root `root`, with these packages, and in `bin` what runs the tool and these other programs in it. The tool's version
/// is the release's name.
pub(super) fn make(tool: Tool, packages: &[&str], programs: &[&str], made: &Path) -> Outcome<()> {
    if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
        return Err(format!("`{}` runs in a root of Debian {}: be root on Linux", tool.name, tool.version));
    }
    DEBOOTSTRAP.provide()?;
    let root = made.join("root");
    // What it mounts is in a namespace of its own: nothing stays mounted where a folder is removed later.
    let mut debootstrap = Command::new("unshare");
    debootstrap.args(["--mount", "--propagation", "private", "debootstrap", "--variant=minbase", tool.version]);
    process::run(debootstrap.arg(&root))?;
    let mut install = Command::new("chroot");
    install.arg(&root).args(["apt-get", "install", "--yes", "--no-install-recommends"]).args(packages);
    process::run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    process::run(Command::new("chroot").arg(&root).args(["apt-get", "clean"]))?;
    let bin = made.join("bin");
    let write = |name: &&str| {
        std::fs::write(bin.join(name), IN_ROOT)?;
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755))
    };
    std::fs::create_dir(&bin)
        .and_then(|()| std::iter::once(&tool.name).chain(programs).try_for_each(write))
        .map_err(|error| format!("can't write into {}: {error}", bin.display()))
}
