//! What belongs to the process that made it. A forked child has none of a vault's threads, so nothing of it may run there,
//! not even a destructor.

use std::mem::ManuallyDrop;
use tidelock::{Error, ErrorKind};

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
