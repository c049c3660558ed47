//! A vault on this device. Each method gives a [`Work`]; `tidelock.Vault` blocks on it, `tidelock.aio.Vault` awaits it.

use crate::errors::{Failure, raised};
use crate::files::{File, Raised};
use crate::fork::OfProcess;
use crate::options::Given;
use crate::results;
use crate::streams::Stream;
use crate::work::Work;
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use tidelock::{
    Change, Collection, DeviceId, Documents, Entry, Error, ErrorKind, Event, Imported, KeyRange, Kind, Options,
    Passphrase, Position, Progress, Secret, SyncReport, parse_secret,
};

/// An open vault; without one, it was closed.
#[pyclass(frozen, weakref)]
pub(crate) struct Vault {
    vault: OfProcess<Mutex<Option<tidelock::Vault>>>,
    options: Options,
}

/// A change of a write: what, the collection's kind and name, the key, the field, the value.
type GivenChange = (String, String, String, Option<String>, Option<String>, Option<PyBackedBytes>);
/// The last conflict of a page: its collection's kind and name, the key, the field.
type GivenPosition = (String, String, String, Option<String>);

#[pymethods]
impl Vault {
    /// Creates a vault; gives it with its recovery code.
    #[staticmethod]
    fn create(py: Python<'_>, options: Given) -> PyResult<Work> {
        let options = options.options(py)?;
        let kept = options.clone();
        Ok(Work::new(tidelock::Vault::create(options), |py, (vault, code)| {
            let vault = Bound::new(py, Self::new(vault, kept))?;
            Ok((vault, code.reveal().as_str()).into_pyobject(py)?.into_any().unbind())
        }))
    }

    /// Joins with a passphrase, a recovery code, or with whichever of them a text is.
    #[staticmethod]
    fn join(py: Python<'_>, options: Given, form: &str, secret: String) -> PyResult<Work> {
        let options = options.options(py)?;
        let secret = match form {
            "passphrase" => Ok(Secret::Passphrase(secret.into())),
            "recovery" => tidelock::RecoveryCode::parse(&secret).map(Secret::Recovery),
            _ => parse_secret(&secret),
        };
        let secret = secret.map_err(|error| raised(py, &error))?;
        let kept = options.clone();
        Ok(Work::new(tidelock::Vault::join(options, secret), |py, vault| Self::new(vault, kept).into_python(py)))
    }

    /// Opens what this device has.
    #[staticmethod]
    fn open(py: Python<'_>, options: Given) -> PyResult<Work> {
        let options = options.options(py)?;
        let kept = options.clone();
        Ok(Work::new(tidelock::Vault::open(options), |py, vault| Self::new(vault, kept).into_python(py)))
    }

    /// The store's address, without keys.
    #[getter]
    fn store(&self) -> String {
        self.options.store.to_string()
    }

    /// This device's folder.
    #[getter]
    fn local(&self) -> std::path::PathBuf {
        self.options.local.clone()
    }

