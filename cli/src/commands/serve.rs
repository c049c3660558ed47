//! `serve`: an S3 server over a folder.

use crate::context::Context;
use crate::exit::Result;
use crate::serve::{ServeKeys, ServeOptions, bind, serve};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use tidelock::folder::check_apart;
use tidelock::{Error, ErrorKind};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Each folder in DIR is a bucket. The keys are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or
new ones, which are printed.

Example:
  mkdir -p buckets/my-vault
  tidelock serve buckets
  tidelock init --store 's3://my-vault?endpoint=http://127.0.0.1:9000'   in another terminal, with the keys";

/// Serve a folder as an S3 server on this machine, for development and for people without a bucket
///
/// It listens on 127.0.0.1 only, and ends with ctrl-c.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// The folder with the buckets; made if it is not there
    dir: PathBuf,
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result {
        check_apart(&self.dir, &context.local)?;
        let given = keys_of_environment();
        let new = given.is_none();
        let keys = match given {
            Some(keys) => keys,
            None => ServeKeys::generate()?,
        };
        let listener = bind(self.port)?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the port is not known: {error}")))?;
        let endpoint = format!("http://{address}");
        let output = context.output;
        if output.json {
            let secret = new.then(|| keys.secret_key.as_str());
            output.object(&json!({ "endpoint": endpoint, "access_key": keys.access_key, "secret_key": secret }))?;
        } else {
            output.line(&format!("endpoint={endpoint}"))?;
            if new {
                output.line(&format!("AWS_ACCESS_KEY_ID={}", keys.access_key))?;
                output.line(&format!("AWS_SECRET_ACCESS_KEY={}", *keys.secret_key))?;
            }
            output.say(&format!("Serving {} until ctrl-c.", self.dir.display()));
        }
        let options = ServeOptions { dir: self.dir, keys };
        context.run(async {
            serve(&options, listener, async {
                // Without a handler for it, ctrl-c ends the process at once.
                let _ = tokio::signal::ctrl_c().await;
            })
            .await?;
            Ok(())
        })
    }
}

fn keys_of_environment() -> Option<ServeKeys> {
    let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(ServeKeys { access_key: get("AWS_ACCESS_KEY_ID")?, secret_key: Zeroizing::new(get("AWS_SECRET_ACCESS_KEY")?) })
}
