//! How writes meet (docs/format/replica.md, "Maps", "Logs"). Each outcome is worked out by hand from the rules.

use crate::bytes::Entry;
use crate::case::File;
use crate::ops::{Action, Attached, entries_value, entry_value};
use crate::snapshot::{Standing, slot_value};
use crate::world::{MS, devices};
use serde_json::{Value, json};

pub(crate) fn file() -> File {
    let mut file = File::new(
        "merges",
        "docs/format/replica.md: Maps, Logs. Contexts compare less what `holder` (in `merge`: both vectors) covers: that \
         part says nothing",
    );
    applied(&mut file);
    merged(&mut file);
    entries(&mut file);
    versions(&mut file);
    file
}

/// The n-th op of device 0, 1 or 2.
fn op(device: usize, n: u64) -> Entry {
    let tag = [device as u8 * 16 + n as u8; 8];
    (devices()[device].0, n, tag)
}

fn put(device: usize, n: u64) -> Standing {
    Standing::put(op(device, n), &format!("{device}.{n}"))
}

fn delete(device: usize, n: u64) -> Standing {
    Standing::delete(op(device, n))
}

/// `seen` is the author's vector at the write, `holder` the holder's before it.
struct Apply {
    slot: Vec<Standing>,
    write: Standing,
    seen: Vec<Entry>,
    holder: Vec<Entry>,
    after: Vec<Standing>,
}

