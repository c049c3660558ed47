//! `doctor`: what a store is like, and what to do about it.

use crate::commands::doctor_json::diagnosis_json;
use crate::config::device;
use crate::context::{Context, has_store, no_store, until_interrupted};
use crate::exit::Result;
use crate::keys;
use crate::output::{Lines, one_line};
use clap::Args;
use tidelock::{Diagnosis, Finding, Local, Options, StoreUri, Verdict, deep_doctor, doctor, take_keys};

const EXAMPLES: &str = "\
Makes at most 12 requests, or 24 with --deep, under PREFIX/probes/, and deletes what it wrote. It works before there is a
vault. Where there is one, what it finds of conditional writes is remembered with it.

Examples:
  tidelock doctor --store 's3://my-bucket/notes?region=eu-central-1'
  tidelock doctor                                     the store of the vault that is here
  tidelock doctor --origin https://app.example        and whether web pages of this origin may use it
  tidelock doctor --deep                              all that can be found out
  tidelock doctor --json | jq '.findings[] | select(.verdict != \"ok\")'

Exit codes: 0 if a vault can live there and, with --origin, pages can use it (warnings or not), else
that of the first problem: 3 no such bucket, 4 keys or permissions, 5 not reachable, 11 clock,
12 something that the server can't, or CORS rules that let no page in. All codes: tidelock --help";

/// Find out what a store is like, and what to do where something is wrong
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// The store: s3://BUCKET/PREFIX?region=&endpoint=&path_style= or file:///FOLDER [default: the one that is set, or the vault's]
    #[arg(long, value_name = "URI")]
    store: Option<String>,
    /// A web app's origin, to check CORS for: https://app.example
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Ask for everything, in at most 24 requests: also whether conditions hold in a race, and who owns the vault's objects
    #[arg(long)]
    deep: bool,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Result {
        let options = match &self.store {
            Some(store) => context.options_at(store)?,
            None => keys::named_options(context)?.ok_or_else(no_store)?,
        };
        let diagnosis = context.run(until_interrupted(async {
            let _asking = context.progress.begin("asking the store");
            let origin = self.origin.as_deref();
            Ok(match self.deep {
                true => deep_doctor(&options, origin).await?,
                false => doctor(&options, origin).await?,
            })
        }))?;
        if is_the_vaults(context, &options)? {
            Local::open(&options)?.remember(&diagnosis)?;
        }
        match context.output.json {
            true => context.output.object(&diagnosis_json(&diagnosis))?,
            false => print(&diagnosis)?,
        }
        match diagnosis.problem() {
            Some(problem) => Err(problem.into()),
            None => Ok(()),
        }
    }
}

/// Whether the vault that is here is at this store.
fn is_the_vaults(context: &Context, options: &Options) -> Result<bool> {
    let remembered = match has_store(&context.local)? {
        true => device::read_store(&context.local)?,
        false => None,
    };
    Ok(match remembered {
        Some(store) => take_keys(&store)?.0.parse::<StoreUri>()? == options.store,
        None => false,
    })
}

fn print(diagnosis: &Diagnosis) -> Result {
    let mut lines = Lines::new();
    let shown = |text: &str| one_line(text.as_bytes());
    lines.line(&format!("store     {}", diagnosis.store))?;
    lines.line(&format!("provider  {} (docs/providers/{})", diagnosis.profile.name, diagnosis.profile.page))?;
    lines.line(&format!("requests  {}\n", diagnosis.requests))?;
    for Finding { what, verdict, cause, .. } in &diagnosis.findings {
        lines.line(&format!("{:<8} {what:<19} {}", verdict.name(), shown(cause)))?;
    }
    let steps = |finding: &&Finding| finding.verdict != Verdict::Ok && finding.next_step.is_some();
    for finding in diagnosis.findings.iter().filter(steps) {
        let step = finding.next_step.as_deref().unwrap_or_default();
        lines.line(&format!("\n{}: {}", finding.what, shown(step)))?;
        if let Some(paste) = &finding.paste {
            lines.line("")?;
            for line in paste.lines() {
                lines.line(&format!("    {}", shown(line)))?;
            }
        }
    }
    let count = |wanted: fn(&Verdict) -> bool| diagnosis.findings.iter().filter(|found| wanted(&found.verdict)).count();
    let problems = count(|verdict| matches!(verdict, Verdict::Problem(_)));
    let warnings = count(|verdict| *verdict == Verdict::Warning);
    lines.line(&match (problems, warnings) {
        (0, 0) => "\nA vault can live here.".to_owned(),
        (0, many) => format!("\nA vault can live here; warnings: {many}."),
        _ if diagnosis.is_shut_to_pages_only() => "\nA vault can live here, and no web page can use it yet.".to_owned(),
        (many, _) => format!("\nNo vault can live here yet; problems: {many}."),
    })?;
    lines.end()
}
