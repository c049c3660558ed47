//! `demo`: two devices and a bucket, told in words.

use crate::context::Context;
use crate::demo;
use crate::exit::Result;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  tidelock demo
  tidelock demo --store 's3://my-bucket/demo-1?region=eu-central-1'   in an empty prefix of any bucket";

/// See two devices keep in step, with an S3 server of its own and no bucket at all
///
/// It makes a vault, imports shell commands into a log, edits a notebook on both devices, online and offline, and checks
/// every claim. Its devices' stores go when it ends; what it wrote to a store of yours stays.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// Run it at this store instead
    #[arg(long, value_name = "URI")]
    store: Option<String>,
}

impl Demo {
    pub(crate) fn run(self, context: &Context) -> Result {
        context.run(demo::run(context.output, self.store))
    }
}
