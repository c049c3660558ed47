//! `sync`, `push`, `pull`, `watch` and `republish`: this device and the bucket brought together.

use crate::context::Context;
use crate::exit::Result;
use crate::output::{Output, reports};
use crate::progress::Progress;
use crate::spoken::Names;
use clap::Args;
use serde_json::{Value, json};
use std::sync::Arc;
use tidelock::{Error, Meter, SyncReport, Vault};

/// Take what other devices published, and publish what is pending here
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock sync\n  tidelock sync --json | jq .requests")]
pub(crate) struct Sync {
    #[command(flatten)]
    how: How,
}

/// Publish what is pending here
///
/// While another process of this device syncs, it waits until that one has published it. A push looks at what others did
/// first, so it takes in their changes too.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock push")]
pub(crate) struct Push {
    #[command(flatten)]
    how: How,
}

/// Take what other devices published
///
/// Nothing is published; but --force is a full check, which also publishes what is pending here.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock pull")]
pub(crate) struct Pull {
    #[command(flatten)]
    how: How,
}

/// Keep syncing: after local writes, and every half a minute to five
///
/// Ends with ctrl-c, or with an error that trying again does not mend.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock watch --json >> sync.log")]
pub(crate) struct Watch {
    #[command(flatten)]
    how: How,
}

/// Publish everything this device has, after the bucket was rolled back or wiped, or objects were lost
///
/// All of it is written anew. Once every device that has the vault did so, a newcomer gets all that any of them has.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock republish")]
pub(crate) struct Republish {}

#[derive(Args, Debug)]
struct How {
    /// Look at every object that is named in the store, and write again what is missing or damaged
    #[arg(long)]
    force: bool,
}

impl Sync {
    pub(crate) fn run(self, context: &Context) -> Result {
        once(context, async |vault| if self.how.force { vault.repair().await } else { vault.sync().await })
    }
}

impl Push {
    pub(crate) fn run(self, context: &Context) -> Result {
        once(context, async |vault| if self.how.force { vault.repair().await } else { vault.push().await })
    }
}

impl Pull {
    pub(crate) fn run(self, context: &Context) -> Result {
        once(context, async |vault| if self.how.force { vault.repair().await } else { vault.pull().await })
    }
}

impl Republish {
    pub(crate) fn run(self, context: &Context) -> Result {
        once(context, async |vault| vault.republish().await)
    }
}

impl Watch {
    pub(crate) fn run(self, context: &Context) -> Result {
        let output = context.output;
        context.with_vault(async |vault| {
            if self.how.force {
                let before = vault.status().await?.meter;
                tell(output, vault, before, &vault.repair().await?).await?;
            }
            let before = vault.status().await?.meter;
            follow(output, &context.progress, vault, vault.watch(), before).await
        })
    }
}

/// Tells of each sync, to the first error that trying again does not mend.
async fn follow(
    output: Output,
    progress: &Arc<Progress>,
    vault: &Vault,
    mut watch: tidelock::Watch,
    mut before: Meter,
) -> Result {
    loop {
        let running = progress.begin("watching");
        let Some(result) = watch.next().await else { break };
        drop(running);
        match result {
            Ok(report) => tell(output, vault, before, &report).await?,
            Err(error) if error.is_retryable() => later(output, &error)?,
            Err(error) => return Err(error.into()),
        }
        before = vault.status().await?.meter;
    }
    // Nobody closed it here: its thread ended, and this says so.
    vault.status().await?;
    Ok(())
}

fn later(output: Output, error: &Error) -> Result {
    if output.json {
        return output.object(&json!({ "error": crate::exit::to_json(error) }));
    }
    output.warn(error);
    Ok(())
}

/// Runs an operation that ends in a sync, and tells what it did and cost.
pub(crate) fn once(
    context: &Context,
    work: impl AsyncFnOnce(&Vault) -> std::result::Result<SyncReport, Error>,
) -> Result {
    let output = context.output;
    context.with_vault(async |vault| {
        let before = vault.status().await?.meter;
        let running = context.progress.begin("looking at the store");
        let ended = work(vault).await;
        drop(running);
        match ended {
            Ok(report) => tell(output, vault, before, &report).await,
            Err(error) if output.in_words() => Err(Names::of(&vault.status().await?).in_words(&error).into()),
            Err(error) => Err(error.into()),
        }
    })
}

