//! Manifests: a device's signed statement of what it has published and seen. Beacons: the hint that something moved.

use super::wire::{ObjectRef, decode, decode_tail, encode, encode_tail};
use super::{Dot, Forks, Point, Run, Vector};
use crate::crypto::{DeviceSecret, pad_to_power_of_two, unpad_to_power_of_two, verify};
use crate::{DeviceId, Error, ErrorKind, Hash, SpaceId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a manifest's tail, as encoded.
pub(crate) const TAIL_BYTES_MAX: usize = 16 << 10;
/// The most segments a device names.
pub(crate) const SEGMENTS_MAX: usize = 16;
/// The most bytes of a sealed manifest or beacon that a reader takes: room for a thousand devices' vectors.
pub(crate) const MANIFEST_SEALED_BYTES_MAX: u64 = 1 << 20;
/// The most revoked devices that a manifest names.
pub(crate) const REVOKED_MAX: usize = 1_000;
/// The domain of a manifest's signature.
const SIGNATURE_DOMAIN: &str = "manifest";
const SIGNATURE_BYTES: usize = 64;

/// A sealed run of a device's ops that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct SegmentRef {
    pub(crate) object: ObjectRef,
    /// Number of its first op.
    pub(crate) from: u64,
    /// Its last op.
    pub(crate) end: Point,
}

/// A snapshot that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct SnapshotRef {
    pub(crate) index: ObjectRef,
    /// Sealed bytes of its chunks and deletions.
    pub(crate) bytes: u64,
    /// What it covers.
    pub(crate) vector: Vector,
    /// The last ops of its islands: it covers these too, and those before them in each.
    pub(crate) beyond: BTreeSet<Dot>,
}

impl SnapshotRef {
    /// Whether it covers all that another covers.
    pub(crate) fn covers_all(&self, other: &Self, forks: &Forks) -> bool {
        let has = |dot: &Dot| self.vector.covers(dot, forks) || self.beyond.contains(dot);
        self.vector.covers_all(&other.vector, forks) && other.beyond.iter().all(has)
    }
}

/// The ops of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// By rising number, end to end, up to the tail.
    pub(crate) segments: Vec<SegmentRef>,
    /// The newest ops.
    pub(crate) tail: Run,
}

impl Line {
    /// The first number that is still in the log.
    pub(crate) fn from(&self) -> u64 {
        self.segments.first().map_or(self.tail.from, |segment| segment.from)
    }
}

/// Ops of a device that the manifest's author could not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Damaged {
    pub(crate) device: DeviceId,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A device that was revoked, as the manifest's author knows it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Revoked {
    pub(crate) device: DeviceId,
    /// Its ops up to here count for everybody; absent: none of them by this.
    pub(crate) mark: Option<Point>,
    /// Unix ms, by the clock of whoever revoked it.
    pub(crate) at_ms: u64,
}

