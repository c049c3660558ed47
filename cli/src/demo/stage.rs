//! The demo's stage: its devices, what it says, and its checks.

use crate::exit::Result;
use crate::output::Output;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidelock::{CredentialSource, Error, ErrorKind, Meter, Options, SyncReport, Vault};

/// Two devices and a bucket.
pub(super) struct Stage {
    output: Output,
    folder: PathBuf,
    store: String,
    credentials: CredentialSource,
    /// The bucket is somebody's, and outlives the demo.
    pub(super) stays: bool,
    code: Option<String>,
    steps: Vec<Value>,
    passed: u32,
    failed: Vec<String>,
}

impl Stage {
    pub(super) fn new(output: Output, folder: PathBuf, store: String, credentials: CredentialSource) -> Self {
        Self {
            output,
            folder,
            store,
            credentials,
            stays: false,
            code: None,
            steps: Vec::new(),
            passed: 0,
            failed: Vec::new(),
        }
    }

    /// The options of a device with a local store of its own.
    pub(super) fn device(&self, name: &str) -> Result<Options> {
        let mut options = Options::new(&self.store, self.folder.join(name))?;
        options.credentials = self.credentials.clone();
        name.clone_into(&mut options.device);
        Ok(options)
    }

    /// A headline.
    pub(super) fn act(&mut self, title: &str) {
        self.talk(&format!("\n{title}"));
    }

    /// The vault's recovery code. Told where the bucket stays, so that its owner can join what the demo has made.
    pub(super) fn recovery_code(&mut self, code: &str) {
        self.tell("It prints a recovery code, once. Whoever has the code can join; the bucket's provider can't.");
        if self.stays {
            self.tell(code);
            self.code = Some(code.to_owned());
        }
    }

    /// What happens.
    pub(super) fn tell(&mut self, text: &str) {
        self.talk(&format!("  {text}"));
    }

    /// Says what holds, and remembers if it does not.
    pub(super) fn check(&mut self, what: &str, holds: bool) {
        if holds {
            self.passed += 1;
            self.talk(&format!("  ✓ {what}"));
        } else {
            self.failed.push(what.to_owned());
            self.talk(&format!("  ✗ {what}"));
        }
    }

    /// Syncs a device and tells what that took.
    pub(super) async fn sync(&mut self, name: &str, vault: &Vault) -> Result<(SyncReport, Meter)> {
        let before = vault.status().await?.meter;
        let report = vault.sync().await?;
        let meter = vault.status().await?.meter.since(&before);
        self.cost(name, "syncs", &meter);
        Ok((report, meter))
    }

    /// Tells what something took, by kind of request.
    pub(super) fn cost(&mut self, name: &str, did: &str, meter: &Meter) {
        let kinds = [
            ("GET", meter.get),
            ("PUT", meter.put),
            ("DELETE", meter.delete),
            ("LIST", meter.list),
            ("HEAD", meter.head),
            ("POST", meter.post),
        ];
        let requests: Vec<String> =
            kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {kind}")).collect();
        let requests = if requests.is_empty() { "no request".to_owned() } else { requests.join(", ") };
        let (sent, received) = (bytes(meter.bytes_sent), bytes(meter.bytes_received));
        self.tell(&format!("{name} {did}: {requests}; {sent} sent, {received} received"));
        let counted: serde_json::Map<String, Value> =
            kinds.iter().map(|(kind, n)| ((*kind).to_owned(), json!(n))).collect();
        self.steps.push(json!({
            "device": name, "did": did, "requests": counted,
            "bytes_sent": meter.bytes_sent, "bytes_received": meter.bytes_received,
        }));
    }

    /// The last word: an error if any check failed.
    pub(super) fn end(mut self) -> Result {
        let failed = std::mem::take(&mut self.failed);
        if self.output.json {
            let mut told = json!({ "steps": self.steps, "passed": self.passed, "failed": failed });
            if let Some(code) = self.code.take() {
                told["recovery_code"] = json!(code);
            }
            self.output.object(&told)?;
        } else {
            self.talk(&format!("\n{} checks passed, {} failed", self.passed, failed.len()));
        }
        match failed.first() {
            None => Ok(()),
            Some(first) => Err(Error::new(ErrorKind::Internal, format!("the demo's check failed: {first}"))
                .next_step("please report this, with what the demo printed")
                .into()),
        }
    }

    fn talk(&self, text: &str) {
        if !self.output.json {
            // Nobody reads it: the checks decide all the same.
            let _ = self.output.line(text);
        }
    }
}

/// Bytes for a person.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} KB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}
