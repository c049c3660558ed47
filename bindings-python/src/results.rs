//! Results as the package's own dataclasses (`_types.py`), and records as tuples: a codec still has to read their values.

use crate::errors::exception;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFrozenSet, PyList, PyTuple};
use serde_json::value::RawValue;
use tidelock::{
    Access, ArchiveImport, ChangedKeys, Collection, Conflict, Cors, DeviceState, DeviceStatus, Diagnosis, Document,
    Entry, EtagForm, Finding, Kind, ListVersion, Meter, Phase, Progress, Recipient, RecipientKind, Record, Status,
    SyncReport, Verdict, Version,
};

type Made<'py> = PyResult<Bound<'py, PyAny>>;

/// An object of a class of `tidelock._types`, from its fields.
macro_rules! make {
    ($py:expr, $class:literal, { $($field:ident: $value:expr),* $(,)? }) => {{
        let py = $py;
        let fields = PyDict::new(py);
        $( fields.set_item(pyo3::intern!(py, stringify!($field)), $value)?; )*
        types(py)?.getattr(pyo3::intern!(py, $class))?.call((), Some(&fields))
    }};
}

fn types(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static TYPES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(TYPES.get_or_try_init(py, || py.import("tidelock._types").map(Bound::unbind))?.bind(py))
}

/// `(key, value, unix_ms, device, siblings)`.
pub(crate) fn entry(py: Python<'_>, Entry { key, record }: Entry) -> PyResult<Py<PyAny>> {
    let Record { value, stamp, device, siblings, attached: _ } = record;
    Ok((key, PyBytes::new(py, &value), stamp.ms, device.to_string(), siblings).into_pyobject(py)?.into_any().unbind())
}

/// `(id, JSON, unix_ms, device, conflicts, deleted_concurrently)`.
pub(crate) fn document(py: Python<'_>, document: Document<Box<RawValue>>) -> PyResult<Py<PyAny>> {
    let Document { id, value, stamp, device, conflicts, deleted_concurrently } = document;
    let json = PyBytes::new(py, value.get().as_bytes());
    let row = (id, json, stamp.ms, device.to_string(), conflicts, deleted_concurrently);
    Ok(row.into_pyobject(py)?.into_any().unbind())
}

pub(crate) fn list<T>(
    py: Python<'_>,
    items: Vec<T>,
    to_python: fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let items = items.into_iter().map(|item| to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, items)?.into_any().unbind())
}

pub(crate) fn conflicts(py: Python<'_>, conflicts: Vec<Conflict>) -> PyResult<Py<PyAny>> {
    let conflicts = conflicts.iter().filter_map(|conflict| {
        let (kind, name) = collection(&conflict.collection)?;
        Some(self::conflict(py, kind, name, conflict))
    });
    Ok(PyList::new(py, conflicts.collect::<PyResult<Vec<_>>>()?)?.into_any().unbind())
}

fn conflict<'py>(py: Python<'py>, kind: &str, collection: &str, conflict: &Conflict) -> Made<'py> {
    let (key, field) = match conflict.collection.kind {
        Kind::Documents => conflict.key.split_once('\0').unzip(),
        _ => (None, None),
    };
    let versions = conflict.versions.iter().map(|version| self::version(py, version)).collect::<PyResult<Vec<_>>>()?;
    make!(py, "Conflict", {
        kind: kind, collection: collection, key: key.unwrap_or(&conflict.key), field: field,
        versions: PyTuple::new(py, versions)?,
    })
}

fn version<'py>(py: Python<'py>, Version { value, stamp, device, attached: _ }: &Version) -> Made<'py> {
    let value = value.as_ref().map(|value| PyBytes::new(py, value));
    make!(py, "Version", { value: value, unix_ms: stamp.ms, device: device.to_string() })
}

pub(crate) fn changes(py: Python<'_>, keys: ChangedKeys) -> PyResult<Py<PyAny>> {
    let keys = match keys {
        ChangedKeys::These(keys) => Some(PyFrozenSet::new(py, keys)?),
        ChangedKeys::Many => None,
    };
    make!(py, "Changes", { keys: keys }).map(Bound::unbind)
}

pub(crate) fn sync_report(py: Python<'_>, report: SyncReport) -> PyResult<Py<PyAny>> {
    let SyncReport { ops_applied, ops_published, debts, reports } = report;
    let reports = reports.iter().map(|error| exception(py, error)).collect::<PyResult<Vec<_>>>()?;
    let made = make!(py, "SyncReport", {
        ops_applied: ops_applied, ops_published: ops_published, debts: debts, reports: PyTuple::new(py, reports)?,
    });
    made.map(Bound::unbind)
}

pub(crate) fn progress<'py>(py: Python<'py>, progress: &Progress) -> Made<'py> {
    let phase = match progress.phase {
        Phase::Looking => "looking",
        Phase::Pulling => "pulling",
        Phase::Pushing => "pushing",
    };
    make!(py, "Progress", { phase: phase, done: progress.done, total: progress.total })
}

pub(crate) fn import_report(py: Python<'_>, report: ArchiveImport) -> PyResult<Py<PyAny>> {
    let ArchiveImport { added, unchanged, newer_here, deleted_here, siblings } = report;
    let made = make!(py, "ImportReport", {
        added: added, unchanged: unchanged, newer_here: newer_here, deleted_here: deleted_here, siblings: siblings,
    });
    made.map(Bound::unbind)
}

