//! `status`: what is known without a request.

use crate::commands::cost;
use crate::commands::devices::{device_json, device_line, name, recipient_json, recipient_line, was};
use crate::commands::sync::{meter_json, requests};
use crate::context::Context;
use crate::exit::{Result, describe, to_json};
use crate::output::{Lines, one_line, time};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidelock::{Kind, Local, saved_credentials};

/// Show what is known of the vault, without a request
///
/// With --verbose also its collections, devices, and the requests made since this device joined.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock status --verbose\n  tidelock status --last-sync\n  tidelock status --cost\n  tidelock status --json | jq .pending"
)]
pub(crate) struct Status {
    /// Print only when this device last synced
    #[arg(long, conflicts_with = "cost")]
    last_sync: bool,
    /// Print what this device's requests cost in a month, at the rate since it joined
    #[arg(long)]
    cost: bool,
    /// Prices of your own, beside the built-in ones (see docs/COST.md)
    #[arg(long, value_name = "FILE", requires = "cost")]
    prices: Option<PathBuf>,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result {
        let options = context.options()?;
        // It has a line for a revoked device.
        let status = Local::open(&options)?.status()?;
        let output = context.output;
        if self.cost {
            return cost::tell(output, &status, self.prices.as_deref());
        }
        if output.json {
            return output.object(&status_json(&status, &options.store.to_string()));
        }
        let last_sync = status.last_pull_ms.max(status.last_push_ms);
        if self.last_sync {
            return output.line(&when(last_sync));
        }
        let mut lines = Lines::new();
        for (name, text) in facts(&status, &options.store.to_string()) {
            lines.line(&format!("{name:<12} {text}"))?;
        }
        if let Some(saved) = saved_credentials(&options)? {
            lines.line(&format!("{:<12} saved in {}", "keys", crate::keys::place(&saved)))?;
        }
        if output.verbose {
            for (name, text) in more_facts(&status) {
                lines.line(&format!("{name:<12} {text}"))?;
            }
        }
        lines.end()
    }
}

/// What a person asks first.
fn facts(status: &tidelock::Status, store: &str) -> Vec<(&'static str, String)> {
    let vault = status.vault.map_or("none yet: `init` or `join` did not end".to_owned(), |id| id.to_string());
    let mut facts = vec![("vault", vault), ("store", store.to_owned())];
    if let Some(own) = status.devices.iter().find(|device| Some(device.id) == status.device) {
        facts.push(("device", name(own)));
    }
    facts.extend(was(status).map(|was| ("was before", was)));
    facts.push(("pending", format!("{} to publish", status.pending)));
    facts.push(("last push", when(status.last_push_ms)));
    facts.push(("last pull", when(status.last_pull_ms)));
    if status.conflicts > 0 {
        facts.push(("conflicts", format!("{}; see `tidelock conflicts`", status.conflicts)));
    }
    if status.debts > 0 {
        facts.push((
            "missing",
            format!("{} in the store can't be had yet, tried again at the next syncs", status.debts),
        ));
    }
    if let (Some(error), None) = (&status.last_error, &status.revoked) {
        facts.push(("last error", one_line(error.as_bytes())));
    }
    if let Some(error) = &status.revoked {
        facts.push(("revoked", describe(error)));
        facts.extend(error.hint().map(|hint| ("hint", hint.to_owned())));
    } else if let Some(error) = &status.stopped {
        facts.push(("stopped", describe(error)));
        facts.extend(error.hint().map(|hint| ("hint", hint.to_owned())));
    }
    facts
}

fn more_facts(status: &tidelock::Status) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("manifest", status.sequence.to_string()),
        (
            "conditional",
            match status.conditional_writes {
                Some(true) => "the store enforces conditional writes".to_owned(),
                Some(false) => "the store ignores conditional writes; nothing depends on them".to_owned(),
                None => "not tried yet".to_owned(),
            },
        ),
        ("cost", requests(&status.meter)),
    ];
    facts.extend(
        status.collections.iter().map(|collection| ("collection", one_line(collection.to_string().as_bytes()))),
    );
    facts.extend(status.devices.iter().map(|device| ("device", device_line(device))));
    facts.extend(status.recipients.iter().map(|recipient| ("opened by", recipient_line(recipient, status))));
    facts
}

/// A time, or none.
pub(crate) fn when(unix_ms: Option<u64>) -> String {
    unix_ms.map_or("never".to_owned(), time)
}

fn status_json(status: &tidelock::Status, store: &str) -> Value {
    let mut out = meter_json(&status.meter);
    out["vault"] = status.vault.map(|id| id.to_string()).into();
    out["store"] = store.into();
    out["device"] = status.device.map(|id| id.to_string()).into();
    out["devices"] = status.devices.iter().map(|device| device_json(device, status)).collect();
    out["recipients"] = status.recipients.iter().map(recipient_json).collect();
    out["collections"] = status.collections.iter().map(collection_json).collect();
    out["pending"] = status.pending.into();
    out["sequence"] = status.sequence.into();
    out["debts"] = status.debts.into();
    out["conflicts"] = status.conflicts.into();
    out["last_push"] = status.last_push_ms.map(time).into();
    out["last_pull"] = status.last_pull_ms.map(time).into();
    out["last_error"] = status.last_error.clone().into();
    out["conditional_writes"] = status.conditional_writes.into();
    out["stopped"] = status.stopped.as_ref().map(to_json).into();
    out["revoked"] = status.revoked.as_ref().map(to_json).into();
    out["untaken"] = status.untaken.into();
    out
}

/// A collection's kind and name.
pub(crate) fn collection_json(collection: &tidelock::Collection) -> Value {
    let kind = match collection.kind {
        Kind::Root => "root",
        Kind::Places => "places",
        Kind::Map => "map",
        Kind::Log => "log",
        Kind::Documents => "documents",
    };
    json!({ "kind": kind, "name": collection.name })
}
