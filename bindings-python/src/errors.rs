//! Errors both ways: the library's become the package's exceptions, and a callable's exceptions become the library's errors.

use pyo3::exceptions::{PyOSError, PyTimeoutError};
use pyo3::prelude::*;
use tidelock::{Error, ErrorKind};

/// Why work failed: by the library, or in the caller's own Python code.
pub(crate) enum Failure {
    Library(Error),
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Failure {
    pub(crate) fn raised(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Library(error) => raised(py, &error),
            Self::Python(error) => error,
        }
    }
}

/// An error as the exception of its kind, to raise.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error).map_or_else(|broken| broken, PyErr::from_value)
}

/// An error as the exception of its kind, to hand over.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let arguments = (error.kind().name(), error.message(), error.object(), error.hint(), error.is_retryable());
    py.import("tidelock.errors")?.getattr("of_kind")?.call1(arguments)
}

/// What a callable's exception says, for the library. Of exceptions that are not the package's own only the class is named:
/// their words may quote a signed URL or a key.
pub(crate) fn of_callable(py: Python<'_>, what: &str, raised: &PyErr) -> Error {
    let value = raised.value(py);
    let name = raised.get_type(py).fully_qualified_name().map_or("an exception".to_owned(), |name| name.to_string());
    if let Ok(kind) = value.getattr("kind").and_then(|kind| kind.extract::<String>())
        && let Some(kind) = ErrorKind::ALL.into_iter().find(|known| known.name() == kind)
    {
        let message = value.getattr("message").and_then(|message| message.extract::<String>());
        return Error::new(kind, message.unwrap_or(name));
    }
    let kind = if raised.is_instance_of::<PyTimeoutError>(py) || name.contains("Timeout") {
        ErrorKind::Timeout
    } else if raised.is_instance_of::<PyOSError>(py) {
        ErrorKind::Network
    } else {
        ErrorKind::Auth
    };
    Error::new(kind, format!("the {what} callable raised {name}"))
}
