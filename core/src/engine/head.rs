//! The engine's own durable state: what it knows beside records and logs. How it is stored: stored.rs.

use super::api::Meter;
use super::revoked;
use super::state::State;
use crate::crypto::{DeviceSecret, KeyRing, SlotName, private_space_id};
use crate::local::LocalError;
use crate::replica::{
    Collection, Damaged, Dot, Forks, Index, Island, ObjectRef, Point, Revoked, RowKey, SegmentRef, Sighting,
    SnapshotRef, Stamp, Vector,
};
use crate::{DeviceId, EpochId, Error, ErrorKind, Hash, ObjectId, SpaceId, Tag, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Everything the engine knows beside records and logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) clock: Clock,
    pub(super) published: Arc<Published>,
    pub(super) frozen: Option<Arc<Frozen>>,
    pub(super) bucket: Bucket,
    pub(super) peers: BTreeMap<DeviceId, Arc<Peer>>,
    /// The lines of devices that have more than one.
    pub(super) forks: Arc<Forks>,
    /// The ids that this store has left.
    pub(super) left: BTreeSet<DeviceId>,
    pub(super) collections: BTreeMap<Collection, u32>,
    pub(super) snapshot: Option<Arc<Known>>,
    /// Devices that were revoked, as far as it is known here.
    pub(super) revoked: BTreeMap<DeviceId, Revocation>,
    /// Unix ms since which this device's own slot is gone while the vault has newer keys: it was revoked, or its slot was lost.
    pub(super) shut_out_ms: Option<u64>,
    /// The op that set a passphrase here which did not stay, once that was told.
    pub(super) passphrase_told: Option<Dot>,
    pub(super) meter: Meter,
    /// Unix ms when it began to count.
    pub(super) metered_from_ms: Option<u64>,
}

/// Who this device is. Holds the secrets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    pub(super) vault: VaultId,
    pub(super) space: SpaceId,
    pub(super) device: DeviceId,
    pub(super) secret: DeviceSecret,
    pub(super) keys: KeyRing,
    /// BLAKE3 of the header object.
    pub(super) header: Hash,
    /// The code to show once, until `Create` ended.
    pub(super) recovery: Option<Zeroizing<String>>,
    /// Whether create or join is through.
    pub(super) member: bool,
}

impl BorshSerialize for Identity {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.vault.serialize(writer)?;
        self.secret.to_bytes().serialize(writer)?;
        self.keys.to_bytes().serialize(writer)?;
        self.header.serialize(writer)?;
        self.recovery.as_ref().map(|code| code.as_str()).serialize(writer)?;
        self.member.serialize(writer)
    }
}

impl BorshDeserialize for Identity {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let vault = VaultId::deserialize_reader(reader)?;
        let secret = DeviceSecret::from_bytes(<[u8; 32]>::deserialize_reader(reader)?);
        let keys = Zeroizing::new(Vec::<u8>::deserialize_reader(reader)?);
        let keys =
            KeyRing::from_bytes(&keys).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a ring of keys"))?;
        Ok(Self {
            vault,
            space: private_space_id(vault),
            device: secret.device_id(),
            secret,
            keys,
            header: Hash::deserialize_reader(reader)?,
            recovery: Option::<String>::deserialize_reader(reader)?.map(Zeroizing::new),
            member: bool::deserialize_reader(reader)?,
        })
    }
}

/// What every write moves.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Clock {
    /// The last stamp seen or given.
    pub(super) stamp: Stamp,
    /// The last own op; n = 0 before the first.
    pub(super) n: u64,
    pub(super) tag: Tag,
    /// The vector that the last own op had seen.
    pub(super) seen: Vector,
}

/// The newest own manifest that is in the bucket.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Published {
    /// 0 before the first.
    pub(super) sequence: u64,
    pub(super) hash: Hash,
    pub(super) etag: Option<String>,
    /// The last op that a frozen manifest or a snapshot holds: from here on, replaced ops become voids.
    pub(super) held: u64,
    /// The last op in the published manifest.
    pub(super) n: u64,
    pub(super) segments: Vec<OwnSegment>,
    /// Where the tail begins: number, and tag and vector before it.
    pub(super) tail: Start,
    pub(super) snapshot: Option<SnapshotRef>,
    pub(super) vector: Vector,
    pub(super) damaged: Vec<Damaged>,
    pub(super) revoked: Vec<Revoked>,
    /// The epoch that was current when it was frozen.
    pub(super) epoch: Option<EpochId>,
}

