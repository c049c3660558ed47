//! Buckets of devices whose store was copied (docs/format/replica.md, "Lines"): what a reader makes of the lines that it
//! meets, and of snapshots that tell of lines and islands.

use super::buckets::{Bucket, Held, case, run};
use crate::bytes::{Entry, Lines, one_line};
use crate::case::File;
use crate::lines::{Fork, Island, UNKNOWN};
use crate::manifest::Manifest;
use crate::ops::{Action, Context, Op, Run, map, root};
use crate::sealing::{CHUNK, INDEX, hash};
use crate::snapshot::{Index, Row, Standing, chunk, row};
use crate::world::MS;
use serde_json::{Value, json};

fn put(key: &str, value: &str, ms: u64) -> Op {
    Op::put(map("m"), key, value).at(MS + ms, 0)
}

/// Device 0's ops: its record, `k` = a, and then these.
fn line(ops: &[Op]) -> Run {
    run(0, [&[put("k", "a", 0)], ops].concat()).0
}

/// What the first store wrote.
fn original() -> Run {
    line(&[put("k", "b", 1)])
}

/// What its copy wrote.
fn copy() -> Run {
    line(&[put("k", "c", 2), put("n", "d", 2)])
}

fn stated(line: &Run, sequence: u64) -> Manifest {
    let previous = if sequence == 1 { [0; 32] } else { [sequence as u8; 32] };
    Manifest { sequence, previous, ..Manifest::first(run(0, vec![]).1, line.clone(), &[]) }
}

fn held(of: &[&Run], maps: Value) -> Held {
    Held::new(&of.iter().map(|run| run.end()).collect::<Vec<_>>(), json!({"m": maps}), json!({}))
}

/// What is held where a second line of device 0 has turned up.
fn forked(held: Held) -> Held {
    held.with_fork(0)
}

/// The entry of both lines, as far as these runs go; they part after op 2.
fn both(longer: &Run, other: &Run) -> Lines {
    let (_, n, tag) = other.end();
    Lines { first: longer.end(), further: vec![(n, tag, 2)] }
}

pub(crate) fn add(file: &mut File) {
    turn_up(file);
    seen(file);
    told(file);
}

/// A case whose stages show one manifest of device 0 after the other.
fn shown(file: &mut File, name: &str, manifests: &[Manifest], held: &[Held]) {
    let mut bucket = Bucket::new();
    let stages: Vec<Bucket> = manifests
        .iter()
        .map(|manifest| {
            bucket.manifest(manifest);
            bucket.clone()
        })
        .collect();
    case(file, &format!("copies: {name}"), &stages.iter().collect::<Vec<_>>(), &[], held);
}

fn turn_up(file: &mut File) {
    let (original, copy) = (original(), copy());
    let before = || held(&[&original], json!({"k": ["b"]}));
    let two = || forked(held(&[&copy], json!({"k": ["c", "b"], "n": ["d"]})));
    let start = || stated(&original, 1);
    shown(file, "a second line, under the next sequence", &[start(), stated(&copy, 2)], &[before(), two()]);
    shown(file, "a second line, under the same sequence", &[start(), stated(&copy, 1)], &[before(), two()]);
    let later = stated(&original, 7);
    shown(file, "a second line, under a lesser sequence", &[later, stated(&copy, 3)], &[before(), two()]);
    let shorter = line(&[put("k", "c", 2)]);
    let siblings = forked(held(&[&shorter], json!({"k": ["c", "b"]})));
    shown(file, "a second line of the same length", &[start(), stated(&shorter, 2)], &[before(), siblings]);

    let shared = line(&[]);
    let beyond = shared.then(vec![], copy.ops[2..].to_vec());
    shown(file, "a log that begins right after the fork", &[start(), stated(&beyond, 2)], &[before(), two()]);
    let high = Run { ops: copy.ops[..3].to_vec(), ..copy.clone() }.then(vec![], copy.ops[3..].to_vec());
    shown(file, "a log that begins beyond the fork waits", &[start(), stated(&high, 2)], &[before(), before()]);
    let at_once = Run { ops: [&copy.ops[..1], &copy.ops[2..]].concat(), ..copy.clone() };
    let lower = forked(held(&[&at_once], json!({"k": ["c", "b"], "n": ["d"]})));
    shown(file, "lines that part before any write but the record", &[start(), stated(&at_once, 2)], &[before(), lower]);

    let further = Run { ops: [&original.ops[..], &[put("k", "e", 3)]].concat(), ..original.clone() };
    let on = held(&[&further], json!({"k": ["e", "c"], "n": ["d"]}));
    shown(file, "both lines go on", &[start(), stated(&copy, 2), stated(&further, 3)], &[before(), two(), on]);
    let third = Run { ops: [&copy.ops[..3], &[put("p", "f", 3)]].concat(), ..copy.clone() };
    let three = held(&[&third], json!({"k": ["c", "b"], "n": ["d"], "p": ["f"]}));
    shown(file, "a third line", &[start(), stated(&copy, 2), stated(&third, 3)], &[before(), two(), three]);
}

