//! What goes on until it is closed: the reports of a watch, the changes of a collection.

use crate::errors::{self, raised};
use crate::fork::OfProcess;
use crate::results;
use crate::work::Work;
use pyo3::prelude::*;
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Arc, PoisonError};
use tidelock::{ChangedKeys, Changes, Error, SyncReport, Watch};
use tokio::sync::Mutex;

/// The most keys that a change names, as the library's own.
const KEYS_MAX: usize = 256;

/// `next` gives the next item, or `None` when the vault is closed or the stream is.
#[pyclass(frozen, generic)]
pub(crate) struct Stream(OfProcess<std::sync::Mutex<Option<Source>>>);

/// One waits at a time; dropping a wait loses nothing.
#[derive(Clone)]
enum Source {
    Watch(Arc<Mutex<Watch>>),
    Changes(Arc<Mutex<Changes>>),
}

enum Item {
    Report(Result<SyncReport, Error>),
    Changed(ChangedKeys),
}

impl Stream {
    pub(crate) fn watch(watch: Watch) -> Self {
        Self::new(Source::Watch(Arc::new(Mutex::new(watch))))
    }

    pub(crate) fn changes(changes: Changes) -> Self {
        Self::new(Source::Changes(Arc::new(Mutex::new(changes))))
    }

    fn new(source: Source) -> Self {
        Self(OfProcess::new(std::sync::Mutex::new(Some(source))))
    }
}

#[pymethods]
impl Stream {
    fn next(&self, py: Python<'_>) -> PyResult<Work> {
        let source = self.0.get().map_err(|error| raised(py, &error))?;
        let source = source.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = async move {
            Ok::<_, Error>(match source {
                Some(Source::Watch(watch)) => watch.lock().await.next().await.map(Item::Report),
                Some(Source::Changes(changes)) => changed(&mut *changes.lock().await).await.map(Item::Changed),
                None => None,
            })
        };
        Ok(Work::new(next, |py, item| match item {
            Some(Item::Report(Ok(report))) => results::sync_report(py, report),
            Some(Item::Report(Err(error))) => Ok(errors::exception(py, &error)?.unbind()),
            Some(Item::Changed(keys)) => results::changes(py, keys),
            None => Ok(py.None()),
        }))
    }

    fn close(&self, py: Python<'_>) {
        if let Ok(source) = self.0.get() {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(source));
        }
    }
}

/// The next change, with those that have happened by then: a slow reader reads the collection once, not for each commit.
async fn changed(changes: &mut Changes) -> Option<ChangedKeys> {
    let mut keys = changes.next().await?;
    loop {
        let more = tokio::select! {
            biased;
            more = changes.next() => more,
            () = ready(()) => None,
        };
        match more {
            Some(more) => keys = both(keys, more),
            // After the end, the next call finds it again.
            None => return Some(keys),
        }
    }
}

fn both(one: ChangedKeys, other: ChangedKeys) -> ChangedKeys {
    let (ChangedKeys::These(one), ChangedKeys::These(other)) = (one, other) else { return ChangedKeys::Many };
    let keys: BTreeSet<String> = one.into_iter().chain(other).collect();
    if keys.len() > KEYS_MAX { ChangedKeys::Many } else { ChangedKeys::These(keys.into_iter().collect()) }
}
