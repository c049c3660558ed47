//! Lines of forked devices (docs/format/replica.md, "Lines"). What vectors cover comes of a model; what stands is worked
//! out by hand.

use crate::bytes::{Entry, Further, Id, Lines, Tag, join, list, one_line};
use crate::case::{File, hex};
use crate::lines::{Fork, UNKNOWN, covers, forks_value, join_vectors};
use crate::ops::{Context, entries_value, vector_value};
use crate::snapshot::{Standing, slot_value};
use crate::world::devices;
use serde_json::{Value, json};

pub(crate) fn file() -> File {
    let mut file = File::new(
        "lines",
        "docs/format/replica.md: Names and points, Lines, Maps. `forks` has all lines that are known. Contexts compare as \
         in merges",
    );
    entries(&mut file);
    covered(&mut file);
    joined(&mut file);
    applied(&mut file);
    merged(&mut file);
    file
}

fn forked() -> Id {
    devices()[0].0
}

fn at(n: u64, line: u8) -> Tag {
    [line * 16 + n as u8; 8]
}

/// An op of the forked device on line 0xa, 0xb or 0xc; the first two are on all of them.
fn op(n: u64, line: u8) -> Entry {
    (forked(), n, at(n, if n <= 2 { 0 } else { line }))
}

const A: u8 = 0xa;
const B: u8 = 0xb;
const C: u8 = 0xc;

/// Two lines that part after op 2, and a third that leaves the first after op 4.
fn three() -> Fork {
    let line = |ops: &[(u64, u8)]| ops.iter().map(|(n, line)| at(*n, *line)).collect::<Vec<_>>();
    Fork {
        device: forked(),
        trunk: 2,
        before: at(2, 0),
        lines: vec![
            line(&[(3, A), (4, A), (5, A), (6, A)]),
            line(&[(3, B), (4, B), (5, B)]),
            line(&[(3, A), (4, A), (5, C)]),
        ],
    }
}

fn lines(first: Entry, further: &[(Entry, u64)]) -> Lines {
    let further = further.iter().map(|((_, n, tag), fork)| (*n, *tag, *fork));
    Lines { first, further: further.collect() }
}

fn entries(file: &mut File) {
    let other = devices()[1].0;
    let of = |first: (u64, u8), further: Vec<Further>| Lines { first: (other, first.0, [first.1; 8]), further };
    let bytes = |vector: &[Lines]| crate::bytes::vector(vector);
    let given = |bytes: &[u8]| json!({"bytes": hex(bytes)});
    let many = |count: u64| (1..=count).map(|n| (n + 1, [n as u8; 8], n)).collect::<Vec<Further>>();
    let mut take = |name: &str, vector: Vec<Lines>| {
        file.value(format!("vector: {name}"), "vector", given(&bytes(&vector)), vector_value(&vector));
    };
    take("nothing", vec![]);
    take("two devices of one line", one_line(&[op(1, A), (other, u64::MAX, [7; 8])]));
    take("one further line", vec![of((9, 9), vec![(5, [5; 8], 3)])]);
    take("two further lines", vec![of((9, 9), vec![(5, [5; 8], 3), (7, [1; 8], 6)])]);
    take("255 further lines", vec![of((900, 9), many(255))]);
    take("lines that part at once", vec![of((1, 2), vec![(1, [1; 8], 0)])]);
    take("lines of one length, by their tags", vec![of((9, 9), vec![(9, [7; 8], 8), (9, [8; 8], 8)])]);
    take("a longer line of a lesser tag", vec![of((9, 1), vec![(8, [2; 8], 3)])]);
    take("lines rise by number, not by its bytes", vec![of((300, 1), vec![(2, [1; 8], 1), (256, [1; 8], 1)])]);
    take("two forked devices", vec![lines(op(5, B), &[(op(5, A), 2)]), of((9, 9), vec![(5, [5; 8], 3)])]);
    take("lines of which each shares another number with the first", {
        vec![of((9, 9), vec![(5, [5; 8], 0), (6, [6; 8], 5), (7, [7; 8], 1)])]
    });

    let mut refuse = |name: &str, bytes: &[u8]| {
        file.refused(format!("vector: {name}"), "vector", given(bytes), "corrupt");
    };
    let mut wrong = |name: &str, first: (u64, u8), further: &[Further]| {
        refuse(name, &bytes(&[of(first, further.to_vec())]));
    };
    wrong("a first point of number 0", (0, 9), &[]);
    wrong("a further point of number 0", (9, 9), &[(0, [5; 8], 0)]);
    wrong("a fork at the end of the further line", (9, 9), &[(5, [5; 8], 5)]);
    wrong("a fork past the end of the further line", (9, 9), &[(5, [5; 8], 6)]);
    wrong("a fork past the end of the first line", (9, 9), &[(5, [5; 8], 9)]);
    wrong("a further line longer than the first", (9, 9), &[(10, [5; 8], 3)]);
    wrong("a further line of the first's length and a greater tag", (9, 1), &[(9, [2; 8], 3)]);
    wrong("a further point equal to the first", (9, 9), &[(9, [9; 8], 3)]);
    wrong("further lines that fall", (9, 9), &[(7, [7; 8], 3), (5, [5; 8], 3)]);
    wrong("further lines of one length that fall", (9, 9), &[(5, [6; 8], 3), (5, [5; 8], 3)]);
    wrong("two equal further points", (9, 9), &[(5, [5; 8], 3), (5, [5; 8], 3)]);
    wrong("two equal further points of other forks", (9, 9), &[(5, [5; 8], 2), (5, [5; 8], 3)]);
    let two = of((9, 9), vec![(5, [5; 8], 3), (7, [1; 8], 6)]);
    refuse("a forked device twice", &bytes(&[two.clone(), two.clone()]));
    let right = bytes(&[two]);
    let with_count = |count: u8| {
        let mut changed = right.clone();
        changed[4 + 16 + 16] = count;
        changed
    };
    refuse("a further line more than it says", &with_count(1));
    refuse("a further line less than it says", &with_count(3));
    refuse("a byte short", &right[..right.len() - 1]);
    refuse("a byte behind", &join(&[&right, &[0]]));
    refuse("points without a count of further lines", &list(&[join(&[&other, &[9; 16]])]));
}