/// Tells what a sync did and what it cost.
async fn tell(output: Output, vault: &Vault, before: Meter, report: &SyncReport) -> Result {
    let status = vault.status().await?;
    let meter = status.meter.since(&before);
    if output.json {
        return output.object(&report_json(report, &meter, status.pending));
    }
    output.say(&sentence(report, &meter));
    if output.verbose {
        output.say(&requests(&meter));
    }
    let names = Names::of(&status);
    for error in &report.reports {
        output.warn(&if output.in_words() { names.in_words(error) } else { error.clone() });
    }
    Ok(())
}

fn sentence(report: &SyncReport, meter: &Meter) -> String {
    let what = match (report.ops_applied, report.ops_published) {
        (0, 0) => "nothing new".to_owned(),
        (applied, 0) => format!("{} taken in", changes(applied)),
        (0, published) => format!("{} published", changes(published)),
        (applied, published) => format!("{} taken in, {} published", changes(applied), changes(published)),
    };
    let missing = match report.debts {
        0 => String::new(),
        1 => "; one thing in the store can't be had yet, and is tried again later".to_owned(),
        debts => format!("; {debts} things in the store can't be had yet, and are tried again later"),
    };
    format!("{what}, with {} requests{missing}", meter.requests())
}

fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

/// The requests by kind, and the bytes, in one line.
pub(crate) fn requests(meter: &Meter) -> String {
    let Meter { get, put, delete, list, head, post, bytes_sent, bytes_received } = meter;
    format!(
        "requests: {get} GET, {put} PUT, {delete} DELETE, {list} LIST, {head} HEAD, {post} POST; \
         {bytes_sent} B sent, {bytes_received} B received"
    )
}

/// The fields `requests`, `bytes_sent` and `bytes_received`.
pub(crate) fn meter_json(meter: &Meter) -> Value {
    let Meter { get, put, delete, list, head, post, bytes_sent, bytes_received } = meter;
    json!({
        "requests": { "GET": get, "PUT": put, "DELETE": delete, "LIST": list, "HEAD": head, "POST": post },
        "bytes_sent": bytes_sent,
        "bytes_received": bytes_received,
    })
}

fn report_json(report: &SyncReport, meter: &Meter, pending: u64) -> Value {
    let mut out = meter_json(meter);
    out["ops_applied"] = report.ops_applied.into();
    out["ops_published"] = report.ops_published.into();
    out["debts"] = report.debts.into();
    out["pending"] = pending.into();
    out["reports"] = reports(&report.reports);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Stop;
    use tidelock::ErrorKind;

    #[test]
    fn a_sync_is_a_sentence() {
        let meter = Meter { get: 3, put: 2, ..Meter::default() };
        let report =
            |ops_applied, ops_published, debts| SyncReport { ops_applied, ops_published, debts, ..Default::default() };
        assert_eq!(sentence(&report(0, 0, 0), &Meter { get: 1, ..Meter::default() }), "nothing new, with 1 requests");
        assert_eq!(sentence(&report(1, 20, 0), &meter), "1 change taken in, 20 changes published, with 5 requests");
        assert!(sentence(&report(0, 1, 2), &meter).starts_with("1 change published, with 5 requests; 2 things"));
    }

    #[tokio::test]
    async fn a_watch_whose_vault_is_gone_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("file://{}", folder.path().join("bucket").display());
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let options = tidelock::Options::new(&store, folder.path().join("one")).unwrap();
        let (vault, _) = Vault::create(options).await.unwrap();
        vault.clone().close().await;
        let output = Output { json: true, verbose: false };
        let ended = follow(output, &Progress::new(output), &vault, vault.watch(), Meter::default()).await;
        assert!(matches!(ended, Err(Stop::Error(error)) if error.kind() == ErrorKind::Closed));
    }

    #[test]
    fn json_has_the_requests_by_kind() {
        let meter = Meter { get: 1, put: 2, delete: 3, list: 4, head: 5, post: 6, bytes_sent: 7, bytes_received: 8 };
        let report = SyncReport { ops_applied: 9, ops_published: 10, debts: 11, reports: vec![] };
        let expected = json!({
            "requests": { "GET": 1, "PUT": 2, "DELETE": 3, "LIST": 4, "HEAD": 5, "POST": 6 },
            "bytes_sent": 7, "bytes_received": 8, "ops_applied": 9, "ops_published": 10, "debts": 11, "pending": 12,
            "reports": [],
        });
        assert_eq!(report_json(&report, &meter, 12), expected);
    }
}
