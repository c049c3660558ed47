//! Who signs for a device that has no keys for the bucket: named on the command line or in the environment, else the one
//! that is remembered beside the store. Its token is never remembered: the environment has it, or a file.

use crate::exit::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tidelock::{Presign, SignerToken};

/// A signer's URL, and where its token is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signer {
    url: String,
    /// `None`: `TIDELOCK_SIGNER_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
}

impl Signer {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), token_file: None }
    }

    pub(crate) fn with_token_file(self, file: &Path) -> Self {
        // A relative name would mean another file from another folder.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Self { token_file: Some(file), ..self }
    }

    /// As the vault's options take it.
    pub(crate) fn presign(&self) -> Result<Presign> {
        let token = match &self.token_file {
            Some(file) => SignerToken::file(file),
            None => SignerToken::environment(),
        };
        Ok(Presign::signer(&self.url, token)?)
    }
}
