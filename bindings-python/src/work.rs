//! One piece of work on a vault: a Rust future that Python waits for, blocking or from an event loop.

use crate::errors::{Failure, raised};
use crate::fork::OfProcess;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tidelock::{Error, ErrorKind};

/// How long Ctrl-C may go unnoticed.
const SLICE: Duration = Duration::from_millis(50);
/// The longest time that is counted, some 30 years.
const SECONDS_MAX: f64 = 1e9;

/// What the work gives, made into an object where the interpreter is held.
type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Future = Pin<Box<dyn std::future::Future<Output = Result<Answer, Failure>> + Send>>;

/// Waited for once, by `wait` or by `poll`; dropping or cancelling it cancels the work. The stub names what it gives.
#[pyclass(frozen, generic)]
pub(crate) struct Work(OfProcess<Mutex<Option<Future>>>);

impl Work {
    /// Work whose value `to_python` makes into an object.
    pub(crate) fn new<T: Send + 'static, E: Into<Failure>>(
        work: impl std::future::Future<Output = Result<T, E>> + Send + 'static,
        to_python: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        Self(OfProcess::new(Mutex::new(Some(Box::pin(async move {
            let value = work.await.map_err(Into::into)?;
            Ok(Box::new(move |py: Python<'_>| to_python(py, value)) as Answer)
        })))))
    }

    fn take(&self, py: Python<'_>) -> PyResult<Future> {
        let future = self.0.get().map_err(|error| raised(py, &error))?;
        let future = future.lock().unwrap_or_else(PoisonError::into_inner).take();
        future.ok_or_else(|| PyRuntimeError::new_err("this work was waited for already"))
    }
}

#[pymethods]
impl Work {
    /// Blocks until it is done, without the GIL. Signals are handled meanwhile, in the main thread; what a handler raises
    /// cancels the work, as does the end of the time.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let deadline = match timeout.map(|seconds| Duration::try_from_secs_f64(seconds.clamp(0.0, SECONDS_MAX))) {
            None => None,
            Some(Ok(time)) => Some(Instant::now() + time),
            Some(Err(_)) => return Err(PyValueError::new_err("the timeout is no number of seconds")),
        };
        let mut future = self.take(py)?;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            let slice_end = Instant::now() + SLICE;
            let until = deadline.map_or(slice_end, |deadline| deadline.min(slice_end));
            let done = py.detach(|| poll_until(&mut future, &waker, until));
            if let Some(done) = done {
                return done.map_err(|failure| failure.raised(py))?(py);
            }
            py.check_signals()?;
            if let Err(error) = self.0.get() {
                // The handler forked, and this is the child.
                std::mem::forget(future);
                return Err(raised(py, &error));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let error = Error::new(ErrorKind::Timeout, "it took longer than the given time").retryable();
                return Err(raised(py, &error));
            }
        }
    }

    /// Goes on with it: gives a tuple of its result once it is done, else `None`, and calls `wake`, from any thread, when
    /// it is worth polling again.
    fn poll<'py>(&self, py: Python<'py>, wake: Py<PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut future = self.take(py)?;
        let waker = Waker::from(Arc::new(CallPython(wake)));
        // The GIL is let go: what wakes may need it while it holds what polling needs.
        let done = py.detach(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        match done {
            Poll::Ready(done) => {
                let answer = done.map_err(|failure| failure.raised(py))?;
                Ok(Some(PyTuple::new(py, [answer(py)?])?))
            }
            Poll::Pending => {
                let slot = self.0.get().map_err(|error| raised(py, &error))?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
                Ok(None)
            }
        }
    }

    /// Cancels it; nothing if it is done.
    fn cancel(&self, py: Python<'_>) {
        if let Ok(future) = self.take(py) {
            py.detach(|| drop(future));
        }
    }
}

fn poll_until(future: &mut Future, waker: &Waker, until: Instant) -> Option<Result<Answer, Failure>> {
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(done);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes an event loop, through Python.
struct CallPython(Py<PyAny>);

impl Wake for CallPython {
    fn wake(self: Arc<Self>) {
        // An interpreter that ends waits for nothing.
        Python::try_attach(|py| {
            if let Err(error) = self.0.call0(py) {
                error.write_unraisable(py, None);
            }
        });
    }
}