fn applied(file: &mut File) {
    let (a, b, c) = (0, 1, 2);
    let mut case = |name: &str, apply: Apply| {
        let given = json!({
            "slot": slot_value(&apply.slot),
            "write": apply.write.value(),
            "seen": entries_value(&apply.seen),
            "holder": entries_value(&apply.holder),
        });
        file.value(format!("apply: {name}"), "apply", given, slot_value(&apply.after));
    };
    case("a first put", Apply { slot: vec![], write: put(a, 1), seen: vec![], holder: vec![], after: vec![put(a, 1)] });
    case(
        "a put replaces what it has seen",
        Apply {
            slot: vec![put(a, 1)],
            write: put(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1)],
        },
    );
    case(
        "a put beside what it has not seen",
        Apply {
            slot: vec![put(a, 1)],
            write: put(b, 1),
            seen: vec![],
            holder: vec![op(a, 1)],
            after: vec![put(a, 1), put(b, 1)],
        },
    );
    case(
        "writes stand by rising dot",
        Apply {
            slot: vec![put(b, 1)],
            write: put(a, 1),
            seen: vec![],
            holder: vec![op(b, 1)],
            after: vec![put(a, 1), put(b, 1)],
        },
    );
    case(
        "a device replaces its own",
        Apply {
            slot: vec![put(a, 1)],
            write: put(a, 2),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(a, 2)],
        },
    );
    case(
        "a put replaces both siblings",
        Apply {
            slot: vec![put(a, 1), put(b, 1)],
            write: put(c, 1),
            seen: vec![op(a, 1), op(b, 1)],
            holder: vec![op(a, 1), op(b, 1)],
            after: vec![put(c, 1)],
        },
    );
    case(
        "a put replaces one sibling",
        Apply {
            slot: vec![put(a, 1), put(b, 1)],
            write: put(c, 1),
            seen: vec![op(b, 1)],
            holder: vec![op(a, 1), op(b, 1)],
            after: vec![put(a, 1), put(c, 1)],
        },
    );
    case(
        "a later stamp replaces nothing by itself",
        Apply {
            slot: vec![put(a, 1)],
            write: put(b, 1).at(MS + 999, 0),
            seen: vec![],
            holder: vec![op(a, 1)],
            after: vec![put(a, 1), put(b, 1).at(MS + 999, 0)],
        },
    );
    case(
        "an earlier stamp replaces what it has seen",
        Apply {
            slot: vec![put(a, 1).at(MS + 999, 0)],
            write: put(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1)],
        },
    );
    case(
        "a delete of what it has seen",
        Apply {
            slot: vec![put(a, 1)],
            write: delete(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![delete(b, 1)],
        },
    );
    case(
        "a delete beside what it has not seen",
        Apply {
            slot: vec![put(a, 2)],
            write: delete(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 2)],
            after: vec![put(a, 2), delete(b, 1)],
        },
    );
    case(
        "a put over a tombstone that it has seen",
        Apply {
            slot: vec![delete(a, 1)],
            write: put(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1)],
        },
    );
    case(
        "a put beside a tombstone that it has not seen",
        Apply {
            slot: vec![delete(a, 1)],
            write: put(b, 1),
            seen: vec![],
            holder: vec![op(a, 1)],
            after: vec![delete(a, 1), put(b, 1)],
        },
    );
    case(
        "two deletes that have not seen each other",
        Apply {
            slot: vec![delete(a, 2)],
            write: delete(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 2)],
            after: vec![delete(a, 2), delete(b, 1)],
        },
    );
    case(
        "the same op again",
        Apply {
            slot: vec![put(a, 1), put(b, 1)],
            write: put(b, 1),
            seen: vec![],
            holder: vec![op(a, 1), op(b, 1)],
            after: vec![put(a, 1), put(b, 1)],
        },
    );
    case(
        "seen by a dot of its context",
        Apply {
            slot: vec![put(a, 1), put(c, 5)],
            write: put(b, 1).seeing(&[], &[op(c, 5)]),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1).seeing(&[], &[op(c, 5)])],
        },
    );
    case(
        "a dot of a context is one op, not those before it",
        Apply {
            slot: vec![put(c, 4)],
            write: put(b, 1).seeing(&[], &[op(c, 5)]),
            seen: vec![],
            holder: vec![],
            after: vec![put(b, 1).seeing(&[], &[op(c, 5)]), put(c, 4)],
        },
    );
    case(
        "seen by its context's vector",
        Apply {
            slot: vec![put(c, 4)],
            write: put(b, 1).seeing(&[op(c, 5)], &[]),
            seen: vec![],
            holder: vec![],
            after: vec![put(b, 1).seeing(&[op(c, 5)], &[])],
        },
    );
    case(
        "what its author had beyond the holder joins its context",
        Apply {
            slot: vec![],
            write: put(b, 1),
            seen: vec![op(a, 3)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1).seeing(&[op(a, 3)], &[])],
        },
    );
    case(
        "a late write that is replaced already",
        Apply {
            slot: vec![put(b, 1).seeing(&[op(a, 3)], &[])],
            write: put(a, 2),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1).seeing(&[op(a, 3)], &[])],
        },
    );
    case(
        "a late write that is not replaced yet",
        Apply {
            slot: vec![put(b, 1).seeing(&[op(a, 3)], &[])],
            write: put(a, 4),
            seen: vec![op(a, 3)],
            holder: vec![op(a, 3)],
            after: vec![put(a, 4), put(b, 1)],
        },
    );
    case(
        "what a replaced write had seen joins its replacer's context",
        Apply {
            slot: vec![put(b, 1).seeing(&[op(a, 3)], &[])],
            write: put(a, 3),
            seen: vec![op(a, 2), op(c, 4)],
            holder: vec![op(a, 2)],
            after: vec![put(b, 1).seeing(&[op(a, 3), op(c, 4)], &[])],
        },
    );
    case(
        "a write that is replaced still replaces others",
        Apply {
            slot: vec![put(a, 1), put(b, 2).seeing(&[op(c, 1)], &[])],
            write: put(c, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 1), op(b, 2)],
            after: vec![put(b, 2).seeing(&[op(c, 1)], &[])],
        },
    );
    case(
        "contexts of what is replaced join",
        Apply {
            slot: vec![put(a, 1).seeing(&[], &[op(c, 3)]), put(b, 1).seeing(&[op(c, 2)], &[])],
            write: put(a, 2),
            seen: vec![op(a, 1), op(b, 1)],
            holder: vec![op(a, 1), op(b, 1)],
            after: vec![put(a, 2).seeing(&[op(c, 2)], &[op(c, 3)])],
        },
    );
    case(
        "a context's dot that the holder covers says nothing",
        Apply {
            slot: vec![],
            write: put(b, 1).seeing(&[], &[op(a, 1)]),
            seen: vec![],
            holder: vec![op(a, 1)],
            after: vec![put(b, 1)],
        },
    );
    case(
        "a context's dot that its own vector covers says nothing",
        Apply {
            slot: vec![],
            write: put(b, 1).seeing(&[op(c, 5)], &[op(c, 3)]),
            seen: vec![],
            holder: vec![],
            after: vec![put(b, 1).seeing(&[op(c, 5)], &[])],
        },
    );
    case(
        "an island: ops before it are not here yet",
        Apply {
            slot: vec![],
            write: put(a, 5),
            seen: vec![op(a, 4)],
            holder: vec![op(a, 2)],
            after: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
        },
    );
    case(
        "an island replaces an island",
        Apply {
            slot: vec![put(a, 4).seeing(&[op(a, 3)], &[])],
            write: put(a, 5),
            seen: vec![op(a, 4)],
            holder: vec![op(a, 2)],
            after: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
        },
    );
    case(
        "an op before an island, which had seen it",
        Apply {
            slot: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
            write: put(a, 3),
            seen: vec![op(a, 2)],
            holder: vec![op(a, 2)],
            after: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
        },
    );
    case(
        "an op of another before an island, which had not seen it",
        Apply {
            slot: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
            write: put(b, 1),
            seen: vec![op(a, 1)],
            holder: vec![op(a, 2)],
            after: vec![put(a, 5).seeing(&[op(a, 4)], &[]), put(b, 1)],
        },
    );
}

