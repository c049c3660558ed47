//! `doc`: records whose fields merge one by one.

use crate::commands::conflicts::{self, Versions};
use crate::commands::record::prefix_range;
use crate::context::Context;
use crate::exit::Result;
use crate::input;
use crate::output::{Lines, one_line, time};
use clap::{Args, Subcommand};
use serde_json::json;
use tidelock::{Change, Collection, Document, Error, ErrorKind};

/// Put, patch and read documents: JSON objects whose fields merge one by one
///
/// Devices that change different fields of one document merge without a conflict.
#[derive(Debug, Subcommand)]
pub(crate) enum Doc {
    Put(Put),
    Patch(Patch),
    Get(Get),
    List(List),
    Delete(Delete),
    Conflicts(Conflicts),
    Resolve(Resolve),
}

/// Set a whole document
///
/// Sets all fields that the document has, and removes those that stand here and that it lacks.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock doc put visits 42 '{\"place\":\"Brest\",\"rating\":4}'\n  tidelock doc put visits 42 < visit.json"
)]
pub(crate) struct Put {
    /// The collection of documents
    collection: String,
    /// The document's id: 1 to 256 bytes, no NUL
    id: String,
    /// A JSON object of at most 1,000 fields and 256 KiB; `-` or none: what stdin has
    document: Option<String>,
}

/// Set some fields of a document
///
/// Other fields stay as they are; null removes a field. What is within a field is not merged. A document that does not exist
/// comes to exist.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock doc patch visits 42 '{\"rating\":5,\"note\":null}'")]
pub(crate) struct Patch {
    /// The collection of documents
    collection: String,
    /// The document's id
    id: String,
    /// A JSON object with the fields to set; `-` or none: what stdin has
    patch: Option<String>,
}

/// Print a document
///
/// In the canonical form of RFC 8785. Exits with 3 if there is no such document.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock doc get visits 42 | jq .rating")]
pub(crate) struct Get {
    /// The collection of documents
    collection: String,
    /// The document's id
    id: String,
}

/// List documents
///
/// One a line: id, tab, document; control characters are escaped. --json gives exact ids and documents.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock doc list visits --prefix 2026-")]
pub(crate) struct List {
    /// The collection of documents
    collection: String,
    /// Only ids that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
}

/// Delete a document
///
/// One that is not there is no error. What other devices write to it without having seen the delete stays.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock doc delete visits 42")]
pub(crate) struct Delete {
    /// The collection of documents
    collection: String,
    /// The document's id
    id: String,
}

/// List the fields that devices changed without having seen each other's change
///
/// The first version of each is the one that `doc get` gives; `doc resolve` ends a conflict, and so does `doc patch`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock doc conflicts visits")]
pub(crate) struct Conflicts {
    /// The collection of documents; none: all
    collection: Option<String>,
}

/// End a field's conflict: with a value, with one of the versions, or by removing the field
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock doc resolve visits 42 rating 5\n  tidelock doc resolve visits 42 rating --pick 2\n  tidelock doc resolve visits 42 rating --remove"
)]
pub(crate) struct Resolve {
    /// The collection of documents
    collection: String,
    /// The document's id
    id: String,
    /// The field
    field: String,
    /// The JSON value to keep; `-` or none: what stdin has
    #[arg(conflicts_with_all = ["pick", "remove"], allow_hyphen_values = true)]
    value: Option<String>,
    /// Keep the version with this number in `doc conflicts`
    #[arg(long, value_name = "N", conflicts_with = "remove")]
    pick: Option<usize>,
    /// Remove the field
    #[arg(long)]
    remove: bool,
}

impl Doc {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Put(command) => {
                let value = input::json(command.document)?.into();
                let collection = Collection::documents(command.collection);
                write(context, Change::Put { collection, key: command.id.clone(), value }, &command.id)
            }
            Self::Patch(command) => {
                let patch = input::json(command.patch)?.into();
                let collection = Collection::documents(command.collection);
                write(context, Change::Patch { collection, id: command.id.clone(), patch }, &command.id)
            }
            Self::Get(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Delete(command) => {
                let collection = Collection::documents(command.collection);
                write(context, Change::Delete { collection, key: command.id.clone() }, &command.id)
            }
            Self::Conflicts(command) => {
                let asked = command.collection.map(Collection::documents);
                conflicts::list(context, |conflict| match &asked {
                    Some(collection) => conflict.collection == *collection,
                    None => conflict.collection.kind == tidelock::Kind::Documents,
                })
            }
            Self::Resolve(command) => command.run(context),
        }
    }
}

impl Get {
    fn run(self, context: &Context) -> Result {
        let document = context.open_local()?.document(&Collection::documents(self.collection), &self.id)?;
        let document =
            document.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such document").on(&*self.id))?;
        if context.output.json {
            return context.output.line(&document_json(&document));
        }
        context.output.bytes(&[&document.value[..], b"\n"].concat())?;
        if document.deleted_concurrently {
            let message = "the document was deleted on a device that had not seen these fields";
            let step = "`doc put` keeps what you put, `doc delete` removes it";
            context.output.warn(&Error::new(ErrorKind::Invalid, message).on(&*document.id).next_step(step));
        }
        Ok(())
    }
}

impl List {
    fn run(self, context: &Context) -> Result {
        let local = context.open_local()?;
        let mut lines = Lines::new();
        for document in local.documents(Collection::documents(self.collection), prefix_range(self.prefix)) {
            let document = document?;
            if context.output.json {
                lines.line(&document_json(&document))?;
            } else {
                lines.line(&format!("{}\t{}", one_line(document.id.as_bytes()), one_line(&document.value)))?;
            }
        }
        lines.end()
    }
}

impl Resolve {
    fn run(self, context: &Context) -> Result {
        let mut local = context.open_local()?;
        let collection = Collection::documents(self.collection);
        let value = match (self.pick, self.remove) {
            (Some(number), _) => {
                let field = Versions::OfField { id: &self.id, field: &self.field };
                conflicts::picked(&local, &collection, field, number)?
            }
            (None, true) => None,
            (None, false) => Some(input::json(self.value)?.into()),
        };
        local.write(&[Change::ResolveField { collection, id: self.id.clone(), field: self.field, value }])?;
        done(context, &self.id)
    }
}

fn write(context: &Context, change: Change, id: &str) -> Result {
    context.open_local()?.write(&[change])?;
    done(context, id)
}

/// Says in JSON which document was written; in text, no news are good news.
fn done(context: &Context, id: &str) -> Result {
    if context.output.json { context.output.object(&json!({ "id": id })) } else { Ok(()) }
}

/// The document stands in it byte for byte: a JSON value of serde's would write some numbers otherwise.
fn document_json(document: &Document) -> String {
    let facts = json!({
        "id": document.id,
        "written": time(document.stamp.ms),
        "device": document.device.to_string(),
        "conflicts": document.conflicts,
        "deleted_concurrently": document.deleted_concurrently,
    });
    let facts = facts.to_string();
    format!("{},\"document\":{}}}", facts.trim_end_matches('}'), String::from_utf8_lossy(&document.value))
}