pub(crate) fn status(py: Python<'_>, status: Status) -> PyResult<Py<PyAny>> {
    let devices = status.devices.iter().map(|status| device(py, status)).collect::<PyResult<Vec<_>>>()?;
    let recipients = status.recipients.iter().map(|one| recipient(py, one)).collect::<PyResult<Vec<_>>>()?;
    let left = status.left.iter().map(ToString::to_string);
    let collections: Vec<_> = status.collections.iter().filter_map(collection).collect();
    let made = make!(py, "Status", {
        vault: status.vault.map(|id| id.to_string()),
        device: status.device.map(|id| id.to_string()),
        devices: PyTuple::new(py, devices)?,
        recipients: PyTuple::new(py, recipients)?,
        left: PyTuple::new(py, left.collect::<Vec<_>>())?,
        collections: PyTuple::new(py, collections)?,
        pending: status.pending,
        sequence: status.sequence,
        debts: status.debts,
        conflicts: status.conflicts,
        last_push_ms: status.last_push_ms,
        last_pull_ms: status.last_pull_ms,
        last_error: status.last_error,
        conditional_writes: status.conditional_writes,
        stopped: status.stopped.as_ref().map(|error| exception(py, error)).transpose()?,
        revoked: status.revoked.as_ref().map(|error| exception(py, error)).transpose()?,
        untaken: status.untaken,
        meter: meter(py, &status.meter)?,
        metered_from_ms: status.metered_from_ms,
    });
    made.map(Bound::unbind)
}

/// Kind and name; Tidelock's own records are nobody's collection.
fn collection(collection: &Collection) -> Option<(&'static str, &str)> {
    match collection.kind {
        Kind::Root | Kind::Places => None,
        Kind::Map => Some(("map", &collection.name)),
        Kind::Log => Some(("log", &collection.name)),
        Kind::Documents => Some(("documents", &collection.name)),
    }
}

fn device<'py>(py: Python<'py>, device: &DeviceStatus) -> Made<'py> {
    let state = match device.state {
        DeviceState::This => "this",
        DeviceState::Active => "active",
        DeviceState::Retired => "retired",
        DeviceState::Revoked => "revoked",
    };
    make!(py, "Device", {
        id: device.id.to_string(),
        name: &device.name,
        state: state,
        quarantined: device.quarantined,
        sequence: device.sequence,
        applied: device.applied,
        seen_ms: device.seen_ms,
    })
}

fn recipient<'py>(py: Python<'py>, Recipient { kind, added_by, added_ms }: &Recipient) -> Made<'py> {
    let kind = match kind {
        RecipientKind::RecoveryCode => "recovery-code",
        RecipientKind::Passphrase => "passphrase",
    };
    make!(py, "Recipient", { kind: kind, added_by: added_by.to_string(), added_ms: *added_ms })
}

fn meter<'py>(py: Python<'py>, meter: &Meter) -> Made<'py> {
    let Meter { get, put, delete, list, head, post, bytes_sent, bytes_received } = *meter;
    make!(py, "Meter", {
        get: get, put: put, delete: delete, list: list, head: head, post: post,
        bytes_sent: bytes_sent, bytes_received: bytes_received,
    })
}

pub(crate) fn diagnosis(py: Python<'_>, diagnosis: Diagnosis) -> PyResult<Py<PyAny>> {
    let problem = diagnosis.problem();
    let findings = diagnosis.findings.iter().map(|found| finding(py, found)).collect::<PyResult<Vec<_>>>()?;
    let made = make!(py, "Diagnosis", {
        store: diagnosis.store.to_string(),
        provider: diagnosis.profile.name,
        requests: diagnosis.requests,
        problem: problem.as_ref().map(|error| exception(py, error)).transpose()?,
        access: access(py, diagnosis.access)?,
        conditional_writes: diagnosis.conditional_writes.map(|found| found.name()),
        listing: diagnosis.listing.map(|version| match version { ListVersion::V1 => 1, ListVersion::V2 => 2 }),
        etags: diagnosis.etags.map(EtagForm::name),
        listed_etags: diagnosis.listed_etags.map(EtagForm::name),
        content_md5: diagnosis.content_md5,
        clock_offset_ms: diagnosis.clock_offset_ms,
        cors: diagnosis.cors.as_ref().map(|found| cors(py, found)).transpose()?,
        findings: PyTuple::new(py, findings)?,
    });
    made.map(Bound::unbind)
}

fn access(py: Python<'_>, access: Access) -> Made<'_> {
    let Access { list, get, put, delete, delete_many } = access;
    make!(py, "Access", { list: list, get: get, put: put, delete: delete, delete_many: delete_many })
}

fn cors<'py>(py: Python<'py>, cors: &Cors) -> Made<'py> {
    make!(py, "Cors", {
        usable: cors.is_usable(),
        preflight: cors.preflight,
        readable: cors.readable,
        refusals_readable: cors.refusals_readable,
        missing_methods: PyTuple::new(py, &cors.missing_methods)?,
        missing_headers: PyTuple::new(py, &cors.missing_headers)?,
        hidden_headers: PyTuple::new(py, &cors.hidden_headers)?,
        max_age_s: cors.max_age_s,
    })
}

fn finding<'py>(py: Python<'py>, finding: &Finding) -> Made<'py> {
    let kind = match finding.verdict {
        Verdict::Problem(kind) => Some(kind.name()),
        Verdict::Ok | Verdict::Warning => None,
    };
    make!(py, "Finding", {
        what: finding.what, verdict: finding.verdict.name(), kind: kind, cause: &finding.cause,
        next_step: &finding.next_step, paste: &finding.paste,
    })
}