    /// Whether it was neither closed nor left behind by a fork.
    fn is_open(&self) -> bool {
        self.vault.get().is_ok_and(|vault| vault.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }

    /// Closes it; again is no error.
    fn close(&self, py: Python<'_>) -> PyResult<Work> {
        let vault = self.vault.get().map_err(|error| raised(py, &error))?;
        let vault = vault.lock().unwrap_or_else(PoisonError::into_inner).take();
        let close = async move {
            if let Some(vault) = vault {
                vault.close().await;
            }
            Ok::<_, Error>(())
        };
        Ok(Work::new(close, |py, ()| Ok(py.None())))
    }

    /// Writes all or nothing; gives the keys.
    fn write(&self, py: Python<'_>, changes: Vec<GivenChange>) -> PyResult<Work> {
        let changes = changes.into_iter().map(|given| change(py, given)).collect::<PyResult<Vec<_>>>()?;
        self.work(
            py,
            |vault| async move { vault.write(changes).await },
            |py, written| Ok(written.keys.into_pyobject(py)?.unbind()),
        )
    }

    /// Adds entries of a source to a log: pairs of unix ms and value.
    fn import_log(
        &self,
        py: Python<'_>,
        log: String,
        source: String,
        entries: Vec<(u64, PyBackedBytes)>,
    ) -> PyResult<Work> {
        let entries =
            entries.into_iter().map(|(unix_ms, value)| Imported { unix_ms, value: Bytes::copy_from_slice(&value) });
        let entries: Vec<_> = entries.collect();
        self.work(py, |vault| async move { vault.log(log).import(source, entries).await }, |py, ()| Ok(py.None()))
    }

    /// The entry at a key, as in `page`; or `None`.
    fn get(&self, py: Python<'_>, kind: &str, name: String, key: String) -> PyResult<Work> {
        match kind_of(py, kind)? {
            Kind::Documents => self.work(
                py,
                |vault| async move { documents(&vault, name).get(key).await },
                |py, found| found.map_or_else(|| Ok(py.None()), |document| results::document(py, document)),
            ),
            kind => self.work(
                py,
                move |vault| async move {
                    let record = match kind {
                        Kind::Log => vault.log(name).get(key.clone()).await,
                        _ => vault.map(name).get(key.clone()).await,
                    };
                    Ok::<_, Error>(record?.map(|record| Entry { key, record }))
                },
                |py, found| found.map_or_else(|| Ok(py.None()), |entry| results::entry(py, entry)),
            ),
        }
    }

    /// At most `limit` entries of a range.
    fn page(
        &self,
        py: Python<'_>,
        kind: &str,
        name: String,
        start: String,
        end: Option<String>,
        limit: usize,
    ) -> PyResult<Work> {
        let range = KeyRange { start, end };
        match kind_of(py, kind)? {
            Kind::Documents => self.work(
                py,
                move |vault| async move {
                    let (mut documents, mut page) = (documents(&vault, name).list(range), Vec::new());
                    while page.len() < limit
                        && let Some(document) = documents.next().await?
                    {
                        page.push(document);
                    }
                    Ok::<_, Error>(page)
                },
                |py, page| results::list(py, page, results::document),
            ),
            kind => self.work(
                py,
                move |vault| async move {
                    let mut entries = match kind {
                        Kind::Log => vault.log(name).list(range),
                        _ => vault.map(name).list(range),
                    };
                    let mut page = Vec::new();
                    while page.len() < limit
                        && let Some(entry) = entries.next().await?
                    {
                        page.push(entry);
                    }
                    Ok::<_, Error>(page)
                },
                |py, page| results::list(py, page, results::entry),
            ),
        }
    }

    /// At most `limit` conflicts after a position.
    fn conflicts(&self, py: Python<'_>, after: Option<GivenPosition>, limit: u32) -> PyResult<Work> {
        let after = match after {
            None => None,
            Some((kind, name, key, field)) => {
                let key = field.map_or(key.clone(), |field| format!("{key}\0{field}"));
                Some(Position { collection: Collection { kind: kind_of(py, &kind)?, name }, key })
            }
        };
        self.work(py, move |vault| async move { vault.conflicts(after, limit).await }, results::conflicts)
    }

    fn status(&self, py: Python<'_>) -> PyResult<Work> {
        self.work(py, |vault| async move { vault.status().await }, results::status)
    }

    /// Runs `sync`, `push`, `pull`, `check` or `republish`; `progress` is called with what is done meanwhile.
    fn operate(&self, py: Python<'_>, name: String, progress: Option<Py<PyAny>>) -> PyResult<Work> {
        self.work(
            py,
            move |vault| async move {
                let work = async {
                    match name.as_str() {
                        "push" => vault.push().await,
                        "pull" => vault.pull().await,
                        "check" => vault.check().await,
                        "republish" => vault.republish().await,
                        _ => vault.sync().await,
                    }
                };
                match progress {
                    None => Ok(work.await?),
                    Some(callable) => with_progress(&vault, work, &callable).await,
                }
            },
            results::sync_report,
        )
    }

    /// Does `retire`, `revoke` or `adopt` to a device.
    fn change_device(&self, py: Python<'_>, what: String, id: &str) -> PyResult<Work> {
        let device = DeviceId::from_hex(id).ok_or_else(|| {
            let error = Error::new(ErrorKind::Invalid, "it is no device's id").on(id.to_owned());
            raised(py, &error.next_step("take one that `devices()` gives"))
        })?;
        self.work(
            py,
            move |vault| async move {
                match what.as_str() {
                    "retire" => vault.retire_device(device).await,
                    "revoke" => vault.revoke_device(device).await,
                    _ => vault.adopt_device(device).await,
                }
            },
            results::sync_report,
        )
    }

    fn set_passphrase(&self, py: Python<'_>, passphrase: Option<String>) -> PyResult<Work> {
        let passphrase = passphrase.map(Passphrase::new);
        self.work(py, |vault| async move { vault.set_passphrase(passphrase).await }, |py, ()| Ok(py.None()))
    }

    /// Gives the new code.
    fn replace_recovery_code(&self, py: Python<'_>) -> PyResult<Work> {
        self.work(
            py,
            |vault| async move { vault.replace_recovery_code().await },
            |py, code| Ok(code.reveal().as_str().into_pyobject(py)?.into_any().unbind()),
        )
    }

    /// Writes an archive into a binary file; gives the number of records.
    fn export_archive(&self, py: Python<'_>, file: Py<PyAny>) -> PyResult<Work> {
        let (file, raised) = File::writer(file);
        self.work(
            py,
            |vault| async move { vault.export_archive(file).await.map_err(|error| of_file(&raised, error)) },
            |py, records| Ok(records.into_pyobject(py)?.into_any().unbind()),
        )
    }

    /// Reads an archive from a binary file.
    fn import_archive(&self, py: Python<'_>, file: Py<PyAny>) -> PyResult<Work> {
        let (file, raised) = File::reader(file);
        self.work(
            py,
            |vault| async move { vault.import_archive(file).await.map_err(|error| of_file(&raised, error)) },
            results::import_report,
        )
    }

    /// Examines the store; for web pages of `origin`, too.
    fn doctor(&self, py: Python<'_>, origin: Option<String>) -> PyResult<Work> {
        let options = self.options.clone();
        self.work(py, |_| async move { tidelock::doctor(&options, origin.as_deref()).await }, results::diagnosis)
    }

    /// Keeps syncing until it is closed.
    fn watch(&self, py: Python<'_>) -> PyResult<Stream> {
        Ok(Stream::watch(self.vault(py)?.watch()))
    }

    /// The changes of a collection from now on.
    fn changes(&self, py: Python<'_>, kind: &str, name: String) -> PyResult<Stream> {
        let vault = self.vault(py)?;
        Ok(Stream::changes(match kind_of(py, kind)? {
            Kind::Log => vault.log(name).changes(),
            Kind::Documents => documents(&vault, name).changes(),
            _ => vault.map(name).changes(),
        }))
    }
}

impl Vault {
    fn new(vault: tidelock::Vault, options: Options) -> Self {
        Self { vault: OfProcess::new(Mutex::new(Some(vault))), options }
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Bound::new(py, self)?.into_any().unbind())
    }