/// What each side has applied, and what of it out of order.
struct Merge {
    mine: Vec<Standing>,
    my_vector: Vec<Entry>,
    my_islands: Vec<Entry>,
    theirs: Vec<Standing>,
    their_vector: Vec<Entry>,
    after: Vec<Standing>,
}

fn merged(file: &mut File) {
    let (a, b, c) = (0, 1, 2);
    let mut case = |name: &str, merge: Merge| {
        let given = json!({
            "mine": slot_value(&merge.mine),
            "my_vector": entries_value(&merge.my_vector),
            "my_islands": entries_value(&merge.my_islands),
            "theirs": slot_value(&merge.theirs),
            "their_vector": entries_value(&merge.their_vector),
        });
        file.value(format!("merge: {name}"), "merge", given, slot_value(&merge.after));
    };
    let simple = |mine: Vec<Standing>, my_vector, theirs: Vec<Standing>, their_vector, after| Merge {
        mine,
        my_vector,
        my_islands: vec![],
        theirs,
        their_vector,
        after,
    };
    case("nothing and nothing", simple(vec![], vec![op(a, 1)], vec![], vec![op(b, 1)], vec![]));
    case("mine, new to them", simple(vec![put(a, 1)], vec![op(a, 1)], vec![], vec![], vec![put(a, 1)]));
    case("mine, replaced there", simple(vec![put(a, 1)], vec![op(a, 1)], vec![], vec![op(a, 1)], vec![]));
    case("theirs, new to me", simple(vec![], vec![], vec![put(a, 1)], vec![op(a, 1)], vec![put(a, 1)]));
    case("theirs, replaced here", simple(vec![], vec![op(a, 1)], vec![put(a, 1)], vec![op(a, 1)], vec![]));
    case(
        "one that both hold",
        simple(vec![put(a, 1)], vec![op(a, 1)], vec![put(a, 1)], vec![op(a, 1)], vec![put(a, 1)]),
    );
    case(
        "siblings",
        simple(vec![put(a, 1)], vec![op(a, 1)], vec![put(b, 1)], vec![op(b, 1)], vec![put(a, 1), put(b, 1)]),
    );
    case(
        "theirs replaced mine",
        simple(vec![put(a, 1)], vec![op(a, 1)], vec![put(b, 1)], vec![op(a, 1), op(b, 1)], vec![put(b, 1)]),
    );
    case(
        "mine replaced theirs",
        simple(vec![put(b, 1)], vec![op(a, 1), op(b, 1)], vec![put(a, 1)], vec![op(a, 1)], vec![put(b, 1)]),
    );
    case(
        "their tombstone replaced mine",
        simple(vec![put(a, 1)], vec![op(a, 1)], vec![delete(b, 1)], vec![op(a, 1), op(b, 1)], vec![delete(b, 1)]),
    );
    case(
        "their tombstone has not seen mine",
        simple(
            vec![put(a, 2)],
            vec![op(a, 2)],
            vec![delete(b, 1)],
            vec![op(a, 1), op(b, 1)],
            vec![put(a, 2), delete(b, 1)],
        ),
    );
    case(
        "a tombstone that they have collected",
        simple(vec![delete(a, 1)], vec![op(a, 1)], vec![], vec![op(a, 1), op(b, 1)], vec![]),
    );
    case(
        "a tombstone that I have collected",
        simple(vec![], vec![op(a, 1)], vec![delete(a, 1)], vec![op(a, 1), op(b, 1)], vec![]),
    );
    case(
        "contexts of one that both hold join",
        simple(
            vec![put(a, 1).seeing(&[op(c, 3)], &[])],
            vec![op(a, 1)],
            vec![put(a, 1).seeing(&[], &[op(b, 9)])],
            vec![op(a, 1)],
            vec![put(a, 1).seeing(&[op(c, 3)], &[op(b, 9)])],
        ),
    );
    case(
        "theirs had seen mine, which they lack",
        simple(
            vec![put(a, 1)],
            vec![op(a, 1)],
            vec![put(b, 1).seeing(&[op(a, 1)], &[])],
            vec![op(b, 1)],
            vec![put(b, 1)],
        ),
    );
    case(
        "theirs had seen mine by a dot",
        simple(
            vec![put(a, 4)],
            vec![op(a, 4)],
            vec![put(b, 1).seeing(&[], &[op(a, 4)])],
            vec![op(b, 1)],
            vec![put(b, 1)],
        ),
    );
    case(
        "mine had seen theirs",
        simple(
            vec![put(a, 1).seeing(&[op(b, 1)], &[])],
            vec![op(a, 1)],
            vec![put(b, 1)],
            vec![op(b, 1)],
            vec![put(a, 1)],
        ),
    );
    case(
        "what a replaced one had seen joins its replacer's",
        simple(
            vec![put(a, 1).seeing(&[], &[op(c, 7)])],
            vec![op(a, 1)],
            vec![put(b, 1).seeing(&[op(a, 1)], &[])],
            vec![op(b, 1)],
            vec![put(b, 1).seeing(&[], &[op(c, 7)])],
        ),
    );
    case(
        "one had seen another, which had seen a third",
        simple(
            vec![put(a, 1)],
            vec![op(a, 1)],
            vec![put(b, 1).seeing(&[], &[op(a, 1)]), put(c, 1).seeing(&[], &[op(b, 1)])],
            vec![op(b, 1), op(c, 1)],
            vec![put(c, 1)],
        ),
    );
    case(
        "an island that they have not",
        Merge {
            mine: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
            my_vector: vec![op(a, 1)],
            my_islands: vec![op(a, 5)],
            theirs: vec![put(a, 2)],
            their_vector: vec![op(a, 2)],
            after: vec![put(a, 5).seeing(&[op(a, 4)], &[])],
        },
    );
    case(
        "theirs is an island that was replaced here",
        Merge {
            mine: vec![put(b, 1).seeing(&[], &[op(a, 5)])],
            my_vector: vec![op(b, 1)],
            my_islands: vec![op(a, 5)],
            theirs: vec![put(a, 5)],
            their_vector: vec![op(a, 5)],
            after: vec![put(b, 1)],
        },
    );
    case(
        "theirs is an island that I collected with all that had replaced it",
        Merge {
            mine: vec![],
            my_vector: vec![op(b, 1)],
            my_islands: vec![op(a, 5)],
            theirs: vec![put(a, 5)],
            their_vector: vec![op(a, 5)],
            after: vec![],
        },
    );
    case(
        "theirs is before an island of mine",
        Merge {
            mine: vec![],
            my_vector: vec![op(a, 1)],
            my_islands: vec![op(a, 5)],
            theirs: vec![put(a, 4)],
            their_vector: vec![op(a, 4)],
            after: vec![put(a, 4)],
        },
    );
}

