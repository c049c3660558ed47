//! The commands, one module a group.

pub(crate) mod access;
pub(crate) mod archive;
pub(crate) mod conflicts;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod meta;
pub(crate) mod record;
pub(crate) mod reset;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod sync;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::exit::Result;

/// Runs one.
pub(crate) fn run(cli: Cli) -> Result {
    let context = Context::new(cli.global)?;
    match cli.command {
        Command::Init(command) => command.run(&context),
        Command::Join(command) => command.run(&context),
        Command::Put(command) => command.run(&context),
        Command::Get(command) => command.run(&context),
        Command::List(command) => command.run(&context),
        Command::Delete(command) => command.run(&context),
        Command::Log(command) => command.run(&context),
        Command::Sync(command) => command.run(&context),
        Command::Push(command) => command.run(&context),
        Command::Pull(command) => command.run(&context),
        Command::Watch(command) => command.run(&context),
        Command::Status(command) => command.run(&context),
        Command::Devices(command) => command.run(&context),
        Command::Conflicts(command) => command.run(&context),
        Command::Resolve(command) => command.run(&context),
        Command::Export(command) => command.run(&context),
        Command::Import(command) => command.run(&context),
        Command::Republish(command) => command.run(&context),
        Command::Passphrase(command) => command.run(&context),
        Command::RecoveryCode(command) => command.run(&context),
        Command::Reset(command) => command.run(&context),
        Command::Serve(command) => command.run(&context),
        Command::Demo(command) => command.run(&context),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    }
}
