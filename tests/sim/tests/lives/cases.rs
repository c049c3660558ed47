//! Rules of the lives of devices that random schedules hardly show: each in a case of its own, which ends well, and badly
//! without the rule. Where a second rule stands behind it, that one is left out of both.

use std::rc::Rc;
use tidelock_sim::lives::bucket::Manifest;
use tidelock_sim::lives::op::{Kind, one};
use tidelock_sim::lives::publishing::DAY;
use tidelock_sim::lives::rules::Rule::{self, *};
use tidelock_sim::lives::rules::Rules;
use tidelock_sim::lives::schedule::{Doing, end, exact, happen};
use tidelock_sim::lives::world::World;
use tidelock_sim::model::random::Random;

/// The rule, what is left out beside it, and what happens.
pub(crate) type Case = (Rule, &'static [Rule], fn(&mut World) -> Result<(), String>);

/// All of them.
#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    (PutAgain,       &[],                      an_older_own_manifest_lands_again),
    (CarryTwice,     &[],                      an_older_manifest_stands_for_a_while),
    (Mend,           &[],                      a_segment_is_lost),
    (LeaveFresh,     &[],                      a_leaver_dies_after_its_first_push),
    (FrozenOld,      &[],                      a_manifest_waits_for_weeks_to_be_put),
    (DeleteGrace,    &[],                      an_older_manifest_lands_after_its_segments_were_superseded),
    (TagsTaken,      &[],                      a_copy_speaks_once_nobody_knows_where_it_parts),
    (TagsWait,       &[],                      a_newcomer_meets_a_copy_before_who_knows_where_it_parts),
    (VoidWhole,      &[RevokeSnapshot],        what_replaced_a_void_does_not_count),
    (CarryLacking,   &[RevokeSnapshot],        what_replaced_a_void_does_not_count),
    (KnownBefore,    &[],                      a_revoked_device_holds_what_it_let_delete),
    (CloseReadAgain, &[],                      who_revokes_has_not_read_what_it_leans_on),
    (CloseJoins,     &[Vouch, RevokeSnapshot], two_revoke_what_is_two_lines_to_them),
    (Vouch,          &[Carry],                 who_revokes_has_read_less_than_another),
];

#[test]
fn every_case_ends_well_and_badly_without_its_rule() {
    for (rule, context, play) in CASES {
        let with = play(&mut calm(context));
        assert_eq!(with, Ok(()), "{rule:?}, without {context:?}");
        let without = play(&mut calm(&[context, &[*rule][..]].concat()));
        assert!(without.is_err(), "{rule:?} and {context:?} left out, and nothing shows");
    }
}

/// A world without chance: one store, which is 0.
fn calm(left_out: &[Rule]) -> World {
    let mut world = World::new(Rules::without(left_out), false);
    world.bucket.moody = false;
    world
}

fn chance() -> Random {
    Random::new(0)
}

fn write(world: &mut World, s: usize, kind: Kind, key: usize) -> u8 {
    world.bucket.pass(1);
    world.write(s, kind, key, None);
    world.ops.len() as u8 - 1
}

fn put(world: &mut World, s: usize, key: usize) -> u8 {
    write(world, s, Kind::Put, key)
}

fn delete(world: &mut World, s: usize, key: usize) -> u8 {
    write(world, s, Kind::Delete, key)
}

fn does(world: &mut World, s: usize, doing: Doing) {
    world.bucket.pass(1);
    happen(world, s, doing, &mut chance());
}

fn join(world: &mut World) -> usize {
    world.join(&mut chance());
    world.stores.len() - 1
}

/// The manifest that stands under an id.
fn standing(world: &World, device: u8) -> Rc<Manifest> {
    world.bucket.manifest(device, &mut chance()).expect("it was put")
}

/// Store 0 publishes a write, and another: the first manifest, and the second write.
fn publishes_twice(world: &mut World) -> (Rc<Manifest>, u8) {
    put(world, 0, 0);
    does(world, 0, Doing::Sync);
    let older = standing(world, 0);
    let newest = put(world, 0, 1);
    does(world, 0, Doing::Sync);
    (older, newest)
}

/// A store publishes what it has, and looks at nothing.
fn publishes(world: &mut World, s: usize) {
    does(world, s, Doing::Freeze);
    does(world, s, Doing::Put);
}