/// Entries under one key of a log, which no delete has hit.
fn entries(file: &mut File) {
    let entry = |device, n, value: &str, ms| Standing::put(op(device, n), value).at(ms, 0);
    let mut case = |name: &str, slot: &[Standing], new: Standing, after: &[Standing]| {
        let given = json!({"slot": slot_value(slot), "entry": new.value()});
        file.value(format!("entry: {name}"), "log-entry", given, slot_value(after));
    };
    let first = entry(1, 1, "ls", MS);
    case("the first", &[], first.clone(), std::slice::from_ref(&first));
    case("an equal one, later", std::slice::from_ref(&first), entry(0, 1, "ls", MS + 1), std::slice::from_ref(&first));
    let earlier = entry(2, 1, "ls", MS - 1);
    case("an equal one, earlier", std::slice::from_ref(&first), earlier.clone(), &[earlier]);
    let lower = entry(0, 1, "ls", MS);
    case("an equal one of the same stamp, a lower dot", std::slice::from_ref(&first), lower.clone(), &[lower]);
    case(
        "an equal one of the same stamp, a greater dot",
        std::slice::from_ref(&first),
        entry(2, 1, "ls", MS),
        std::slice::from_ref(&first),
    );
    let other = entry(0, 1, "pwd", MS + 9);
    case("another value", std::slice::from_ref(&first), other.clone(), &[other.clone(), first.clone()]);
    let third = entry(2, 1, "cd", MS);
    case("a third value", &[other.clone(), first.clone()], third.clone(), &[other.clone(), first.clone(), third]);
    let earlier = entry(2, 4, "pwd", MS - 9);
    case("an equal one of two, earlier", &[other, first.clone()], earlier.clone(), &[first, earlier]);
}