/// Where a run of own ops begins.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Start {
    /// 0: the log's very beginning, not yet set.
    pub(super) from: u64,
    pub(super) before: Tag,
    pub(super) base: Vector,
}

/// An own segment and where it begins.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct OwnSegment {
    pub(super) named: SegmentRef,
    pub(super) start: Start,
}

/// A manifest whose signed body is durable before its first PUT; every retry sends this body.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Frozen {
    pub(super) signed: Vec<u8>,
    pub(super) frozen_ms: u64,
    /// What becomes `published` once it is there.
    pub(super) next: Published,
    /// Objects that nothing names once it is there.
    pub(super) superseded: Vec<String>,
    /// It names a snapshot that was written for it.
    pub(super) wrote_snapshot: bool,
    /// An older snapshot that it names, or some of whose objects it names again.
    pub(super) rests_on: Option<ObjectId>,
}

/// How things stand with the bucket.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Bucket {
    /// The exact ETag of the beacon whose names were all taken.
    pub(super) beacon_etag: Option<String>,
    /// What that beacon said of devices that are known here, and of those in `unknown`.
    pub(super) beacon: BTreeMap<DeviceId, Sighting>,
    /// The epoch that it was sealed under.
    pub(super) beacon_epoch: Option<EpochId>,
    /// Devices that it names and that have no manifest that counts, with when they are asked for again.
    pub(super) unknown: BTreeMap<DeviceId, Debt>,
    /// Set from the freeze of a manifest until a poll showed it in the beacon.
    pub(super) beacon_dirty: bool,
    /// Repairs that the next poll did not show; they wait like a debt.
    pub(super) repairs: u32,
    pub(super) repair_due_poll: u64,
    /// Whether the store enforces conditional writes.
    pub(super) conditional: Option<bool>,
    /// Polls so far.
    pub(super) polls: u64,
    pub(super) checked_ms: u64,
    pub(super) check_soon: bool,
    pub(super) swept_ms: u64,
    pub(super) last_push_ms: Option<u64>,
    pub(super) last_pull_ms: Option<u64>,
    pub(super) last_error: Option<String>,
    /// Kind and message of what stopped publishing.
    pub(super) stopped: Option<Stopped>,
    /// When the newest own manifest was last known to stand in the bucket.
    pub(super) stood_ms: u64,
    /// When the own manifest was found to be an older one of mine, within the last day.
    pub(super) rollbacks_ms: Vec<u64>,
    /// The last of these was not put right yet.
    pub(super) went_back: bool,
    /// All that the newest manifest named is named anew by the next, which does not stand yet.
    pub(super) renewed: bool,
    /// Another device has seen ops under the own id that this store never wrote: it was copied, or restored.
    pub(super) copied: bool,
    /// The own manifest is to be read at the next poll, or from this time on.
    pub(super) reread_own: bool,
    pub(super) reread_own_ms: Option<u64>,
    /// Others write a snapshot from this time on, if none came.
    pub(super) snapshot_due_ms: Option<u64>,
    /// The ends of what is applied here and stood nowhere at the last full check; and of what stood nowhere at the one
    /// before, too: that is to be carried.
    pub(super) uncovered: BTreeSet<Dot>,
    pub(super) carry: BTreeSet<Dot>,
    /// No named snapshot that would help could be had.
    pub(super) snapshot_debt: Option<Debt>,
    /// The manifests of others that stood when a snapshot was last written here: what they miss is in it.
    pub(super) answered: BTreeMap<DeviceId, u64>,
    /// Objects that may be deleted, and from when on.
    pub(super) garbage: Vec<(String, u64)>,
    /// Others' segments that were put there, while their manifests still name them.
    pub(super) collected: BTreeSet<ObjectId>,
    /// The keys turned, and not everybody's slot has the new ones yet.
    pub(super) hand_on: bool,
    pub(super) handed_on_ms: u64,
    /// The record of a slot that people open was seen.
    pub(super) knows_slots: bool,
    /// When a device without the newest keys last said something for their sake.
    pub(super) asked_ms: u64,
    /// The epoch that was last put into others' slots from here.
    pub(super) handed_on: Option<EpochId>,
    /// Keys that are apart were told, or somebody revoked may have the current ones: they turn once more.
    pub(super) must_turn: bool,
    /// Somebody revoked may have been handed the current keys: the slots of revoked devices are to be looked at.
    pub(super) must_look: bool,
    /// When they last did for such a reason; 0: never.
    pub(super) turned_again_ms: u64,
    /// A device was revoked here: the next manifest names a snapshot of this device's own.
    pub(super) snapshot_wanted: bool,
    /// The identity's recovery code is a replacement that was not given yet.
    pub(super) code_replaced: bool,
    /// Slots that get none, and go.
    pub(super) slots_gone: Vec<String>,
    /// Who of the people that open slots gets the current keys.
    pub(super) seats: Seats,
    /// Slots of people that have no record any more, newest last: nobody is to hand them keys again.
    pub(super) replaced: Vec<SlotName>,
    /// Revoked devices' slots and replaced ones that were found to have the current keys, which turn for it.
    pub(super) turns_for: Vec<SlotName>,
    /// How often they turned for a revoked device's slot.
    pub(super) turned_for: BTreeMap<DeviceId, u32>,
    /// Snapshots merged in part.
    pub(super) partial: Vec<Partial>,
    /// The server's clock less ours, in ms, after a skew refusal; signing alone uses it.
    pub(super) skew_ms: i64,
    /// The region that the server told.
    pub(super) region: Option<String>,
}

