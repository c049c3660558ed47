//! Objects are deleted and truncated, every holder republishes, and a newcomer is whole at once.

use super::heal;
use super::run::Run;
use crate::world::World;
use tidelock_core::Operation;

/// A random subset of the bucket's objects is damaged, every device republishes, and a newcomer must hold what any of them held; so
/// must one that joins after some full checks. In half of the runs it happens twice: the second time all name one snapshot, whose
/// rows are what everybody holds.
///
/// # Errors
/// What a newcomer lacks, or what ends in an error.
pub(super) fn then_republish(run: &mut Run<'_>) -> Result<(), String> {
    let told = run.restored || !run.shut_out.is_empty(); // the oracle alone does not know what counts then
    if !told && run.world.random.permille(600) {
        write_without_sync(run);
    }
    damage_and_republish(run)?;
    if run.world.random.permille(500) {
        for _ in 0..3 {
            heal::check_everybody(run)?;
        }
        damage_and_republish(run)?;
    }
    joins_whole(run, told, "after everybody republished")?;
    if run.world.random.permille(300) {
        for _ in 0..2 {
            heal::check_everybody(run)?;
        }
        joins_whole(run, told, "some full checks after everybody republished")?;
    }
    Ok(())
}

fn damage_and_republish(run: &mut Run<'_>) -> Result<(), String> {
    for (path, how) in damage(&mut run.world) {
        run.tell(|| format!("{how} {path}"));
    }
    let mut holders = run.staying();
    while !holders.is_empty() {
        let at = holders.swap_remove(run.world.random.below(holders.len() as u64) as usize);
        run.world.now_ms += run.world.random.below(120_000);
        run.tell(|| format!("device {at} republishes"));
        run.world.run(at, Operation::Republish).map_err(|error| format!("device {at} republishes: {error:?}"))?;
        run.watched(at)?;
    }
    run.world.settle();
    Ok(())
}

fn joins_whole(run: &mut Run<'_>, told: bool, when: &str) -> Result<(), String> {
    run.tell(|| format!("a newcomer joins {when}"));
    let newcomer = run.world.join().map_err(|error| format!("{when} a newcomer's join ends in {error:?}"))?;
    let whole = if told { run.world.check_alike() } else { run.world.check_one(newcomer) };
    whole.map_err(|why| format!("{when} a newcomer is not whole: {why}"))
}

fn write_without_sync(run: &mut Run<'_>) {
    for at in run.staying() {
        let world = &mut run.world;
        for _ in 0..world.random.below(4) {
            let key = format!("key number {}", world.random.below(12));
            match world.random.below(4) {
                0 => world.delete(at, &key),
                1 => world.append(at).map_or((), drop),
                2 => drop(world.put_big(at, &key, 70 << 10)),
                _ => drop(world.put(at, &key)),
            }
        }
    }
    run.world.settle();
}

/// Deletes or truncates one object, some or all, of any kind or of some; gives what became of which.
fn damage(world: &mut World) -> Vec<(String, &'static str)> {
    let among = ["", "spaces/", "/snapshots/"][world.random.below(3) as usize];
    let paths = world.bucket.keys_with(among);
    let alone = world.random.below(paths.len().max(1) as u64) as usize;
    let share = [0, 50, 200, 500, 1_000][world.random.below(5) as usize];
    let deletes = world.random.below(1_001);
    let mut damaged = Vec::new();
    for (at, path) in paths.into_iter().enumerate() {
        let hit = if share == 0 { at == alone } else { world.random.permille(share) };
        if !hit {
            continue;
        }
        let how = if world.random.permille(deletes) {
            world.bucket.lose(&path);
            "deleted"
        } else {
            let len = world.bucket.object(&path).map_or(0, |bytes| bytes.len() as u64);
            world.bucket.truncate(&path, world.random.below(len.max(1)) as usize); // some are empty already
            "truncated"
        };
        damaged.push((path, how));
    }
    damaged
}
