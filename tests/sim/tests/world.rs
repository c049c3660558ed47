//! The first worlds: few devices, then random schedules with faults.

use tidelock_core::Operation;
use tidelock_sim::bucket::{Conditions, Faults};
use tidelock_sim::world::{Network, World};

#[test]
fn two_devices_keep_records_in_step() {
    let mut world = World::new(1);
    let a = world.create().unwrap();
    let b = world.join().unwrap();
    world.put(a, "milk");
    world.put(b, "bread");
    world.append(a);
    world.run(a, Operation::Sync).unwrap();
    world.run(b, Operation::Sync).unwrap();
    world.run(a, Operation::Sync).unwrap();
    world.check().unwrap();
}

fn schedule(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    world.bucket.conditions = if seed.is_multiple_of(3) { Conditions::Ignored } else { Conditions::Kept };
    world.create().map_err(|error| format!("create: {error}"))?;
    world.join().map_err(|error| format!("join: {error}"))?;
    world.network = Network { lost: 20, answer_lost: 20, busy: 20, duplicate: 20 };
    world.bucket.faults = Faults { hidden: 30, stale: 10 };
    for _ in 0..300 {
        let at = world.random.below(world.devices.len() as u64) as usize;
        match world.random.below(20) {
            0..=5 => {
                let key = format!("key {}", world.random.below(6));
                // In every fourth world some writes are so big that segments, snapshots and trims happen.
                let bytes = if seed % 4 == 1 && world.random.permille(300) { 30 << 10 } else { 0 };
                world.put_big(at, &key, bytes);
            }
            6 => {
                let key = format!("key {}", world.random.below(6));
                world.delete(at, &key);
            }
            7..=8 => {
                world.append(at);
            }
            9 => world.delete_some_entry(at),
            10..=12 => {
                let operation = if world.random.permille(100) { Operation::Check } else { Operation::Sync };
                world.start(at, operation);
            }
            13 if world.devices.len() < 4 && world.random.permille(100) => {
                let network = std::mem::take(&mut world.network);
                let faults = std::mem::take(&mut world.bucket.faults);
                world.join().map_err(|error| format!("join: {error}"))?;
                world.network = network;
                world.bucket.faults = faults;
            }
            14 if world.random.permille(100) => {
                let (now, random) = (world.devices[at].now(world.now_ms), world.random.bits());
                world.devices[at].restart(random, now).map_err(|error| format!("restart: {error}"))?;
            }
            _ => {
                for _ in 0..world.random.below(12) {
                    world.step(at);
                }
            }
        }
        world.now_ms += world.random.below(60_000);
    }
    world.heal(4).map_err(|error| format!("healing: {error:?}"))?;
    world.check()
}

#[test]
fn random_schedules_converge_to_the_oracle() {
    let from: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let many: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let failed: Vec<String> =
        (from..from + many).filter_map(|seed| schedule(seed).err().map(|why| format!("seed {seed}: {why}"))).collect();
    assert!(failed.is_empty(), "{} of {many} failed, first: {}", failed.len(), failed[0]);
}