impl Bucket {
    /// The newest own manifest was found to stand, or PUT: nothing of it is left to put right.
    pub(super) fn own_stands(&mut self, unix_ms: u64) {
        self.stood_ms = unix_ms;
        (self.went_back, self.renewed) = (false, false);
    }

    /// The keys turn once more, however lately they did: there is a new reason.
    pub(super) fn must_turn_at_once(&mut self) {
        (self.must_turn, self.turned_again_ms) = (true, 0);
    }
}

/// The slots that people open and that get one epoch's keys, as far as it is known here: this device turned to it, or found them
/// in the bucket.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Seats {
    pub(super) epoch: Option<EpochId>,
    pub(super) names: Vec<SlotName>,
}

/// Why nothing may be published.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) enum Stopped {
    RolledBack,
    Wiped,
    Revoked,
}

impl Stopped {
    pub(super) fn error(&self, state: &State) -> Error {
        match self {
            Self::RolledBack => {
                Error::new(ErrorKind::RolledBack, "the bucket shows an older state of this device, again")
                    .next_step("find out who restored the bucket; then `republish` puts this device's state back")
            }
            Self::Wiped => Error::new(ErrorKind::Wiped, "the vault's objects are gone from the bucket")
                .next_step("`republish` puts this device's data back; `reset` forgets the vault here"),
            Self::Revoked => revoked::error(state, "this device was revoked by another device of the vault"),
        }
    }
}

/// A device that was revoked: see [`Revoked`].
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Revocation {
    pub(super) mark: Option<Point>,
    pub(super) at_ms: u64,
}

/// A snapshot whose rows below `up_to` are merged, and whose vector is not adopted yet.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Partial {
    pub(super) index: ObjectRef,
    pub(super) vector: Vector,
    pub(super) islands: BTreeMap<DeviceId, Vec<Island>>,
    pub(super) up_to: RowKey,
    /// It could not be had lately.
    pub(super) debt: Option<Debt>,
}

impl Partial {
    /// Whether the snapshot has an op.
    pub(super) fn covers(&self, dot: &Dot, forks: &Forks) -> bool {
        let islands = self.islands.get(&dot.device).into_iter().flatten();
        self.vector.covers(dot, forks) || islands.into_iter().any(|island| island.has(dot.n, dot.tag))
    }

    /// Whether a key's row is merged.
    pub(super) fn is_past(&self, collection: &Collection, key: &str) -> bool {
        (collection, key) < (&self.up_to.collection, self.up_to.key.as_str())
    }
}

/// The newest snapshot this device has written or merged whole.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Known {
    pub(super) named: SnapshotRef,
    pub(super) index: Index,
}