/// A manifest, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) vault: VaultId,
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceId,
    pub(crate) public_key: [u8; 32],
    /// Counts from 1.
    pub(crate) sequence: u64,
    /// The hash of the manifest before; zero for the first.
    pub(crate) previous: Hash,
    /// What its author had applied without gaps.
    pub(crate) vector: Vector,
    pub(crate) line: Line,
    pub(crate) snapshot: Option<SnapshotRef>,
    pub(crate) damaged: Vec<Damaged>,
    /// By rising device; never the author itself.
    pub(crate) revoked: Vec<Revoked>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ManifestWire {
    vault: VaultId,
    space: SpaceId,
    device: DeviceId,
    public_key: [u8; 32],
    sequence: u64,
    previous: Hash,
    vector: Vector,
    line: LineWire,
    snapshot: Option<SnapshotRef>,
    damaged: Vec<Damaged>,
    revoked: Vec<Revoked>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct LineWire {
    segments: Vec<SegmentRef>,
    tail: Vec<u8>,
}

impl Manifest {
    /// Body and signature, and the body's hash. What is signed is frozen: every retry sends these bytes.
    pub(crate) fn sign(&self, secret: &DeviceSecret) -> (Vec<u8>, Hash) {
        let mut signed = encode(&ManifestWire {
            vault: self.vault,
            space: self.space,
            device: self.device,
            public_key: self.public_key,
            sequence: self.sequence,
            previous: self.previous,
            vector: self.vector.clone(),
            line: LineWire { segments: self.line.segments.clone(), tail: encode_tail(&self.line.tail) },
            snapshot: self.snapshot.clone(),
            damaged: self.damaged.clone(),
            revoked: self.revoked.clone(),
        });
        let hash = Hash::of(&signed);
        signed.extend_from_slice(&secret.sign(SIGNATURE_DOMAIN, &signed));
        (signed, hash)
    }

    /// Reads body and signature. The public key's hash must be the device id, the signature strict.
    pub(crate) fn verify(signed: &[u8]) -> Result<(Self, Hash), Error> {
        Self::read(signed, true)
    }

    /// Reads one that was verified before, byte for byte: most of the work of reading is its signature.
    pub(crate) fn verified_before(signed: &[u8]) -> Result<(Self, Hash), Error> {
        Self::read(signed, false)
    }

    fn read(signed: &[u8], is_new: bool) -> Result<(Self, Hash), Error> {
        let bad = |what: &str| Error::new(ErrorKind::Corrupt, format!("a manifest {what}"));
        let at = signed.len().checked_sub(SIGNATURE_BYTES).ok_or_else(|| bad("is too short"))?;
        let (body, signature) = signed.split_at(at);
        let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| bad("is too short"))?;
        let wire: ManifestWire = decode(body, "a manifest")?;
        let is_its_own = wire.device.0 == blake3::hash(&wire.public_key).as_bytes()[..DeviceId::BYTES];
        if !is_its_own && !weakened!(PublicKeyNotBound) {
            return Err(bad("names a key that is not its device's"));
        }
        if is_new && !weakened!(SignatureUnchecked) {
            verify(&wire.public_key, SIGNATURE_DOMAIN, body, signature)?;
        }
        let line = Line { tail: decode_tail(wire.device, &wire.line.tail)?, segments: wire.line.segments };
        let (mut next, mut tag) = (line.from(), line.tail.before);
        for segment in &line.segments {
            let counts = segment.from > 0 && segment.end.n >= segment.from && segment.end.n < u64::MAX;
            if !counts || segment.from != next {
                return Err(bad("names segments that do not join"));
            }
            (next, tag) = (segment.end.n + 1, segment.end.tag);
        }
        if (line.tail.from, line.tail.before) != (next, tag) || line.segments.len() > 4 * SEGMENTS_MAX {
            return Err(bad("has a tail that does not join its segments"));
        }
        let end = line.tail.end();
        if !wire.vector.points(wire.device).eq((end.n > 0).then_some(end)) {
            return Err(bad("has a vector that does not end where its tail ends"));
        }
        if wire.sequence == 0 || (wire.sequence == 1) != (wire.previous == Hash::default()) {
            return Err(bad("has a sequence without a predecessor"));
        }
        if !wire.damaged.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(bad("names damage out of order"));
        }
        let rises = wire.revoked.windows(2).all(|pair| pair[0].device < pair[1].device);
        if !rises || wire.revoked.len() > REVOKED_MAX || wire.revoked.iter().any(|gone| gone.device == wire.device) {
            return Err(bad("names revoked devices out of order, too many, or its own"));
        }
        let manifest = Self {
            vault: wire.vault,
            space: wire.space,
            device: wire.device,
            public_key: wire.public_key,
            sequence: wire.sequence,
            previous: wire.previous,
            vector: wire.vector,
            line,
            snapshot: wire.snapshot,
            damaged: wire.damaged,
            revoked: wire.revoked,
        };
        Ok((manifest, Hash::of(body)))
    }
}

/// A beacon's entry: the newest manifest of a device that the writer knows, by sequence and the hash's first 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Sighting {
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 8],
}

/// One small object a space: a hint, never a truth.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Beacon {
    pub(crate) vault: VaultId,
    pub(crate) space: SpaceId,
    pub(crate) devices: BTreeMap<DeviceId, Sighting>,
}

impl Beacon {
    /// The plaintext to seal, padded so that its length tells little.
    pub(crate) fn encode(&self) -> Vec<u8> {
        pad_to_power_of_two(&encode(self))
    }

    /// Reads what `encode` made.
    pub(crate) fn decode(plaintext: &[u8]) -> Result<Self, Error> {
        let beacon: Self = decode(unpad_to_power_of_two(plaintext)?, "a beacon")?;
        match beacon.devices.values().all(|sighting| sighting.sequence > 0) {
            true => Ok(beacon),
            false => Err(Error::new(ErrorKind::Corrupt, "a beacon names a manifest without a number")),
        }
    }
}
