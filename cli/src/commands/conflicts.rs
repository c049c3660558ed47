//! `conflicts` and `resolve`: versions that had not seen each other.

use crate::commands::record;
use crate::commands::status::collection_json;
use crate::context::Context;
use crate::exit::Result;
use crate::input;
use crate::output::{Lines, one_line, time, value_fields};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use tidelock::{Change, Collection, Conflict, DeviceId, Error, ErrorKind, Kind, Local, Position, Version};
use tidelock_core::replica::split_document_key;

/// Conflicts read at once.
const PAGE: u32 = 100;

/// List the keys that devices changed without having seen each other's change
///
/// The first version of each is the one that `get` gives; `resolve` ends a conflict, and so does `put`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock conflicts")]
pub(crate) struct Conflicts {}

/// End a conflict: with a value, with one of the versions, or with none
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock resolve todo milk 'three litres'\n  tidelock resolve todo milk --pick 2\n  tidelock resolve todo milk --delete"
)]
pub(crate) struct Resolve {
    /// The map
    collection: String,
    /// The key
    key: String,
    /// The value to keep; it may begin with `-`, and stands behind `--` where it is the name of an option. `-`, or none where
    /// stdin is no terminal: what stdin has, unless that is empty
    #[arg(conflicts_with_all = ["pick", "delete", "empty"])]
    value: Option<OsString>,
    /// Keep an empty value
    #[arg(long, conflicts_with_all = ["pick", "delete"])]
    empty: bool,
    /// Keep the version with this number in `conflicts`
    #[arg(long, value_name = "N", conflicts_with = "delete")]
    pick: Option<usize>,
    /// Keep none
    #[arg(long)]
    delete: bool,
}

impl Conflicts {
    pub(crate) fn run(self, context: &Context) -> Result {
        list(context, |_| true)
    }
}

/// Prints the conflicts that are asked for.
pub(crate) fn list(context: &Context, is_asked: impl Fn(&Conflict) -> bool) -> Result {
    let local = context.open_local()?;
    let names: BTreeMap<DeviceId, String> =
        local.status()?.devices.into_iter().filter_map(|device| Some((device.id, device.name?))).collect();
    let mut lines = Lines::new();
    for conflict in all(&local) {
        let conflict = conflict?;
        if !is_asked(&conflict) {
            continue;
        }
        if context.output.json {
            lines.line(&conflict_json(&conflict).to_string())?;
            continue;
        }
        let title = format!("{}, {}", conflict.collection, Versions::of(&conflict));
        lines.line(&one_line(title.as_bytes()))?;
        for (at, version) in conflict.versions.iter().enumerate() {
            lines.line(&version_line(at + 1, version, &names))?;
        }
    }
    lines.end()
}

/// Where the versions of a conflict stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions<'a> {
    /// At a key of a map.
    OfKey(&'a str),
    /// At a field of a document.
    OfField { id: &'a str, field: &'a str },
}

impl<'a> Versions<'a> {
    fn of(conflict: &'a Conflict) -> Self {
        match (conflict.collection.kind, split_document_key(&conflict.key)) {
            (Kind::Documents, (id, Some(field))) => Self::OfField { id, field },
            _ => Self::OfKey(&conflict.key),
        }
    }

    fn name(self) -> &'a str {
        match self {
            Self::OfKey(name) | Self::OfField { field: name, .. } => name,
        }
    }
}

impl fmt::Display for Versions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfKey(key) => write!(f, "key {key}"),
            Self::OfField { id, field } => write!(f, "document {id}, field {field}"),
        }
    }
}

impl Resolve {
    pub(crate) fn run(self, context: &Context) -> Result {
        let mut local = context.open_local()?;
        let collection = Collection::map(self.collection);
        let value = match (self.pick, self.delete) {
            (Some(number), _) => picked(&local, &collection, Versions::OfKey(&self.key), number)?,
            (None, true) => None,
            (None, false) => Some(input::value(self.value, self.empty)?.into()),
        };
        local.write(&[Change::Resolve { collection, key: self.key.clone(), value }])?;
        record::done(context, &self.key)
    }
}

/// The value of a version by its number.
pub(crate) fn picked(
    local: &Local,
    collection: &Collection,
    place: Versions<'_>,
    number: usize,
) -> Result<Option<tidelock::Bytes>> {
    for conflict in all(local) {
        let conflict = conflict?;
        if conflict.collection == *collection && Versions::of(&conflict) == place {
            let version = number.checked_sub(1).and_then(|at| conflict.versions.into_iter().nth(at));
            let missing =
                || Error::new(ErrorKind::Invalid, format!("this conflict has no version {number}")).on(place.name());
            return Ok(version.ok_or_else(|| missing().next_step("`tidelock conflicts` numbers them"))?.value);
        }
    }
    Err(Error::new(ErrorKind::NotFound, "no conflict stands at this key")
        .on(place.name())
        .next_step("`tidelock conflicts` lists those there are; to set a value anyway, use `put`")
        .into())
}

/// Every conflict, page by page.
fn all(local: &Local) -> impl Iterator<Item = Result<Conflict>> + '_ {
    let mut after: Option<Position> = None;
    let mut ended = false;
    let pages = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let page = local.conflicts(after.as_ref(), PAGE);
        match page.as_ref().ok().and_then(|page| page.last()) {
            Some(last) => after = Some(Position { collection: last.collection.clone(), key: last.key.clone() }),
            None => ended = true,
        }
        Some(page)
    });
    pages.flat_map(|page| match page {
        Ok(conflicts) => conflicts.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error.into())],
    })
}

fn version_line(number: usize, version: &Version, names: &BTreeMap<DeviceId, String>) -> String {
    let value = version.value.as_ref().map_or("(deleted)".to_owned(), |value| one_line(value));
    let device =
        names.get(&version.device).map_or_else(|| version.device.to_string(), |name| one_line(name.as_bytes()));
    format!("  {number}\t{value}\t{}\t{device}", time(version.stamp.ms))
}

fn conflict_json(conflict: &Conflict) -> Value {
    let versions: Vec<Value> = conflict.versions.iter().map(version_json).collect();
    let collection = collection_json(&conflict.collection);
    match Versions::of(conflict) {
        Versions::OfKey(key) => json!({ "collection": collection, "key": key, "versions": versions }),
        Versions::OfField { id, field } => {
            json!({ "collection": collection, "id": id, "field": field, "versions": versions })
        }
    }
}

/// A version; a delete has no value.
fn version_json(version: &Version) -> Value {
    let mut fields = version.value.as_ref().map_or_else(Map::new, |value| value_fields(value));
    fields.insert("deleted".into(), version.value.is_none().into());
    fields.insert("written".into(), time(version.stamp.ms).into());
    fields.insert("device".into(), version.device.to_string().into());
    fields.into()
}
