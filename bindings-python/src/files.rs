//! Python's binary files for archives: they are read and written on the archive's own thread, a buffer at a time.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

const BUFFER_BYTES: usize = 256 << 10;

/// A file, and what its methods raised.
pub(crate) struct File {
    file: Py<PyAny>,
    raised: Raised,
}

/// The exception that ended an archive's work, for whoever waits for it.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl File {
    pub(crate) fn writer(file: Py<PyAny>) -> (BufWriter<Self>, Raised) {
        let raised = Raised::default();
        (BufWriter::with_capacity(BUFFER_BYTES, Self { file, raised: raised.clone() }), raised)
    }

    pub(crate) fn reader(file: Py<PyAny>) -> (BufReader<Self>, Raised) {
        let raised = Raised::default();
        (BufReader::with_capacity(BUFFER_BYTES, Self { file, raised: raised.clone() }), raised)
    }

    fn call<T>(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> io::Result<T> {
        let called = Python::try_attach(|py| call(self.file.bind(py)));
        match called {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                *self.raised.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(io::Error::other("the file's method raised an exception"))
            }
            None => Err(io::Error::other("the interpreter ends")),
        }
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|file| {
            let written = file.call_method1("write", (PyBytes::new(file.py(), bytes),))?;
            // Raw files say how much they took; buffered ones take everything.
            if written.is_none() { Ok(bytes.len()) } else { Ok(written.extract::<usize>()?.min(bytes.len())) }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(|file| file.call_method0("flush").map(drop))
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|file| {
            let read = file.call_method1("read", (buffer.len(),))?;
            let read = read.cast::<PyBytes>()?.as_bytes();
            let length = read.len().min(buffer.len());
            buffer[..length].copy_from_slice(&read[..length]);
            Ok(length)
        })
    }
}
