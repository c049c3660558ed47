//! The replicated data, without a bucket: stamps, vectors, ops, what stands at a key, and how they are encoded.

mod attached;
mod collection;
mod document;
mod entry;
mod frame;
mod lines;
mod log;
mod manifest;
mod op;
mod roster;
mod signed_roster;
mod stamp;
#[cfg(test)]
mod tests;
mod vector;
mod wire;

pub use attached::{ATTACHED_MAX, ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_BYTES_MAX, Attached};
pub(crate) use attached::{check_attached, check_place};
pub use collection::{COLLECTION_NAME_BYTES_MAX, Collection, Kind, RECORD_KEY_BYTES_MAX, RECORD_VALUE_BYTES_MAX};
pub(crate) use collection::{check_key, check_value};
pub use document::{
    DOCUMENT_BYTES_MAX, DOCUMENT_FIELDS_MAX, DOCUMENT_ID_BYTES_MAX, FIELD_NAME_BYTES_MAX, field_key, split_document_key,
};
pub(crate) use document::{EXISTS, check_document_id, check_field, check_register, past_document};
pub use entry::{Action, Slot, Standing};
pub use lines::Forks;
pub(crate) use lines::{Fork, Island, UNKNOWN};
pub(crate) use log::{
    IMPORTED, append_key, check_append_key, deletion_digest, import_key, is_entry_key, key_at, ms_of, place,
};
pub(crate) use manifest::{
    Beacon, Damaged, Line, MANIFEST_SEALED_BYTES_MAX, Manifest, REVOKED_MAX, Revoked, SEGMENTS_MAX, SegmentRef,
    Sighting, SnapshotRef, TAIL_BYTES_MAX,
};
pub(crate) use op::whole_calls;
pub use op::{Logged, Op, Run, first_tag};
pub use roster::{LABEL_BYTES_MAX, MEMBERS_MAX, Member, Role, Roster, Statements, TERMS_MAX, Term};
pub use signed_roster::{SIGNED_ROSTER_BYTES_MAX, SignedRoster};
pub(crate) use stamp::SUSPICIOUS_AHEAD_MS;
pub use stamp::Stamp;
pub use vector::{Context, Dot, Further, Point, Vector};
#[cfg(any(test, fuzzing))]
pub(crate) use wire::decode_tail;
pub(crate) use wire::{
    ChunkPart, ChunkRef, DeletionsRef, FRAME_FULL_BYTES, Home, INDEX_TAGS_MAX, Index, ObjectRef, Row, RowKey, decode,
    decode_chunk, decode_deletions, decode_segment, encode, encode_chunk, encode_segment, encode_tail,
};
