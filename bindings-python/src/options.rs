//! How a vault is reached, as the package's Python code gives it: `_options.py` has the other side.

use crate::callables::{self, Keys};
use crate::errors::raised;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::time::Duration;
use tidelock::{CredentialSource, Error, ErrorKind, Options, Passphrase, Presign, SignerToken};

/// A dictionary with every one of these.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Given {
    store: String,
    local: PathBuf,
    device: Option<String>,
    passphrase: Option<String>,
    credentials: Option<GivenCredentials>,
    presign: Option<GivenPresign>,
    transport: Option<Py<PyAny>>,
    timeout: f64,
    retries: u32,
    concurrency: u32,
    compression: bool,
}

#[derive(FromPyObject)]
enum GivenCredentials {
    Profile(String),
    Keys(Keys),
    Callable(Py<PyAny>),
}

/// A signer's URL, with a token's file or callable; or a callable that signs.
#[derive(FromPyObject)]
enum GivenPresign {
    Signer(String, Option<PathBuf>, Option<Py<PyAny>>),
    Callable(Py<PyAny>),
}

impl Given {
    pub(crate) fn options(self, py: Python<'_>) -> PyResult<Options> {
        self.checked().map_err(|error| raised(py, &error))
    }

    fn checked(self) -> Result<Options, Error> {
        let mut options = Options::new(&self.store, self.local)?;
        if let Some(device) = self.device {
            options.device = device;
        }
        options.passphrase = self.passphrase.map(Passphrase::new);
        options.credentials = match self.credentials {
            None => CredentialSource::Chain,
            Some(GivenCredentials::Profile(name)) => CredentialSource::Profile(name),
            Some(GivenCredentials::Keys(keys)) => CredentialSource::Fixed(callables::fixed_credentials(keys)?),
            Some(GivenCredentials::Callable(callable)) => CredentialSource::Callback(callables::credentials(callable)),
        };
        options.presign = match self.presign {
            None => None,
            Some(GivenPresign::Signer(url, file, callable)) => {
                let token = match (file, callable) {
                    (Some(file), _) => SignerToken::file(file),
                    (None, Some(callable)) => callables::signer_token(callable),
                    (None, None) => SignerToken::environment(),
                };
                Some(Presign::signer(&url, token)?)
            }
            Some(GivenPresign::Callable(callable)) => Some(callables::presign(callable)),
        };
        options.transport = self.transport.map(|callable| callables::transport(callable, self.timeout));
        options.timeout = Duration::try_from_secs_f64(self.timeout)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "the timeout is no positive number of seconds"))?;
        options.retries = self.retries;
        options.concurrency = self.concurrency;
        options.compression = self.compression;
        Ok(options)
    }
}
