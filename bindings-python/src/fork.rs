//! What belongs to the process that made it. A forked child has none of a vault's threads, so nothing of it may run there,
//! not even a destructor.

use pyo3::prelude::*;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use tidelock::{Error, ErrorKind, Fork};

thread_local! {
    static FORK: Cell<Option<Fork>> = const { Cell::new(None) };
}

/// Waits until no local store is in use. `os.fork` calls this, and then one of the next two, on the thread that forks.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) {
    py.detach(|| FORK.set(Some(Fork::prepare())));
}

#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    FORK.set(None);
}

#[pyfunction]
pub(crate) fn after_fork_in_child() {
    if let Some(fork) = FORK.take() {
        fork.in_child();
    }
}

/// A value of one process; in a forked child it is out of reach, and leaked when dropped.
pub(crate) struct OfProcess<T> {
    value: ManuallyDrop<T>,
    process: u32,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), process: std::process::id() }
    }

    pub(crate) fn get(&self) -> Result<&T, Error> {
        if self.is_here() {
            return Ok(&self.value);
        }
        Err(Error::new(ErrorKind::Closed, "the vault belongs to the process that forked this one")
            .next_step("open the vault after the fork"))
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.is_here() {
            // SAFETY: it is dropped once, here, and not used again.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}
