//! `check`: what of the vault's objects in the store is missing or damaged, and which device can write it again.

use super::sync::meter_json;
use crate::context::Context;
use crate::exit::{Result, describe};
use crate::output::reports;
use clap::Args;
use serde_json::Value;
use tidelock::{Error, ErrorKind};

/// Look at every object of the vault in the store, and write nothing there
///
/// Every object that is named and still needed is looked at: header, slots, beacon and manifests are read, of segments and
/// snapshots the lengths are compared. What is missing or damaged is listed with the device that can write it again; the exit
/// code is 7 then. `tidelock sync --force` writes again what this device can.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock check\n  tidelock check --read-data --json | jq .damaged")]
pub(crate) struct Check {
    /// Read segments and snapshots whole, and compare their hashes
    #[arg(long)]
    read_data: bool,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> Result {
        let output = context.output;
        context.with_vault(async |vault| {
            let before = vault.status().await?.meter;
            let running = context.progress.begin("looking at the store");
            let damaged = vault.inspect(self.read_data).await;
            drop(running);
            let damaged = damaged?;
            let meter = vault.status().await?.meter.since(&before);
            if output.json {
                let mut out = meter_json(&meter);
                out["damaged"] = reports(&damaged);
                out["read_data"] = Value::from(self.read_data);
                output.object(&out)?;
            } else {
                for error in &damaged {
                    output.line(&format!("{} ({})", describe(error), error.hint().unwrap_or_default()))?;
                }
                if damaged.is_empty() {
                    output.say(&format!("nothing is missing or damaged, with {} requests", meter.requests()));
                }
            }
            if damaged.is_empty() { Ok(()) } else { Err(found(damaged.len()).into()) }
        })
    }
}

fn found(damaged: usize) -> Error {
    let objects = if damaged == 1 { "1 object is".to_owned() } else { format!("{damaged} objects are") };
    Error::new(ErrorKind::Corrupt, format!("{objects} missing or damaged in the store"))
        .next_step("run `tidelock sync --force` on the devices named above: each writes again what it can")
}
