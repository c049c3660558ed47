//! Which segments and parts of snapshots the store lists, and how long they are: a truncated one does not stand.

use super::head::{Identity, Known};
use super::objects::{segment_path, snapshot_path};
use super::shared::Shared;
use super::snapshot::objects;
use crate::replica::{Index, ObjectRef};
use crate::{DeviceId, Error, ErrorKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Listed objects: path and length.
pub(super) struct Listed(BTreeMap<String, u64>);

impl Listed {
    /// One LIST for each of these folders of the space.
    pub(super) async fn of(cx: &Shared, identity: &Identity, folders: &[&str]) -> Result<Self, Error> {
        let mut listed = BTreeMap::new();
        for folder in folders {
            let entries = cx.list_all(&format!("spaces/{}/{folder}/", identity.space)).await?;
            listed.extend(entries.into_iter().map(|entry| (entry.key, entry.size)));
        }
        Ok(Self(listed))
    }

    /// Whether an object stands whole, as far as its length tells.
    pub(super) fn has(&self, path: &str, object: &ObjectRef) -> bool {
        self.0.get(path) == Some(&object.len)
    }

    /// The same of a segment.
    pub(super) fn has_segment(&self, identity: &Identity, device: DeviceId, object: &ObjectRef) -> bool {
        self.has(&segment_path(identity.space, device, object.id), object)
    }

    /// The same of a snapshot's index, chunk or deletions.
    pub(super) fn has_part(&self, identity: &Identity, object: &ObjectRef) -> bool {
        self.has(&snapshot_path(identity.space, object.id), object)
    }

    /// The paths alone.
    pub(super) fn into_paths(self) -> impl Iterator<Item = String> {
        self.0.into_keys()
    }
}

/// Whether everything that an index names stands. Who may not LIST takes it on trust.
pub(super) async fn is_whole(cx: &Shared, identity: &Identity, index: &Index) -> Result<bool, Error> {
    Ok(snapshots(cx, identity)
        .await?
        .is_none_or(|listed| objects(index).all(|object| listed.has_part(identity, &object))))
}

/// A snapshot without those of its chunks and deletions that do not stand: what is lost is written, not named again. Who may not
/// LIST takes it on trust.
pub(super) async fn as_it_stands(cx: &Shared, identity: &Identity, known: Arc<Known>) -> Result<Arc<Known>, Error> {
    let Some(listed) = snapshots(cx, identity).await? else { return Ok(known) };
    let mut standing = (*known).clone();
    standing.index.chunks.retain(|chunk| listed.has_part(identity, &chunk.object));
    standing.index.deletions.retain(|deletions| listed.has_part(identity, &deletions.object));
    Ok(Arc::new(standing))
}

async fn snapshots(cx: &Shared, identity: &Identity) -> Result<Option<Listed>, Error> {
    if planted!(LostNamedAgain) {
        return Ok(None);
    }
    match Listed::of(cx, identity, &["snapshots"]).await {
        Err(error) if error.kind() == ErrorKind::Auth => Ok(None),
        listed => listed.map(Some),
    }
}
