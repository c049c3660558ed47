//! The extension module `tidelock._tidelock`: the crate `tidelock` for the package's Python code in `python/tidelock`.
//!
//! Everything that takes time is a `work::Work`: the same object serves blocking callers and asyncio. Nothing here starts
//! at import, and nothing of a vault outlives a fork (`fork`).

mod callables;
mod errors;
mod files;
mod fork;
mod options;
mod results;
mod streams;
mod vault;
mod work;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _tidelock {
    #[pymodule_export]
    use super::fork::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::streams::Stream;
    #[pymodule_export]
    use super::vault::Vault;
    #[pymodule_export]
    use super::work::Work;
    #[pymodule_export]
    use super::{check_recovery_code, error_kinds, main};

    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        super::refuse_subinterpreters()
    }
}

/// From CPython 3.12 on the interpreter itself refuses; before, two would share this module's statics.
fn refuse_subinterpreters() -> PyResult<()> {
    // SAFETY: a module is initialised by a thread that holds its interpreter.
    let interpreter = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
    if interpreter == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err("tidelock does not support subinterpreters: import it in the main interpreter"))
}

/// The name of every error kind.
#[pyfunction]
fn error_kinds() -> Vec<&'static str> {
    tidelock::ErrorKind::ALL.iter().map(|kind| kind.name()).collect()
}

/// Raises unless the text is a recovery code; gives the code as it is shown.
#[pyfunction]
fn check_recovery_code(py: Python<'_>, text: &str) -> PyResult<String> {
    let code = tidelock::RecoveryCode::parse(text).map_err(|error| errors::raised(py, &error))?;
    Ok(code.reveal().to_string())
}

/// Runs the command `tidelock`; its exit code is the result.
#[pyfunction]
fn main(py: Python<'_>, args: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| tidelock_cli::main(args))
}