/// Vectors of the forked device: how far which lines are known.
fn known() -> Vec<(&'static str, Lines)> {
    vec![
        ("an op of all lines", op(1, A).into()),
        ("the fork", op(2, A).into()),
        ("one line", op(6, A).into()),
        ("the other line", op(4, B).into()),
        ("what two of three lines share", op(4, A).into()),
        ("a line that left one", op(5, C).into()),
        ("two lines", lines(op(5, B), &[(op(3, A), 2)])),
        ("two lines from a late fork", lines(op(6, A), &[(op(5, C), 4)])),
        ("three lines", lines(op(6, A), &[(op(5, B), 2), (op(5, C), 4)])),
    ]
}

fn covered(file: &mut File) {
    let mut case = |name: &str, forks: &[Fork], vector: &[Lines], dots: &[Entry]| {
        let covered: Value = dots.iter().map(|dot| json!(covers(forks, vector, dot))).collect();
        let given = json!({"forks": forks_value(forks), "vector": vector_value(vector), "dots": entries_value(dots)});
        file.value(format!("covers: {name}"), "covers", given, covered);
    };
    let other = devices()[1].0;
    let on = |line: u8, to: u64| (3..=to).map(move |n| op(n, line));
    let shared = [op(1, A), op(2, A)].into_iter();
    let all: Vec<Entry> = shared.chain(on(A, 6)).chain(on(B, 5)).chain([op(5, C), (other, 1, at(1, 0))]).collect();
    for (name, entry) in known() {
        case(name, &[three()], &[entry], &all);
    }
    case("no line", &[three()], &[], &all);
    case("another device", &[three()], &[(other, 3, at(3, 0)).into()], &all);
    case("one line each: the number decides", &[], &[op(4, A).into()], &[op(3, A), op(4, B), op(5, A)]);
    let stray = |n| (forked(), n, [0xee; 8]);
    case("an op of no line", &[three()], &[known()[8].1.clone()], &[stray(1), stray(3), stray(5), stray(7)]);
    let alone = Fork { lines: three().lines[..1].to_vec(), ..three() };
    case("a line that is told alone", &[alone], &[op(5, A).into()], &all);
    let unknown = |mut fork: Fork, places: &[(usize, usize)]| {
        places.iter().for_each(|(line, at)| fork.lines[*line][*at] = UNKNOWN);
        [fork]
    };
    let one = unknown(three(), &[(1, 1)]);
    let asked = [op(4, A), op(4, B), stray(4)];
    case("a tag not known: ops of no other line", &one, &[op(5, B).into()], &asked);
    case("a tag not known of another line", &one, &[op(6, A).into()], &asked);
    case("a point whose tag is not known", &one, &[op(4, B).into()], &[op(3, A), op(3, B), op(4, A), op(4, B)]);
    let both = unknown(three(), &[(0, 1), (1, 1), (2, 1)]);
    case("a tag not known of any line", &both, &[op(5, B).into()], &asked);
}