/// Another device.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Peer {
    /// Its ops applied without a gap, on the line that is the longest here; n = 0: none.
    pub(super) n: u64,
    pub(super) tag: Tag,
    /// Where its other lines are applied to, if it has forked.
    pub(super) further: Vec<Point>,
    /// Ops applied beyond a gap.
    pub(super) islands: Vec<Island>,
    /// Its newest verified manifest: 0 before the first.
    pub(super) sequence: u64,
    pub(super) hash: Hash,
    pub(super) etag: Option<String>,
    /// What its manifest says, less the tail, which is its own row.
    pub(super) stated: Vector,
    /// It was sealed under what were the current keys here.
    pub(super) has_keys: bool,
    pub(super) log: Log,
    pub(super) snapshot: Option<SnapshotRef>,
    /// The log of the manifest that stands in the bucket, where that is not the newest: an older one, or a copy's.
    pub(super) twin: Option<Log>,
    /// Something of it can't be placed on any line known here, since this time: a snapshot may tell.
    pub(super) unplaced_ms: Option<u64>,
    /// The last sighting in a beacon, while no manifest as new was read.
    pub(super) wanted: Option<Sighting>,
    /// A sighting that was wanted for too long: nothing waits for it any more.
    pub(super) expired: Option<Sighting>,
    /// Since when newer manifests were named and none as new was read.
    pub(super) wanted_ms: Option<u64>,
    pub(super) debt: Option<Debt>,
    /// Its manifest was read lower than verified, or not found.
    pub(super) behind: Option<Behind>,
    pub(super) forked: bool,
    pub(super) seen_ms: Option<u64>,
    /// The same by the server's clock, where its answers told one.
    pub(super) seen_server_ms: Option<u64>,
    /// Its ops that no object here could give.
    pub(super) damaged: Vec<Damaged>,
    /// Own ops that it could not read, by its newest manifest, until they are mended.
    pub(super) misses: Vec<Damaged>,
    /// Others' ops that it could not read, by its newest manifest.
    pub(super) misses_of_others: Vec<Damaged>,
    /// When a person was last told that its clock is ahead.
    pub(super) clock_told_ms: Option<u64>,
    /// Of a revoked device: ops that its manifest publishes and that do not count, first and last.
    pub(super) quarantined: Option<(u64, u64)>,
}

/// A point that may be before the first op.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Point2 {
    pub(super) n: u64,
    pub(super) tag: Tag,
}

/// A published log. Its tail is a row of its own.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Log {
    pub(super) end: Point2,
    pub(super) segments: Vec<SegmentRef>,
    pub(super) tail_from: u64,
    /// Its end is not on the one line known here, whatever its number.
    pub(super) foreign: bool,
}

impl Log {
    /// The first number that is still in it.
    pub(super) fn from(&self) -> u64 {
        self.segments.first().map_or(self.tail_from, |segment| segment.from)
    }

    /// The tag of op `n`, where the manifest tells it: at its end, and at each segment's.
    pub(super) fn tag_of(&self, n: u64) -> Option<Tag> {
        let ends = self.segments.iter().map(|segment| segment.end);
        ends.chain([Point { n: self.end.n, tag: self.end.tag }]).find(|end| end.n == n).map(|end| end.tag)
    }
}

impl Peer {
    /// Whether an op of that number is applied here, on whatever line.
    pub(super) fn has_number(&self, n: u64) -> bool {
        n <= self.n || self.islands.iter().any(|island| island.from <= n && n <= island.end().n)
    }

    /// Where each of its lines is applied to.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        let first = (self.n > 0).then_some(Point { n: self.n, tag: self.tag });
        first.into_iter().chain(self.further.iter().copied())
    }

    /// The logs that may hold ops not applied yet: the newest manifest's, and that of the one that stands in its place.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Log> {
        std::iter::once(&self.log).chain(&self.twin)
    }

    /// Whether what is told of an op is what its own manifests say, as far as they say anything.
    pub(super) fn may_publish(&self, op: Point) -> bool {
        let mut told = self.logs().filter_map(|log| log.tag_of(op.n)).peekable();
        told.peek().is_none() || told.any(|tag| tag == op.tag)
    }
}

/// A device's manifest is not what was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Behind {
    /// From this time on.
    pub(super) since_ms: u64,
    /// The last op that the bucket's shows.
    pub(super) shown_n: u64,
}

/// Something named that could not be had yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Debt {
    pub(super) tries: u32,
    pub(super) due_poll: u64,
    pub(super) due_ms: u64,
}

/// A debt waits no longer than this.
const DEBT_MS_MAX: u64 = 3_600_000;

impl Debt {
    /// The debt after one more try: 1, 2, 4… polls later, an hour at most.
    pub(super) fn after(before: Option<Self>, polls: u64, unix_ms: u64) -> Self {
        let tries = before.map_or(0, |debt| debt.tries).saturating_add(1);
        Self { tries, due_poll: polls + (1 << (tries - 1).min(12)), due_ms: unix_ms + DEBT_MS_MAX }
    }

    /// The same debt, to be tried again now.
    pub(super) fn at_once(self) -> Self {
        Self { due_poll: 0, ..self }
    }

    pub(super) fn is_due(&self, polls: u64, unix_ms: u64) -> bool {
        polls >= self.due_poll || unix_ms >= self.due_ms || self.due_ms > unix_ms.saturating_add(DEBT_MS_MAX)
    }
}

