//! How far the work is, and what it waits for: a line where a person is watching, objects on stderr with `--json`.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidelock::{Awaited, Event, Listener, Phase, Waiting};

const TICK: Duration = Duration::from_millis(120);
/// Objects begin after this long, and come no more often.
const OBJECTS_EVERY: Duration = Duration::from_secs(1);

/// Shows one piece of work at a time.
#[derive(Debug)]
pub(crate) struct Progress {
    output: Output,
    shown: Mutex<Option<Shown>>,
}

#[derive(Debug)]
struct Shown {
    what: &'static str,
    bar: ProgressBar,
    told: Instant,
}

/// Work that is shown until this is dropped.
pub(crate) struct Running(Arc<Progress>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Progress {
    pub(crate) fn new(output: Output) -> Arc<Self> {
        Arc::new(Self { output, shown: Mutex::new(None) })
    }

    /// Begins a piece of work.
    pub(crate) fn begin(self: &Arc<Self>, what: &'static str) -> Running {
        let bar = if self.output.draws() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_message(what);
        if self.output.draws() {
            bar.enable_steady_tick(TICK);
        }
        *self.shown() = Some(Shown { what, bar, told: Instant::now() });
        Running(self.clone())
    }

    /// What a vault is to tell.
    pub(crate) fn listener(self: &Arc<Self>) -> Listener {
        let progress = self.clone();
        Listener::new(move |event| match event {
            Event::Progress(now) => progress.at(phase(now.phase), now.done, Some(now.total)),
            Event::Waiting(waiting) => progress.waits(waiting),
            _ => {}
        })
    }

    /// How far the work is, of how much, as far as that is known.
    pub(crate) fn at(&self, what: &'static str, done: u64, total: Option<u64>) {
        let mut shown = self.shown();
        let Some(shown) = &mut *shown else { return };
        if self.output.json {
            if shown.told.elapsed() >= OBJECTS_EVERY {
                shown.told = Instant::now();
                self.output.aside(&json!({ "progress": { "phase": what, "done": done, "total": total } }));
            }
            return;
        }
        let template = if total.is_some() { "{spinner} {msg} {pos}/{len}" } else { "{spinner} {msg} {pos}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            shown.bar.set_style(style);
        }
        shown.bar.set_message(what);
        shown.bar.set_length(total.unwrap_or_default());
        shown.bar.set_position(done);
    }

    fn waits(&self, waiting: &Waiting) {
        let shown = self.shown();
        let Some(shown) = &*shown else { return };
        if self.output.json {
            self.output.aside(&json!({ "waiting": waiting_json(waiting) }));
        } else if self.output.draws() {
            shown.bar.set_style(ProgressStyle::default_spinner());
            shown.bar.set_message(format!("{}: {}", shown.what, words(waiting)));
        } else {
            self.output.say(&words(waiting));
        }
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if let Some(shown) = self.shown().take() {
            shown.bar.finish_and_clear();
        }
    }

    fn shown(&self) -> MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Looking => "looking at the store",
        Phase::Pulling => "pulling",
        Phase::Pushing => "pushing",
    }
}

fn words(waiting: &Waiting) -> String {
    let seconds = waiting.seconds;
    match waiting.awaited {
        Awaited::Store => format!("waiting for the store to answer, for {seconds} s now"),
        Awaited::Process { id: Some(id), busy_seconds } => {
            let busy = busy_seconds.map_or(String::new(), |busy| format!(", which has synced for {busy} s"));
            format!("waiting for process {id}{busy}, for {seconds} s now")
        }
        Awaited::Process { id: None, .. } => format!("waiting for another process that syncs, for {seconds} s now"),
    }
}

fn waiting_json(waiting: &Waiting) -> Value {
    let seconds = waiting.seconds;
    match waiting.awaited {
        Awaited::Store => json!({ "for": "store", "seconds": seconds }),
        Awaited::Process { id, busy_seconds } => {
            json!({ "for": "process", "process": id, "busy_seconds": busy_seconds, "seconds": seconds })
        }
    }
}