fn joined(file: &mut File) {
    let forks = [three()];
    for (mine_name, mine) in known() {
        for (theirs_name, theirs) in known() {
            let (mine, theirs) = (std::slice::from_ref(&mine), std::slice::from_ref(&theirs));
            let given = json!({
                "forks": forks_value(&forks),
                "mine": vector_value(mine),
                "theirs": vector_value(theirs),
            });
            let joined = vector_value(&join_vectors(&forks, mine, theirs));
            file.value(format!("join: {mine_name}; {theirs_name}"), "join-vectors", given, joined);
        }
    }
    let (mine, theirs) = (one_line(&[op(4, A), (devices()[1].0, 3, [3; 8])]), one_line(&[(devices()[1].0, 2, [2; 8])]));
    let given = json!({"forks": [], "mine": vector_value(&mine), "theirs": vector_value(&theirs)});
    file.value("join: one line each: the number decides", "join-vectors", given, vector_value(&mine));
}

fn put(dot: Entry) -> Standing {
    Standing::put(dot, &hex(dot.2))
}

fn delete(dot: Entry) -> Standing {
    Standing::delete(dot)
}

/// The n-th op of a device of one line.
fn other(n: u64) -> Entry {
    (devices()[1].0, n, [n as u8; 8])
}

fn with_context(write: Standing, vector: &[Lines], dots: &[Entry]) -> Standing {
    Standing { context: Context { vector: vector.to_vec(), dots: dots.to_vec() }, ..write }
}

fn applied(file: &mut File) {
    let mut case =
        |name: &str, slot: &[Standing], write: Standing, seen: &[Lines], holder: &[Lines], after: &[Standing]| {
            let given = json!({
                "forks": forks_value(&[three()]),
                "slot": slot_value(slot),
                "write": write.value(),
                "seen": vector_value(seen),
                "holder": vector_value(holder),
            });
            file.value(format!("apply: {name}"), "apply", given, slot_value(after));
        };
    let to = |dot: Entry| vec![Lines::from(dot)];
    let both = lines(op(5, B), &[(op(4, A), 2)]);
    let (a3, b3, a4) = (op(3, A), op(3, B), op(4, A));
    case("the copy's op beside the first's", &[put(a3)], put(b3), &to(op(2, A)), &to(a3), &[put(a3), put(b3)]);
    case(
        "a greater number of the other line replaces nothing",
        &[put(a3)],
        put(op(5, B)),
        &to(op(4, B)),
        &[lines(op(4, B), &[(a3, 2)])],
        &[put(a3), put(op(5, B))],
    );
    case("its own line's", &[put(a3), put(b3)], put(a4), &to(a3), &[lines(b3, &[(a3, 2)])], &[put(b3), put(a4)]);
    case("an op that all lines share", &[put(op(2, A))], put(op(5, C)), &to(a4), &to(a4), &[put(op(5, C))]);
    case(
        "who has seen one line",
        &[put(a3), put(b3)],
        put(other(1)),
        &to(op(5, B)),
        std::slice::from_ref(&both),
        &[put(a3), put(other(1))],
    );
    case(
        "who has seen both lines",
        &[put(a3), put(b3)],
        put(other(1)),
        std::slice::from_ref(&both),
        std::slice::from_ref(&both),
        &[put(other(1))],
    );
    case(
        "a delete that has seen one line",
        &[put(b3)],
        delete(other(1)),
        &to(op(4, A)),
        std::slice::from_ref(&both),
        &[put(b3), delete(other(1))],
    );
    case(
        "a line that its author had and the holder has not",
        &[],
        put(other(1)),
        std::slice::from_ref(&both),
        &to(op(5, A)),
        &[with_context(put(other(1)), &to(op(5, B)), &[])],
    );
    case(
        "a line that the holder has not as far as its author",
        &[],
        put(other(1)),
        &[lines(op(6, A), &[(op(5, B), 2)])],
        &[lines(op(5, B), &[(op(5, A), 2)])],
        &[with_context(put(other(1)), &to(op(6, A)), &[])],
    );
    let knows = with_context(put(other(1)), &to(op(5, B)), &[]);
    case(
        "late, of the line that a standing write's context has",
        std::slice::from_ref(&knows),
        put(b3),
        &to(op(2, A)),
        &to(a3),
        std::slice::from_ref(&knows),
    );
    case("late, of another line", std::slice::from_ref(&knows), put(a4), &to(a3), &to(a3), &[put(a4), knows.clone()]);
    let knows_c = with_context(put(other(1)), &to(op(5, C)), &[]);
    case(
        "late, of what two lines share",
        std::slice::from_ref(&knows_c),
        put(a4),
        &to(a3),
        &to(a3),
        std::slice::from_ref(&knows_c),
    );
    case(
        "contexts of two lines join",
        &[with_context(put(other(1)), &to(op(5, B)), &[])],
        with_context(put(other(2)), &to(op(6, A)), &[]),
        &to(other(1)),
        &to(other(1)),
        &[with_context(put(other(2)), &[lines(op(6, A), &[(op(5, B), 2)])], &[])],
    );
    case(
        "a dot of a context is an op of one line",
        &[put(a3), put(b3)],
        with_context(put(other(1)), &[], &[b3]),
        &[],
        &to(a3),
        &[put(a3), with_context(put(other(1)), &[], &[b3])],
    );
}

