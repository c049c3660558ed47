//! `cargo xtask …`: the project's own tasks, with everything they need installed on the way.

mod fuzz;
mod package;
mod packages;
mod process;
mod servers;
mod sim;
mod suites;
mod test;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What every task returns: nothing, or one sentence for the person at the terminal.
type Outcome<T> = Result<T, String>;

/// Tidelock's own tasks.
///
/// Tools and servers are installed, at pinned versions, into ~/.cache/tidelock or $TIDELOCK_CACHE.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run test suites, the default ones unless some are named, and install what they need
    Test {
        /// Print each suite's name and what it proves, and run nothing
        #[arg(long)]
        list: bool,
        /// Also run the suites that take longer than a change should wait
        #[arg(long, conflicts_with = "suite")]
        all: bool,
        /// The suites to run
        suite: Vec<String>,
    },
    /// Run the tests of the packages in these folders, from one build of all default members
    Packages {
        /// Run those of all other default members instead
        #[arg(long)]
        all_but: bool,
        /// The packages' folders: tests/sim
        #[arg(required = true)]
        folder: Vec<String>,
    },
    /// Pack what registries take as source, the crates and the pip package, into `dist/` with checksums
    Package,
    /// Run seeds of the simulator: --seeds N [--seed S] [--faults LIST] [--planted NAME]
    ///
    /// LIST: names of faults or of families, apart by commas, or `none`. NAME: a planted bug, or `all`, or `table`. Prints
    /// schedules a second and faults by kind; on failure the seed, a small schedule that still fails, and what happens in it.
    /// `--weakened` alone runs the attacks instead, on engines that lack a check: each must succeed there.
    Sim {
        /// What the simulator's program takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Run the fuzzers, all unless some are named, each for a while; what they find is kept in the target folder
    ///
    /// Needs a nightly compiler, which rustup installs, and cargo-fuzz, which is built into the cache.
    Fuzz {
        /// How long each runs
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
        /// The fuzzers to run
        target: Vec<String>,
    },
    /// Run real S3 servers on loopback, each with an empty bucket `tidelock`, while a command runs or until ctrl-c
    Servers {
        /// The servers to run
        #[arg(required = true, value_parser = servers::NAMES)]
        name: Vec<String>,
        /// The command that gets the servers' addresses and keys in its environment
        #[arg(last = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    process::watch_for_interrupts();
    let outcome = match Arguments::parse().task {
        Task::Test { list: true, .. } => {
            test::list();
            Ok(())
        }
        Task::Test { suite, all, .. } => test::run(&suite, all),
        Task::Packages { all_but, folder } => packages::run(&folder, all_but),
        Task::Package => package::run(),
        Task::Fuzz { minutes, target } => fuzz::run(&target, minutes),
        Task::Sim { words } => sim::run(&words),
        Task::Servers { name, command } => servers::run(&name, &command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
