//! Keys turn, and everybody who belongs to the vault gets them.

mod behind;
mod broken_off;
mod replaced;
mod standing;
mod turns;

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::crypto::{Opener, RecoveryCode};
use tidelock_core::{EpochId, Operation, Outcome, Secret};
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

fn new_code(outcome: Outcome) -> RecoveryCode {
    match outcome {
        Outcome::RecoveryCodeReplaced { recovery_code } => recovery_code,
        other => panic!("a replaced code, not {other:?}"),
    }
}

fn join_with(world: &mut World, secret: Secret) -> Result<usize, tidelock_core::Error> {
    let at = world.add();
    match world.run(at, Operation::Join { secret }) {
        Ok(_) => Ok(at),
        Err(error) => {
            world.devices.pop();
            Err(error)
        }
    }
}

/// The path of a code's slot.
fn slot_of(code: &RecoveryCode) -> String {
    Opener::recovery(code).name().path()
}

/// All that hands keys on.
fn slots_and_keys(world: &World) -> BTreeMap<String, Bytes> {
    let objects = world.bucket.copy().into_iter();
    objects.filter(|(path, _)| path.starts_with("slots/") || path.starts_with("keys/")).collect()
}

/// The number of the epoch that an object is sealed under: docs/format/crypto.md, "Sealed objects".
fn epoch_number(sealed: &[u8]) -> u32 {
    u32::from_le_bytes(sealed[7..11].try_into().unwrap())
}

/// The epochs that devices seal under.
fn current(world: &World) -> BTreeSet<EpochId> {
    world.devices.iter().map(|device| Keys::of(&device.disk).ring.current()).collect()
}