/// What a side has: what stands, its vector, what it has applied beyond that.
type Side<'a> = (&'a [Standing], &'a [Lines], &'a [Entry]);

fn merged(file: &mut File) {
    let mut case = |name: &str, mine: Side<'_>, theirs: Side<'_>, after: &[Standing]| {
        let given = json!({
            "forks": forks_value(&[three()]),
            "mine": slot_value(mine.0),
            "my_vector": vector_value(mine.1),
            "my_islands": entries_value(mine.2),
            "theirs": slot_value(theirs.0),
            "their_vector": vector_value(theirs.1),
            "their_islands": entries_value(theirs.2),
        });
        file.value(format!("merge: {name}"), "merge", given, slot_value(after));
    };
    let (a, b) = (put(op(3, A)), put(op(3, B)));
    let (line_a, line_b, line_c) = ([op(6, A).into()], [op(5, B).into()], [op(5, C).into()]);
    let both = [lines(op(5, B), &[(op(4, A), 2)])];
    let (one_a, one_b) = (std::slice::from_ref(&a), std::slice::from_ref(&b));
    case("mine, of a line that they lack", (one_a, &line_a, &[]), (&[], &line_b, &[]), one_a);
    case("theirs, of a line that I lack", (&[], &line_a, &[]), (one_b, &line_b, &[]), one_b);
    case("of each line one", (one_a, &line_a, &[]), (one_b, &line_b, &[]), &[a.clone(), b.clone()]);
    case("mine, of a line that they have", (one_a, &line_a, &[]), (&[], &both, &[]), &[]);
    case("theirs, of a line that I have", (&[], &both, &[]), (&[a.clone(), b.clone()], &both, &[]), &[]);
    case("mine, shared by all lines", (&[put(op(2, A))], &line_a, &[]), (&[], &line_b, &[]), &[]);
    case("mine, shared by two lines", (&[put(op(4, A))], &line_a, &[]), (&[], &line_c, &[]), &[]);
    let later = [put(op(5, A))];
    case("mine, beyond what two lines share", (&later, &line_a, &[]), (&[], &line_c, &[]), &later);
    let seen = with_context(put(other(1)), &line_a, &[]);
    let after = [put(other(1))];
    case("theirs has seen the line of mine", (one_a, &line_a, &[]), (&[seen], &[other(1).into()], &[]), &after);
    let seen = with_context(put(other(1)), &line_b, &[]);
    let after = [a.clone(), seen.clone()];
    case("theirs has seen the other line", (one_a, &line_a, &[]), (&[seen], &[other(1).into()], &[]), &after);
    let (start, copies) = ([op(2, A).into()], [put(op(4, B))]);
    case(
        "mine has an island of that number on the other line",
        (&[], &start, &[op(4, A)]),
        (&copies, &line_b, &[]),
        &copies,
    );
    case(
        "theirs has an island of that number on the other line",
        (&copies, &line_b, &[]),
        (&[], &start, &[op(4, A)]),
        &copies,
    );
    case("theirs has mine as an island", (&copies, &line_b, &[]), (&[], &start, &[op(4, B)]), &[]);
}