fn seen(file: &mut File) {
    let (original, copy) = (original(), copy());
    let of_second = |seen: Lines, key: &str| {
        let (record, seed) = run(1, vec![]);
        let mut ops = record.ops.clone();
        ops.push(Op { seen: vec![seen.clone()], ..put(key, "z", 0) });
        let run = Run { ops, ..record };
        let vector = vec![seen, run.end().into()];
        (Manifest { vector: sorted(vector), ..Manifest::first(seed, run.clone(), &[]) }, run)
    };
    let (second, theirs) = of_second(both(&copy, &original), "k");
    let mut buckets = vec![Bucket::new()];
    for manifest in [stated(&original, 1), stated(&copy, 2), second] {
        let mut bucket = buckets.last().expect("one").clone();
        bucket.manifest(&manifest);
        buckets.push(bucket);
    }
    let stages = [
        held(&[&original], json!({"k": ["b"]})),
        forked(held(&[&copy], json!({"k": ["c", "b"], "n": ["d"]}))),
        held(&[&copy, &theirs], json!({"k": ["z"], "n": ["d"]})),
    ];
    case(file, "copies: who has seen both lines", &buckets[1..].iter().collect::<Vec<_>>(), &[], &stages);

    let ahead = Run { ops: copy.ops[..3].to_vec(), ..copy.clone() };
    let (record, seed) = run(1, vec![]);
    let ops = vec![record.ops[0].clone().seeing(&[ahead.end()]), put("k", "z", 0)];
    let theirs = Run { ops, ..record };
    let waiting = Manifest::first(seed, theirs.clone(), &[ahead.end()]);
    let mut first = Bucket::new();
    first.manifest(&stated(&original, 1));
    first.manifest(&waiting);
    let mut then = first.clone();
    then.manifest(&stated(&copy, 2));
    let stages = [
        held(&[&original], json!({"k": ["b"]})),
        forked(held(&[&copy, &theirs], json!({"k": ["b", "z"], "n": ["d"]}))),
    ];
    case(file, "copies: who has seen a line that is nowhere waits", &[&first, &then], &[], &stages);
    [0, 2].iter().for_each(|of| in_any_order(file, *of));
}

/// Who has seen a line that is nowhere, and the device's own log, which is another line and longer: whichever is read first.
fn in_any_order(file: &mut File, of: usize) {
    let line = |ops: &[Op]| run(of, [&[put("k", "a", 0)], ops].concat()).0;
    let (own, copy) = (line(&[put("k", "b", 1), put("n", "d", 2)]), line(&[put("k", "c", 2)]));
    let (record, seed) = run(1, vec![]);
    let ops = vec![record.ops[0].clone().seeing(&[copy.end()]), put("k", "z", 0)];
    let theirs = Run { ops, ..record };
    let own_seed = run(of, vec![]).1;
    let alone = || held(&[&own], json!({"k": ["b"], "n": ["d"]}));
    let order = if of == 0 { "a device before it" } else { "a device after it" };

    let mut bucket = Bucket::new();
    bucket.manifest(&Manifest::first(seed, theirs.clone(), &[copy.end()]));
    bucket.manifest(&Manifest::first(own_seed, own.clone(), &[]));
    let name = format!("copies: who has seen a line that is nowhere, of {order}");
    case(file, &name, &[&bucket], &[], &[alone()]);

    let mut bucket = Bucket::new();
    for (at, seed, run) in [(1, seed, &theirs), (2, own_seed, &own)] {
        let segments = vec![bucket.segment(at, run)];
        bucket.manifest(&Manifest { segments, ..Manifest::first(seed, run.then(vec![], vec![]), &[]) });
    }
    case(file, &format!("{name}, in segments"), &[&bucket], &[], &[alone()]);
}

fn sorted(mut vector: Vec<Lines>) -> Vec<Lines> {
    vector.sort_unstable();
    vector
}

fn record_row(run: &Run) -> Row {
    let own = &run.ops[0];
    let first = Run { ops: vec![own.clone()], ..run.clone() }.end();
    (own.key.clone(), vec![Standing { action: own.action.clone(), ..Standing::put(first, "") }])
}