/// A PUT of long ago lands once more.
fn lands_again(world: &mut World, manifest: &Rc<Manifest>) {
    world.bucket.put_manifest(manifest, &mut chance());
}

fn dies(world: &mut World, s: usize) {
    world.stores[s].alive = false;
}

fn holds(world: &World, s: usize, op: u8) -> Result<(), String> {
    let has = world.covers(world.stores[s].applied, op);
    if has { Ok(()) } else { Err(format!("store {s} lacks {}", world.names(one(op)))) }
}

fn ends(world: &mut World) -> Result<(), String> {
    end(world).map(drop).map_err(|failure| format!("{failure:?}"))
}

fn an_older_own_manifest_lands_again(world: &mut World) -> Result<(), String> {
    let other = join(world);
    let (older, newest) = publishes_twice(world);
    lands_again(world, &older);
    does(world, 0, Doing::CheckOwn);
    dies(world, 0);
    ends(world)?;
    holds(world, other, newest)
}

fn an_older_manifest_stands_for_a_while(world: &mut World) -> Result<(), String> {
    let other = join(world);
    let (older, _) = publishes_twice(world);
    does(world, other, Doing::Sync);
    lands_again(world, &older);
    does(world, other, Doing::FullCheck);
    does(world, 0, Doing::CheckOwn);
    ends(world)?;
    if world.had.carried == 0 { Ok(()) } else { Err("a snapshot was written to carry what stands".into()) }
}

fn a_segment_is_lost(world: &mut World) -> Result<(), String> {
    join(world);
    let segment = publishes_a_segment(world, 0);
    world.bucket.delete(segment);
    ends(world)
}

/// A store writes so much that a segment is made of it.
fn publishes_a_segment(world: &mut World, s: usize) -> u32 {
    for key in [0, 1, 2] {
        put(world, s, key);
    }
    does(world, s, Doing::Sync);
    let manifest = standing(world, world.stores[s].device());
    manifest.lines[0].segments[0].object
}

fn a_leaver_dies_after_its_first_push(world: &mut World) -> Result<(), String> {
    let other = join(world);
    put(world, 0, 0);
    does(world, 0, Doing::Sync);
    does(world, 0, Doing::Copy);
    let unpublished = put(world, 0, 1);
    put(world, 2, 2);
    does(world, 2, Doing::Sync);
    does(world, 0, Doing::Sync); // finds the copy's manifest
    does(world, 0, Doing::Sync);
    dies(world, 0);
    ends(world)?;
    holds(world, other, unpublished)
}

fn a_manifest_waits_for_weeks_to_be_put(world: &mut World) -> Result<(), String> {
    let other = join(world);
    for key in [0, 1, 2] {
        put(world, 0, key);
    }
    does(world, 0, Doing::Freeze);
    for _ in 0..3 {
        world.bucket.pass(8 * DAY);
        does(world, other, Doing::Sweep);
    }
    does(world, 0, Doing::Put);
    does(world, 0, Doing::Put);
    dies(world, 0);
    ends(world)
}

fn an_older_manifest_lands_after_its_segments_were_superseded(world: &mut World) -> Result<(), String> {
    join(world);
    publishes_a_segment(world, 0);
    let older = standing(world, 0);
    does(world, 0, Doing::Snapshot);
    publishes(world, 0);
    does(world, 0, Doing::Delete);
    lands_again(world, &older);
    dies(world, 0);
    ends(world)
}

fn a_copy_speaks_once_nobody_knows_where_it_parts(world: &mut World) -> Result<(), String> {
    put(world, 0, 0);
    delete(world, 0, 0);
    does(world, 0, Doing::Copy);
    for key in [1, 2, 1, 2, 1, 2] {
        put(world, 0, key);
    }
    does(world, 0, Doing::Snapshot); // which has not all tags
    does(world, 0, Doing::Sync);
    let newcomer = join(world);
    does(world, newcomer, Doing::Sync);
    dies(world, 0);
    let copys = put(world, 1, 2);
    does(world, 1, Doing::Push);
    dies(world, 1);
    does(world, newcomer, Doing::Sync);
    world.bucket.pass(4 * DAY);
    ends(world)?;
    holds(world, newcomer, copys)
}

