//! `completions` and `man`: the command about itself.

use crate::exit::Result;
use crate::output::stdout_error;
use clap::Args;
use clap_complete::Shell;
use std::io::{self, Write as _};
use std::path::PathBuf;
use tidelock::{Error, ErrorKind};

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock completions bash > ~/.local/share/bash-completion/completions/tidelock")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write those of all commands
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock man | man -l -\n  tidelock man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder for all of them; none: the first page, on stdout
    folder: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(self) -> Result {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command(), "tidelock", &mut text);
        io::stdout().write_all(&text).map_err(stdout_error)
    }
}

impl Man {
    pub(crate) fn run(self) -> Result {
        match self.folder {
            None => clap_mangen::Man::new(crate::command()).render(&mut io::stdout()).map_err(stdout_error),
            Some(folder) => clap_mangen::generate_to(crate::command(), &folder).map_err(|error| {
                Error::new(ErrorKind::LocalStore, format!("the manual pages can't be written: {error}"))
                    .on(folder.display().to_string())
                    .next_step("name a folder that exists and may be written")
                    .into()
            }),
        }
    }
}