/// A device's manifest that names its snapshot: the records of it and of device 0, and these rows of the map.
fn with_snapshot(bucket: &mut Bucket, device: usize, rows: &[Row], change: impl Fn(&mut Index)) -> Run {
    let (own, _) = run(device, vec![]);
    snapshot_after(bucket, device, &own, own.clone(), rows, change)
}

/// The same after the device's ops `own`, of which the manifest has `tail`.
fn snapshot_after(
    bucket: &mut Bucket,
    device: usize,
    own: &Run,
    tail: Run,
    rows: &[Row],
    change: impl Fn(&mut Index),
) -> Run {
    let seed = run(device, vec![]).1;
    let id = |number: u8| 2 * device as u8 + number;
    let mut records = vec![record_row(&original()), record_row(own)];
    records.sort_by(|one, other| one.0.cmp(&other.0));
    let place = (root(), records[0].0.clone());
    let content = chunk(&[(root(), records), (map("m"), rows.to_vec())]);
    let object = bucket.snapshot(CHUNK, id(0), &content);
    let bytes = object.2;
    let mut index =
        Index { chunks: vec![(object, place, hash(&content))], ..Index::new(own.device, one_line(&[own.end()])) };
    change(&mut index);
    index.vector.sort_unstable();
    let named = bucket.snapshot(INDEX, id(1), &index.bytes());
    let ends = index.islands.iter().flat_map(|(device, islands)| {
        let end = |island: &Island| {
            let last = island.tags.last().expect("not empty");
            (*device, island.from - 1 + island.tags.len() as u64, *last)
        };
        islands.iter().map(end)
    });
    bucket.manifest(&Manifest {
        vector: index.vector.clone(),
        snapshot: Some((named, bytes, index.vector.clone())),
        beyond: ends.collect(),
        ..Manifest::first(seed, tail, &[])
    });
    own.clone()
}