impl Head {
    /// The identity of a device that created or joined a vault.
    pub(super) fn identity(&self) -> Result<&Arc<Identity>, Error> {
        self.identity.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "no vault was created or joined here")
                .next_step("run `init` or `join` first")
        })
    }

    /// The own vector: own ops and everybody's prefix.
    pub(super) fn vector(&self) -> Vector {
        let mut vector: Vector = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.n > 0)
            .map(|(id, peer)| (*id, Point { n: peer.n, tag: peer.tag }))
            .collect();
        for (id, peer) in self.peers.iter().filter(|(_, peer)| !peer.further.is_empty()) {
            peer.further.iter().for_each(|point| vector.raise(*id, *point, &self.forks));
        }
        if let (Some(identity), true) = (&self.identity, self.clock.n > 0) {
            vector.raise(identity.device, Point { n: self.clock.n, tag: self.clock.tag }, &self.forks);
        }
        vector
    }

    /// The devices that are not revoked.
    pub(super) fn counting(&self) -> impl Iterator<Item = (&DeviceId, &Arc<Peer>)> {
        self.peers.iter().filter(|(id, _)| !self.is_revoked(**id))
    }

    /// Whether an op is applied here.
    pub(super) fn has(&self, dot: &Dot) -> bool {
        if self.identity.as_ref().is_some_and(|identity| identity.device == dot.device) {
            return dot.n <= self.clock.n;
        }
        self.has_op(dot.device, Point { n: dot.n, tag: dot.tag })
    }

    /// Whether an op of another device is applied here.
    pub(super) fn has_op(&self, device: DeviceId, op: Point) -> bool {
        let Some(peer) = self.peers.get(&device) else { return false };
        self.prefix_has(device, op) || peer.islands.iter().any(|island| island.has(op.n, op.tag))
    }

    /// The same, with all ops before it.
    pub(super) fn prefix_has(&self, device: DeviceId, op: Point) -> bool {
        let Some(peer) = self.peers.get(&device) else { return false };
        peer.points().any(|point| self.forks.reaches(device, point, op.n, op.tag))
    }

    /// Whether all of a segment is applied here.
    pub(super) fn has_segment(&self, device: DeviceId, segment: &SegmentRef) -> bool {
        let Some(peer) = self.peers.get(&device) else { return false };
        let in_island = |island: &Island| island.from <= segment.from && island.has(segment.end.n, segment.end.tag);
        self.prefix_has(device, segment.end) || peer.islands.iter().any(in_island)
    }

    /// Whether all that a log publishes is applied here, without a gap.
    pub(super) fn has_log(&self, device: DeviceId, log: &Log) -> bool {
        let forked = self.forks.of(device).is_some();
        log.end.n == 0
            || ((forked || !log.foreign) && self.prefix_has(device, Point { n: log.end.n, tag: log.end.tag }))
    }

    /// Whether all that a device's manifests publish is applied here, without a gap.
    pub(super) fn is_current(&self, device: DeviceId) -> bool {
        let Some(peer) = self.peers.get(&device) else { return true };
        peer.logs().all(|log| self.has_log(device, log)) && peer.islands.is_empty() && peer.wanted.is_none()
    }

    /// Whether a device is known to be revoked.
    pub(super) fn is_revoked(&self, id: DeviceId) -> bool {
        self.revoked.contains_key(&id)
    }

    /// A peer to change; made on first sight.
    pub(super) fn peer_mut(&mut self, id: DeviceId) -> &mut Peer {
        Arc::make_mut(self.peers.entry(id).or_default())
    }
}

/// A row of the own store that does not decode is the store's damage, not the bucket's.
pub(super) fn damaged<T>(result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| local_error(LocalError::Corrupt(error.message().to_owned())))
}

/// A local store's refusal, with what a person does next.
pub(super) fn local_error(error: LocalError) -> Error {
    let step = match &error {
        LocalError::Full => "free some space; nothing acknowledged is lost",
        LocalError::ReadOnly => "make the store's folder writable, or name another with --local",
        LocalError::Busy | LocalError::Stale => "try again; another process is at work on this store",
        LocalError::Corrupt(_) => "keep a copy of the store, `reset` and `join` again: what was published comes back",
        LocalError::Other(_) => "check the store's folder and disk",
    };
    let failed = Error::new(ErrorKind::LocalStore, format!("the local store failed: {error}")).next_step(step);
    if matches!(error, LocalError::Busy | LocalError::Stale) { failed.retryable() } else { failed }
}