    fn vault(&self, py: Python<'_>) -> PyResult<tidelock::Vault> {
        let vault = self.vault.get().map_err(|error| raised(py, &error))?;
        let vault = vault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        vault.ok_or_else(|| {
            raised(py, &Error::new(ErrorKind::Closed, "the vault was closed").next_step("open it again"))
        })
    }

    fn work<T: Send + 'static, E: Into<Failure> + 'static, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(tidelock::Vault) -> F,
        to_python: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Work>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Ok(Work::new(work(self.vault(py)?), to_python))
    }
}

/// Does the work, and calls Python on the way; what that raises cancels the work.
async fn with_progress(
    vault: &tidelock::Vault,
    work: impl Future<Output = Result<SyncReport, Error>>,
    callable: &Py<PyAny>,
) -> Result<SyncReport, Failure> {
    let mut events = vault.events();
    let mut work = pin!(work);
    loop {
        tokio::select! {
            // Progress that was told comes before the end.
            biased;
            event = events.next() => match event {
                Some(Event::Progress(progress)) => tell(callable, &progress)?,
                Some(_) => {}
                None => return Ok(work.await?),
            },
            report = &mut work => return Ok(report?),
        }
    }
}

fn tell(callable: &Py<PyAny>, progress: &Progress) -> Result<(), Failure> {
    Python::attach(|py| callable.call1(py, (results::progress(py, progress)?,)).map(drop)).map_err(Failure::Python)
}

/// What the file raised says more than what the archive made of it.
fn of_file(raised: &Raised, error: Error) -> Failure {
    raised.take().map_or(Failure::Library(error), Failure::Python)
}

fn kind_of(py: Python<'_>, kind: &str) -> PyResult<Kind> {
    match kind {
        "map" => Ok(Kind::Map),
        "log" => Ok(Kind::Log),
        "documents" => Ok(Kind::Documents),
        _ => Err(raised(py, &Error::new(ErrorKind::Invalid, "it is no kind of a collection").on(kind.to_owned()))),
    }
}

/// Documents as the JSON that they are in.
fn documents(vault: &tidelock::Vault, name: String) -> Documents<Box<RawValue>> {
    vault.documents(name)
}

fn change(py: Python<'_>, (what, kind, name, key, field, value): GivenChange) -> PyResult<Change> {
    let collection = Collection { kind: kind_of(py, &kind)?, name };
    let value = value.map(|value| Bytes::copy_from_slice(&value));
    Ok(match (what.as_str(), key, field, value) {
        ("put", Some(key), None, Some(value)) => Change::Put { collection, key, value },
        ("patch", Some(id), None, Some(patch)) => Change::Patch { collection, id, patch },
        ("delete", Some(key), None, None) => Change::Delete { collection, key },
        ("append", None, None, Some(value)) => Change::Append { collection, key: None, value },
        ("resolve", Some(key), None, value) => Change::Resolve { collection, key, value },
        ("resolve", Some(id), Some(field), value) => Change::ResolveField { collection, id, field, value },
        _ => return Err(raised(py, &Error::new(ErrorKind::Invalid, "it is no change").on(what))),
    })
}
