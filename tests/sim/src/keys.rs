//! What a device's store gives to whoever holds it: its seed and its ring of keys, tried on everything in a bucket.

use crate::bucket::Bucket;
use crate::device::Disk;
use bytes::Bytes;
use tidelock_core::Hash;
use tidelock_core::crypto::{
    DeviceSecret, KeyRing, ObjectKind, Opener, Place, epoch_of, keys_path, open, open_keys, open_slot,
    private_space_id, unpad_to_power_of_two,
};
use tidelock_core::local::{LocalStore as _, Table};

/// The most bytes of any object.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// A store's secrets.
pub struct Keys {
    /// The device's seed.
    pub secret: DeviceSecret,
    /// Its keys.
    pub ring: KeyRing,
}

impl Keys {
    /// Reads them where the engine keeps them: vault ‖ seed ‖ length ‖ ring.
    pub fn of(disk: &Disk) -> Self {
        let row = disk.get(Table::Head, b"identity").expect("a sound disk").expect("a device of a vault");
        let seed: [u8; 32] = row[16..48].try_into().expect("32 bytes");
        let len = u32::from_le_bytes(row[48..52].try_into().expect("4 bytes")) as usize;
        let ring = KeyRing::from_bytes(&row[52..52 + len]).expect("a ring");
        Self { secret: DeviceSecret::from_bytes(seed), ring }
    }

    /// Whether any of the keys, or the seed, opens an object of a bucket.
    pub fn open(&self, bucket: &Bucket, path: &str) -> bool {
        let sealed = bucket.object(path).expect("an object");
        match path.split('/').next() {
            Some("slots") => {
                let header = Hash::of(&bucket.object("tidelock").expect("a header"));
                open_slot(&Opener::device(&self.secret), self.ring.vault(), header, &sealed).is_ok()
            }
            Some("keys") => self.secrets_open_keys(path, &sealed),
            Some("spaces") => self.content_opens(path, &sealed),
            _ => false, // in clear
        }
    }

    fn secrets_open_keys(&self, path: &str, sealed: &Bytes) -> bool {
        let Ok(epoch) = epoch_of(sealed) else { return false };
        assert_eq!(path, keys_path(epoch));
        let secrets = self.ring.epochs().filter_map(|known| self.ring.root_secret(known));
        secrets.cloned().any(|secret| open_keys(self.ring.vault(), epoch, secret, sealed).is_ok())
    }

    fn content_opens(&self, path: &str, sealed: &Bytes) -> bool {
        use ObjectKind::{Beacon, Manifest, Segment, SnapshotChunk, SnapshotIndex};
        let (vault, space) = (self.ring.vault(), private_space_id(self.ring.vault()));
        let Ok(epoch) = epoch_of(sealed) else { return false };
        let keys: Vec<_> = self.ring.epochs().filter_map(|known| self.ring.content_key(known, space)).collect();
        [Beacon, Manifest, Segment, SnapshotIndex, SnapshotChunk].into_iter().any(|kind| {
            let place = Place { vault, kind, epoch, path };
            keys.iter().any(|key| open(key, &place, sealed, OBJECT_BYTES_MAX).is_ok())
        })
    }
}

/// The plaintext of a bucket's beacon, without its padding; `None` if these keys do not open it.
pub fn beacon(bucket: &Bucket, ring: &KeyRing) -> Option<Vec<u8>> {
    let (vault, space) = (ring.vault(), private_space_id(ring.vault()));
    let path = format!("spaces/{space}/beacon");
    let sealed = bucket.object(&path)?;
    let epoch = epoch_of(&sealed).ok()?;
    let place = Place { vault, kind: ObjectKind::Beacon, epoch, path: &path };
    let padded = open(&ring.content_key(epoch, space)?, &place, &sealed, OBJECT_BYTES_MAX).ok()?;
    unpad_to_power_of_two(&padded).ok().map(<[u8]>::to_vec)
}
