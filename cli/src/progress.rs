//! A line that shows how far the work is, where a person is watching.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tidelock::{Event, Phase, Vault};

const TICK: Duration = Duration::from_millis(120);

/// A line that moves until it is dropped.
pub(crate) struct Line {
    bar: ProgressBar,
}

impl Line {
    pub(crate) fn new(output: Output, text: &'static str) -> Self {
        let bar = if output.draws() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_message(text);
        if output.draws() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Shows a vault's progress while something runs on it.
pub(crate) async fn during<T>(output: Output, vault: &Vault, work: impl Future<Output = T>) -> T {
    if !output.draws() {
        return work.await;
    }
    let line = Line::new(output, "looking at the store");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}/{len}") {
        line.bar.set_style(style);
    }
    let mut events = vault.events();
    let mut work = pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            event = events.next() => match event {
                Some(Event::Progress(progress)) => {
                    line.bar.set_message(phase(progress.phase));
                    line.bar.set_length(progress.total);
                    line.bar.set_position(progress.done);
                }
                Some(_) => {}
                None => return work.await,
            },
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Looking => "looking at the store",
        Phase::Pulling => "pulling",
        Phase::Pushing => "pushing",
    }
}
