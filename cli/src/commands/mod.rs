//! The commands, one module a group.

pub(crate) mod access;
pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod conflicts;
pub(crate) mod cost;
pub(crate) mod credentials;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod doc;
pub(crate) mod doctor;
mod doctor_json;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod meta;
pub(crate) mod mirror;
pub(crate) mod record;
pub(crate) mod reset;
pub(crate) mod s3;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod sync;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::exit::Result;

/// Runs one.
pub(crate) fn run(cli: Cli) -> Result {
    let makes_profile = matches!(&cli.command, Command::Config(command) if command.makes_profile());
    let is_endless = matches!(&cli.command, Command::Watch(_) | Command::Serve(_) | Command::Demo(_));
    let mut context = Context::new(cli.global, makes_profile, is_endless)?;
    match cli.command {
        Command::Init(command) => command.run(&context),
        Command::Join(command) => command.run(&context),
        Command::Put(command) => command.run(&context),
        Command::Get(command) => command.run(&context),
        Command::List(command) => command.run(&context),
        Command::Delete(command) => command.run(&context),
        Command::Log(command) => command.run(&context),
        Command::Doc(command) => command.run(&context),
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
        Command::Check(command) => command.run(&context),
        Command::Passphrase(command) => command.run(&context),
        Command::RecoveryCode(command) => command.run(&context),
        Command::Doctor(command) => command.run(&context),
        Command::Config(command) => command.run(&mut context),
        Command::Credentials(command) => command.run(&context),
        Command::Reset(command) => command.run(&context),
        Command::S3(command) => command.run(&context),
        Command::Mirror(command) => command.run(&context),
        Command::Serve(command) => command.run(&context),
        Command::Demo(command) => command.run(&context),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    }
}
