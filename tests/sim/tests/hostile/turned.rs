//! Keys of an epoch that a former holder of the keys made: who was left out of a turn of the keys, and may still write to the
//! bucket, knows what every slot is sealed to.

use crate::Outcome;
use bytes::Bytes;
use tidelock_core::crypto::{Opener, RootSecret, SlotPayload, epoch_of, keys_path, seal_keys, seal_slot};
use tidelock_core::{EpochId, Operation};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::keys::Keys;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

pub(crate) fn class() -> Outcome {
    for number in [2, 3] {
        forged_epoch(EpochId { number, id: [0xff; 8] })?;
    }
    Ok(())
}

fn forged_epoch(epoch: EpochId) -> Outcome {
    let say = |error: tidelock_core::Error| error.to_string();
    let mut world = World::with_devices(151, 2);
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    // Root records, which the insider had, tell what device 1's slot is sealed to.
    let opener = Opener::device(&Keys::of(&world.devices[1].disk).secret);

    let passphrase = Some(Zeroizing::new("a new passphrase, and new keys with it".to_owned()));
    world.run(0, Operation::SetPassphrase { passphrase }).map_err(say)?;
    world.sync_all();
    let path = format!("spaces/{}/manifests/{}", insider.space, world.id(1));
    world.put(1, "milk");
    world.sync(1).map_err(say)?;
    let turned = epoch_of(&world.bucket.object(&path).expect("a manifest")).map_err(say)?;
    ensure!(turned.number == 2, "the keys did not turn: {turned:?}");

    let mut random = Random::new(152);
    let root_secret = RootSecret::generate(&insider.secret, &mut random, b"forged");
    insider.keys.add(epoch, root_secret.clone()).map_err(say)?;
    let keys = seal_keys(&insider.keys, &insider.secret, &mut random);
    world.bucket.put(&keys_path(epoch), Bytes::from(keys));
    let payload = SlotPayload { epoch, root_secret, ..insider.payload.clone() };
    let slot = seal_slot(&opener.record(), &payload, &insider.secret, &mut random).map_err(say)?;
    world.bucket.put(&opener.name().path(), Bytes::from(slot));
    let beacon = format!("spaces/{}/beacon", insider.space);
    let mut bytes = world.bucket.object(&beacon).expect("a beacon").to_vec();
    bytes[7..11].copy_from_slice(&epoch.number.to_le_bytes());
    bytes[11..19].copy_from_slice(&epoch.id);
    world.bucket.put(&beacon, Bytes::from(bytes));

    let before = world.bucket.copy();
    world.put(1, "bread");
    world.sync(1).map_err(say)?;
    world.now_ms += 7_200_000;
    world.full_check(1).map_err(say)?;
    world.put(1, "salt");
    let value = world.big_value(20_000); // a segment
    world.put_value(1, "big", &value);
    world.sync(1).map_err(say)?;
    let pending = world.devices[1].engine.status().expect("a sound disk").pending;
    ensure!(pending == 0, "epoch {epoch}: the device publishes nothing any more: {pending} ops wait");
    let left_out = Keys { secret: insider.secret, ring: insider.keys };
    let new = world.bucket.copy().into_iter().filter(|(path, sealed)| before.get(path) != Some(sealed));
    let read: Vec<String> = new.map(|(path, _)| path).filter(|path| left_out.open(&world.bucket, path)).collect();
    ensure!(
        read.is_empty(),
        "epoch {epoch}: what was written after the turn is sealed to who was left out of it: {read:?}"
    );
    Ok(())
}