fn a_newcomer_meets_a_copy_before_who_knows_where_it_parts(world: &mut World) -> Result<(), String> {
    put(world, 0, 0);
    does(world, 0, Doing::Copy);
    delete(world, 0, 0);
    for key in [1, 2, 1, 2, 1, 2] {
        put(world, 0, key);
    }
    does(world, 0, Doing::Push);
    let old_hand = join(world);
    does(world, old_hand, Doing::Sync);
    does(world, 0, Doing::Snapshot);
    does(world, 0, Doing::Push);
    let newcomer = join(world);
    does(world, newcomer, Doing::Sync);
    put(world, 0, 1);
    does(world, 0, Doing::Push);
    does(world, newcomer, Doing::Sync);
    dies(world, 0);
    let sequence = standing(world, 0).sequence;
    for key in [1, 2] {
        put(world, 1, key);
    }
    while world.stores[1].sequence <= sequence {
        does(world, 1, Doing::Push);
    }
    dies(world, 1);
    does(world, newcomer, Doing::Sync);
    exact(world, newcomer)?;
    ends(world)
}

fn what_replaced_a_void_does_not_count(world: &mut World) -> Result<(), String> {
    put(world, 0, 0);
    does(world, 0, Doing::Copy);
    let revoker = join(world);
    let reader = join(world);
    does(world, 1, Doing::Push); // as it was written
    dies(world, 1);
    revokes(world, revoker, 0);
    put(world, 0, 0);
    publishes(world, 0); // as a void
    dies(world, 0);
    reads(world, reader, revoker);
    reads(world, reader, 0);
    ends(world)
}

/// A store revokes an id, and says so.
fn revokes(world: &mut World, s: usize, device: u8) {
    world.bucket.pass(1);
    world.close(s, device, true, &mut chance());
    publishes(world, s);
}

/// A store reads the manifest of another.
fn reads(world: &mut World, s: usize, other: usize) {
    let device = world.stores[other].device();
    world.pull(s, device, &mut chance());
}

/// A store has others' segments deleted, for its snapshot has what is in them; and those others are dead.
fn leans_on_its_snapshot(world: &mut World) -> usize {
    let keeper = join(world);
    publishes_a_segment(world, 0);
    dies(world, 0);
    does(world, keeper, Doing::Sync);
    does(world, keeper, Doing::Snapshot);
    does(world, keeper, Doing::Sync);
    world.bucket.pass(DAY);
    does(world, keeper, Doing::Delete);
    keeper
}

fn a_revoked_device_holds_what_it_let_delete(world: &mut World) -> Result<(), String> {
    let keeper = leans_on_its_snapshot(world);
    let (revoker, other) = (join(world), join(world));
    let snapshot = standing(world, world.stores[keeper].device()).snapshot.clone().expect("it named one");
    world.bucket.hidden.insert(snapshot.object);
    reads(world, other, keeper);
    revokes(world, revoker, world.stores[keeper].device());
    dies(world, keeper);
    reads(world, other, revoker);
    ends(world)
}

fn who_revokes_has_not_read_what_it_leans_on(world: &mut World) -> Result<(), String> {
    let keeper = leans_on_its_snapshot(world);
    let revoker = join(world);
    revokes(world, revoker, world.stores[keeper].device());
    dies(world, keeper);
    ends(world)
}

fn two_revoke_what_is_two_lines_to_them(world: &mut World) -> Result<(), String> {
    let (one, other) = (join(world), join(world));
    put(world, 0, 0);
    does(world, 0, Doing::Copy);
    let copy = world.stores.len() - 1;
    let short = put(world, 0, 1);
    does(world, 0, Doing::Push);
    let with_short = standing(world, 0);
    revokes(world, one, 0);
    for key in [1, 2] {
        put(world, copy, key);
    }
    publishes(world, copy);
    revokes(world, other, 0);
    lands_again(world, &with_short);
    for s in [0, copy, one] {
        dies(world, s);
    }
    ends(world)?;
    holds(world, other, short)
}

fn who_revokes_has_read_less_than_another(world: &mut World) -> Result<(), String> {
    let (revoker, other) = (join(world), join(world));
    let (older, _) = publishes_twice(world);
    let newest = standing(world, 0);
    does(world, other, Doing::Sync);
    lands_again(world, &older);
    revokes(world, revoker, 0);
    lands_again(world, &newest);
    dies(world, 0);
    ends(world)
}