/// What snapshots and manifests tell a newcomer.
fn told(file: &mut File) {
    let (original, copy) = (original(), copy());
    let write = |run: &Run, at: usize, value: &str, ms: u64| Standing::put(run.dot(at), value).at(MS + ms, 0);
    let mut siblings = vec![write(&original, 2, "b", 1), write(&copy, 2, "c", 2)];
    siblings.sort_by_key(|write| write.dot);
    let rows = [row("k", &siblings), row("n", &[write(&copy, 3, "d", 2)])];
    let tags = |run: &Run| (2..run.ops.len()).map(|at| run.dot(at).2).collect::<Vec<_>>();
    let fork = |lines: Vec<Vec<[u8; 8]>>| Fork { device: copy.device, trunk: 2, before: copy.dot(1).2, lines };
    let longer = Run { ops: [&original.ops[..], &[put("p", "x", 3)]].concat(), ..original.clone() };

    let mut bucket = Bucket::new();
    bucket.manifest(&stated(&longer, 3));
    let second = with_snapshot(&mut bucket, 1, &rows, |index| {
        index.vector.push(both(&copy, &original));
        index.forks = vec![fork(vec![tags(&original), tags(&copy)])];
    });
    let all = json!({"k": ["c", "b"], "n": ["d"], "p": ["x"]});
    let name = "copies: a snapshot of both lines, and a log that goes on on one";
    case(file, name, &[&bucket], &[], &[held(&[&longer, &second], all)]);

    // No log of device 0 is there: of its ops the snapshot has the last one's tag alone.
    let of_longer = [row("k", &[write(&original, 2, "b", 1)]), row("p", &[write(&longer, 3, "x", 3)])];
    let mut bucket = Bucket::new();
    let second = with_snapshot(&mut bucket, 1, &of_longer, |index| index.vector.push(longer.end().into()));
    let third = |op: Entry| {
        let (record, seed) = run(2, vec![]);
        let run = Run { ops: vec![record.ops[0].clone().seeing(&[op]), put("k", "z", 9)], ..record };
        (Manifest::first(seed, run.clone(), &[op]), run)
    };
    let mut nobody_states = bucket.clone();
    let (manifest, its) = third(longer.dot(2));
    nobody_states.manifest(&manifest);
    let replaced = held(&[&longer, &second, &its], json!({"k": ["z"], "p": ["x"]}));
    let name = "copies: who has seen an op that a snapshot has, by its number";
    case(file, name, &[&nobody_states], &[], &[replaced]);
    let (manifest, its) = third(copy.dot(2));
    let shorter = Run { ops: copy.ops[..3].to_vec(), ..copy.clone() };
    let vector = sorted(vec![both(&longer, &shorter), its.end().into()]);
    bucket.manifest(&Manifest { vector, ..manifest });
    let waits = held(&[&longer, &second], json!({"k": ["b"], "p": ["x"]}));
    let name = "copies: who has seen an op by its number, where somebody states that lines part below it, waits";
    case(file, name, &[&bucket], &[], &[waits]);

    let of_copy = [row("k", &[write(&copy, 2, "c", 2)]), row("n", &[write(&copy, 3, "d", 2)])];
    let further = Run { ops: [&longer.ops[..], &[put("q", "y", 3)]].concat(), ..longer.clone() };
    let mut bucket = Bucket::new();
    bucket.manifest(&stated(&further, 3));
    let second = with_snapshot(&mut bucket, 1, &of_copy, |index| index.vector.push(copy.end().into()));
    let alone = held(&[&copy, &second], json!({"k": ["c"], "n": ["d"]}));
    case(
        file,
        "copies: a snapshot of one line and a log of the other, whose fork nothing tells",
        &[&bucket],
        &[],
        &[alone],
    );
    let (third, seed) = run(2, vec![]);
    let vector = sorted(vec![both(&further, &copy), third.end().into()]);
    bucket.manifest(&Manifest { vector, ..Manifest::first(seed, third.clone(), &[]) });
    let all = json!({"k": ["c", "b"], "n": ["d"], "p": ["x"], "q": ["y"]});
    let of_both = held(&[&further, &second, &third], all);
    case(
        file,
        "copies: a snapshot of one line, a log of the other, and who tells their fork",
        &[&bucket],
        &[],
        &[of_both],
    );

    let mut bucket = Bucket::new();
    bucket.manifest(&stated(&further, 3));
    let second = with_snapshot(&mut bucket, 1, &of_copy, |index| {
        index.vector.push(copy.end().into());
        let known = vec![UNKNOWN, copy.dot(3).2];
        index.forks = vec![fork(vec![known, tags(&longer)])];
    });
    let all = json!({"k": ["c", "b"], "n": ["d"], "p": ["x"], "q": ["y"]});
    case(
        file,
        "copies: a snapshot of one line that tells of the other",
        &[&bucket],
        &[],
        &[held(&[&further, &second], all)],
    );

    let whole = line(&[put("k", "b", 1), put("n", "d", 2)]);
    let island = |index: &mut Index| {
        index.vector.push(whole.dot(1).into());
        let (before, tags) = (whole.dot(2).2, vec![whole.dot(3).2]);
        index.islands = vec![(whole.device, vec![Island { from: 4, before, tags }])];
    };
    let rows = [row("k", &[write(&whole, 1, "a", 0)]), row("n", &[write(&whole, 3, "d", 2)])];
    let mut bucket = Bucket::new();
    let second = with_snapshot(&mut bucket, 1, &rows, island);
    let known = Run { ops: whole.ops[..2].to_vec(), ..whole.clone() };
    let apart = held(&[&known, &second], json!({"k": ["a"], "n": ["d"]}));
    let mut then = bucket.clone();
    then.manifest(&stated(&whole, 1));
    let all = held(&[&whole, &second], json!({"k": ["b"], "n": ["d"]}));
    case(
        file,
        "islands: a snapshot of ops beyond a gap, which its author fills",
        &[&bucket, &then],
        &[],
        &[apart, all],
    );
    let gone = [row("k", &[write(&whole, 1, "a", 0)])];
    let mut bucket = Bucket::new();
    bucket.manifest(&stated(&whole, 1));
    let second = with_snapshot(&mut bucket, 1, &gone, island);
    let all = held(&[&whole, &second], json!({"k": ["b"]}));
    case(file, "islands: an op beyond a gap that was replaced does not come back", &[&bucket], &[], &[all]);

    let mut bucket = Bucket::new();
    let second = with_snapshot(&mut bucket, 1, &rows, island);
    let dots = vec![whole.end()];
    let delete =
        Op { context: Context { vector: vec![], dots }, ..Op::new(map("m"), "n", Action::Delete).at(MS + 9, 0) };
    let (third, _) = run(2, vec![delete]);
    snapshot_after(&mut bucket, 2, &third, third.then(vec![], vec![]), &gone, island);
    let left = held(&[&known, &second, &third], json!({"k": ["a"]}));
    case(file, "islands: of two snapshots one had an op replaced that the other has", &[&bucket], &[], &[left]);
}