/// What a caller is shown: the write that counts, and the others that are reported.
fn versions(file: &mut File) {
    let mut case = |name: &str, kind: &str, slot: &[Standing], counts: Option<&Standing>, siblings: &[&Standing]| {
        let given = json!({"kind": kind, "slot": slot_value(slot)});
        let siblings: Value = siblings.iter().map(|write| entry_value(&write.dot)).collect();
        let value = json!({"counts": counts.map(|write| entry_value(&write.dot)), "siblings": siblings});
        file.value(format!("versions: {name}"), "versions", given, value);
    };
    let write = |device, value: &str, ms, counter| Standing::put(op(device, 1), value).at(ms, counter);
    let (x, y) = (write(0, "x", MS, 0), write(1, "y", MS, 0));
    case("nothing", "map", &[], None, &[]);
    case("one put", "map", std::slice::from_ref(&x), Some(&x), &[]);
    case("one tombstone", "map", &[delete(0, 1)], None, &[]);
    case("of one stamp the greater dot", "map", &[x.clone(), y.clone()], Some(&y), &[&x]);
    let late = write(0, "x", MS + 1, 0);
    case("the later stamp", "map", &[late.clone(), y.clone()], Some(&late), &[&y]);
    let counted = write(0, "x", MS, 1);
    case("of one millisecond the greater counter", "map", &[counted.clone(), y.clone()], Some(&counted), &[&y]);
    let equal = write(1, "x", MS, 0);
    case("equal values are no conflict", "map", &[x.clone(), equal.clone()], Some(&equal), &[]);
    let third = write(2, "x", MS + 5, 0);
    case(
        "two equal siblings are two",
        "map",
        &[x.clone(), equal.clone(), write(2, "z", MS + 5, 0)],
        Some(&write(2, "z", MS + 5, 0)),
        &[&equal, &x],
    );
    case("a sibling equal to what counts is none", "map", &[x.clone(), y.clone(), third.clone()], Some(&third), &[&y]);
    let with = |device, id| {
        let action = Action::PutWith(b"x".to_vec(), vec![Attached::new("scan.pdf", id, 5)]);
        Standing { action, ..write(device, "", MS, 0) }
    };
    case(
        "equal values with equal attachments are no conflict",
        "map",
        &[with(0, 1), with(1, 1)],
        Some(&with(1, 1)),
        &[],
    );
    let (bare, other) = (write(0, "x", MS, 0), with(1, 2));
    case(
        "equal values with other attachments, or with none, are siblings",
        "map",
        &[bare.clone(), other.clone(), with(2, 1)],
        Some(&with(2, 1)),
        &[&other, &bare],
    );
    case("a later tombstone hides no put", "map", &[x.clone(), delete(1, 1).at(MS + 9, 0)], Some(&x), &[]);
    case("a tombstone is no sibling", "map", &[delete(0, 1), y.clone()], Some(&y), &[]);
    case("in a log the lowest dot", "log", &[x.clone(), y.clone()], Some(&x), &[&y]);
    case("in a log the lowest stamp", "log", &[late.clone(), y.clone()], Some(&y), &[&late]);
    case(
        "in a log three values",
        "log",
        &[late.clone(), y.clone(), write(2, "z", MS, 5)],
        Some(&y),
        &[&write(2, "z", MS, 5), &late],
    );
}
