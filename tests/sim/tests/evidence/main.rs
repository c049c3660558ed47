//! Evidence: refusing to lose.

mod copies;
mod rollbacks;

use tidelock_core::{DeviceId, ErrorKind, SyncReport};
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

fn reports(report: &SyncReport, kind: ErrorKind, device: DeviceId) -> bool {
    report.reports.iter().any(|error| error.kind() == kind && error.object() == Some(&*device.to_string()))
}

/// Puts a device's manifest back to what it was before its last write.
fn roll_back(world: &mut World, at: usize) {
    let path = world.manifest_of(at);
    let old = world.bucket.object(&path).unwrap();
    world.put(at, "milk");
    world.sync(at).unwrap();
    world.bucket.put(&path, old);
}
