//! What calls fail with.

use tidelock_client::{ErrorKind, Problem};
use tidelock_core::Error;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error, uniffi::Error)]
pub enum Failure {
    /// The one case: `UniFFI` wants an enum.
    #[error("{problem}")]
    Failed {
        /// What went wrong.
        problem: Problem,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed { problem: error.into() }
    }
}

/// Every kind of error, in order: each language's list is held against it.
#[uniffi::export]
pub fn error_kinds() -> Vec<ErrorKind> {
    tidelock_core::ErrorKind::ALL.into_iter().map(Into::into).collect()
}
