//! Indexes, chunks, deletions (docs/format/replica.md, "Snapshots").

use crate::bytes::{Entry, Id, Lines, join, list, one_line, stored};
use crate::case::{File, hex};
use crate::lines::{Fork, Island};
use crate::manifest::ObjectRef;
use crate::ops::{
    Action, Attached, Collection, ROOT, collection_bytes, entries_value, log, map, places, raw_frame, root,
    vector_value,
};
use crate::snapshot::{Index, Row, Standing, chunk, chunk_value, deletions, row, rows_bytes};
use crate::world::{MS, OTHER_VAULT, VAULT, devices, space};
use serde_json::{Value, json};

const ENTRY: &str = "018bcfe568000000000000000000000a";

fn index(plaintext: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "space": hex(space()), "plaintext": hex(plaintext)})
}

fn plaintext(bytes: &[u8]) -> Value {
    json!({"plaintext": hex(bytes)})
}

pub(crate) fn file() -> File {
    let mut file =
        File::new("snapshots", "docs/format/replica.md: Maps, Logs, Snapshots. Plaintexts are without padding");
    indexes(&mut file);
    chunks(&mut file);
    ranges(&mut file);
    digests(&mut file);
    file
}

fn dots() -> [Entry; 4] {
    let ids: Vec<Id> = devices().into_iter().map(|(id, _)| id).collect();
    [(ids[0], 1, [1; 8]), (ids[0], 256, [2; 8]), (ids[1], 7, [3; 8]), (ids[2], 1, [4; 8])]
}

fn indexes(file: &mut File) {
    let dots = dots();
    let object = |byte| ObjectRef([byte; 16], [byte; 32], 5_000);
    let full = Index {
        chunks: vec![
            (object(1), (root(), b"devices/x".to_vec()), [0xc1; 32]),
            (object(2), (map("todo"), b"milk".to_vec()), [0xc2; 32]),
            (object(3), (map("todo"), b"milk\0".to_vec()), [0xc3; 32]),
            (object(4), (log("a"), b"0".to_vec()), [0xc4; 32]),
        ],
        deletions: vec![(object(5), [0xd1; 32]), (object(6), [0xd2; 32])],
        ..Index::new(dots[0].0, one_line(&[dots[1], dots[2]]))
    };
    let mut take = |name: &str, changed: &Index| {
        file.value(format!("index: {name}"), "index", index(&changed.bytes()), changed.value());
    };
    take("full", &full);
    take("nothing in it", &Index::new(dots[0].0, vec![]));
    let told = told();
    take("islands and forks", &told);
    take("tags", &full_tags(2));
    take("1,024 tags", &full_tags(1_024));
    take("a line of 300 tags", &{
        let line = (0..300u16).map(|n| [n.to_be_bytes(), [0; 2], [1; 2], [2; 2]].concat().try_into().expect("8 bytes"));
        let mut changed = told.clone();
        changed.forks[0].lines[0] = line.collect();
        changed
    });
    let lines = |count: u8| (0..count).map(|line| vec![[line, 1, 1, 1, 1, 1, 1, 1]]);
    take("a fork of one line", &{
        let mut changed = told.clone();
        changed.forks[0].lines.truncate(1);
        changed
    });
    take("a fork of 256 lines", &{
        let mut changed = told.clone();
        changed.forks[0].lines = lines(255).chain([vec![[2; 8]]]).collect();
        changed
    });
    take("lines that part at the first op", &{
        let mut changed = told.clone();
        (changed.forks[0].trunk, changed.forks[0].before) = (0, crate::world::first_tag(&dots[0].0));
        changed
    });
    take("a fork's op of the greatest number", &{
        let mut changed = told.clone();
        changed.forks[0].trunk = u64::MAX - 4;
        changed
    });
    take("an island's op of the greatest number", &{
        let mut changed = told.clone();
        changed.islands[1].1[0].from = u64::MAX - 1;
        changed
    });

    let mut spoil = |name: &str, change: &dyn Fn(&mut Index)| {
        let mut changed = full.clone();
        change(&mut changed);
        file.refused(format!("index: {name}"), "index", index(&changed.bytes()), "corrupt");
    };
    spoil("of another vault", &|i| i.home[0] = OTHER_VAULT);
    spoil("of another space", &|i| i.home[1] = [9; 16]);
    spoil("a vector that falls", &|i| i.vector.reverse());
    spoil("a point of number 0", &|i| i.vector[0].first.1 = 0);
    spoil("chunks that fall", &|i| i.chunks.swap(1, 2));
    spoil("chunks of one first row", &|i| i.chunks[2].1 = i.chunks[1].1.clone());
    spoil("kinds that fall", &|i| i.chunks.swap(2, 3));
    spoil("a first row of an unknown kind", &|i| i.chunks[3].1.0 = (3, b"a".to_vec()));
    spoil("a first row without a key", &|i| i.chunks[3].1.1.clear());
    spoil("a first row's key of 513 bytes", &|i| i.chunks[3].1.1 = vec![b'k'; 513]);
    spoil("a first row's name of 129 bytes", &|i| i.chunks[3].1.0 = log(&"n".repeat(129)));
    spoil("a byte behind", &|i| i.after = vec![0]);
    let mut spoil = |name: &str, change: &dyn Fn(&mut Index)| {
        let mut changed = told.clone();
        change(&mut changed);
        file.refused(format!("index: {name}"), "index", index(&changed.bytes()), "corrupt");
    };
    spoil("tags of a device that has forked", &|i| i.tags = vec![(i.forks[0].device, vec![[1; 8]])]);
    spoil("tags of a device that the vector has not", &|i| i.tags = vec![([0xee; 16], vec![[1; 8]])]);
    spoil("islands' devices that fall", &|i| i.islands.reverse());
    spoil("a device's islands twice", &|i| i.islands[1] = i.islands[0].clone());
    spoil("an island from 1", &|i| i.islands[0].1[0].from = 1);
    spoil("an island from 0", &|i| i.islands[0].1[0].from = 0);
    spoil("an empty island", &|i| i.islands[0].1[1].tags.clear());
    spoil("an island's op of 2⁶⁴ − 1", &|i| i.islands[1].1[0].from = u64::MAX);
    spoil("forks' devices that fall", &|i| i.forks.reverse());
    spoil("a device's fork twice", &|i| i.forks[1] = i.forks[0].clone());
    spoil("a fork of 257 lines", &|i| i.forks[0].lines = lines(255).chain([vec![[2; 8]], vec![[3; 8]]]).collect());
    spoil("a fork of no line", &|i| i.forks[0].lines.clear());
    spoil("a line that begins another", &|i| i.forks[0].lines[1] = vec![[0xa3; 8], [0xa4; 8]]);
    spoil("a line that another begins", &|i| i.forks[0].lines[0] = vec![[0xb3; 8], [0xb4; 8], [0xb5; 8]]);
    spoil("a line twice", &|i| i.forks[0].lines[1] = i.forks[0].lines[0].clone());
    spoil("an empty line", &|i| i.forks[0].lines[1].clear());
    spoil("a line that begins another where it is known", &|i| i.forks[1].lines[2].truncate(1));
    spoil("a fork's op of 2⁶⁴ − 1", &|i| i.forks[0].trunk = u64::MAX - 3);
    spoil("a trunk of 2⁶⁴ − 1 ops", &|i| (i.forks[0].trunk, i.forks[0].lines) = (u64::MAX, vec![vec![]]));
    spoil("a fork's op of 2⁶⁴", &|i| i.forks[0].trunk = u64::MAX - 2);
    let tags = full_tags(1_024);
    let mut spoil = |name: &str, change: &dyn Fn(&mut Index)| {
        let mut changed = tags.clone();
        change(&mut changed);
        file.refused(format!("index: {name}"), "index", index(&changed.bytes()), "corrupt");
    };
    spoil("tags' devices that fall", &|i| i.tags.reverse());
    spoil("a device's tags twice", &|i| i.tags[1] = i.tags[0].clone());
    spoil("no tags of a device", &|i| i.tags[1].1.clear());
    spoil("as many tags as there are ops", &|i| i.tags[1].1 = vec![[1; 8]; 7]);
    spoil("1,025 tags", &|i| {
        (i.vector[0], i.tags[0].1) = ((i.tags[0].0, 2_000, [0xa5; 8]).into(), vec![[1; 8]; 1_025])
    });
    named(file, &told);
    let bytes = full.bytes();
    file.refused("index: nothing", "index", index(&[]), "corrupt");
    file.refused("index: a byte short", "index", index(&bytes[..bytes.len() - 1]), "corrupt");
    file.refused(
        "index: more chunks than bytes",
        "index",
        index(&{
            let start = Index { chunks: vec![], deletions: vec![], ..full }.bytes();
            join(&[&start[..start.len() - 8], &[0xff; 4], &[0; 4]])
        }),
        "corrupt",
    );
}

/// An index that tells of a device's last 1,025 ops so many tags before the last, and of another's one.
fn full_tags(told: u16) -> Index {
    let [(one, ..), _, (two, ..), _] = dots();
    let tags = (0..told).map(|n| [&n.to_be_bytes()[..], &[1; 6]].concat().try_into().expect("8 bytes")).collect();
    let vector = vec![(one, 1_025, [0xa5; 8]).into(), (two, 7, [3; 8]).into()];
    Index { tags: vec![(one, tags), (two, vec![[0x61; 8]])], ..Index::new(one, vector) }
}

/// An index of two devices with islands and two that have forked; one line of the second is not known whole.
fn told() -> Index {
    let [(one, ..), _, (two, ..), (three, ..)] = dots();
    let island = |from, before: u8, tags: &[u8]| Island {
        from,
        before: [before; 8],
        tags: tags.iter().map(|tag| [*tag; 8]).collect(),
    };
    let fork = |device, trunk, lines: &[&[u8]]| Fork {
        device,
        trunk,
        before: [0x20; 8],
        lines: lines.iter().map(|tags| tags.iter().map(|tag| [*tag; 8]).collect()).collect(),
    };
    let vector = vec![Lines { first: (one, 5, [0xa5; 8]), further: vec![(4, [0xb4; 8], 2)] }, (two, 7, [3; 8]).into()];
    Index {
        islands: vec![
            (two, vec![island(9, 0x98, &[0x99]), island(12, 0x91, &[0x92, 0x93])]),
            (three, vec![island(2, 0x31, &[0x32])]),
        ],
        forks: vec![
            fork(one, 2, &[&[0xa3, 0xa4, 0xa5], &[0xb3, 0xb4]]),
            fork(three, 5, &[&[0, 0xa7], &[0, 0xb7], &[0xc6, 0xc7]]),
        ],
        ..Index::new(one, vector)
    }
}

/// What a manifest says of the index that it names.
fn named(file: &mut File, told: &Index) {
    let (two, three) = (told.islands[0].0, told.islands[1].0);
    let ends = [(two, 9, [0x99; 8]), (two, 13, [0x93; 8]), (three, 2, [0x32; 8])];
    let given = |vector: &[Lines], beyond: &[Entry]| {
        let mut given = index(&told.bytes());
        given["vector"] = vector_value(vector);
        given["beyond"] = entries_value(beyond);
        given
    };
    file.value("named: as it is", "index-as-named", given(&told.vector, &ends), json!(true));
    let mut refuse = |name: &str, vector: &[Lines], beyond: &[Entry]| {
        file.refused(format!("named: {name}"), "index-as-named", given(vector, beyond), "corrupt");
    };
    refuse("no islands", &told.vector, &[]);
    refuse("an island too few", &told.vector, &ends[..2]);
    refuse("an island too many", &told.vector, &[&ends[..], &[(three, 4, [0x34; 8])]].concat());
    refuse("an island's first op", &told.vector, &[ends[0], (two, 12, [0x92; 8]), ends[2]]);
    refuse("an island's end of another tag", &told.vector, &[ends[0], ends[1], (three, 2, [0x33; 8])]);
    refuse("a vector of one line", &one_line(&[told.vector[0].first, told.vector[1].first]), &ends);
    refuse(
        "a vector of another fork",
        &{
            let mut vector = told.vector.clone();
            vector[0].further[0].2 = 1;
            vector
        },
        &ends,
    );
}

type Parts = Vec<(Collection, Vec<Row>)>;

/// Rows with everything: siblings, a tombstone, contexts, a log's entry.
fn parts() -> Parts {
    let [a, b, c, d] = dots();
    vec![
        (root(), vec![row("devices/x", &[Standing::put(a, "record")])]),
        (
            map("todo"),
            vec![
                row("milk", &[Standing::put(a, "x"), Standing::put(b, "y").at(MS + 1, 2), Standing::delete(c)]),
                row("milk\0", &[Standing::delete(b).seeing(&[(c.0, 3, [9; 8])], &[a, d])]),
                row("é", &[Standing::put(d, "")]),
            ],
        ),
        (log("shell"), vec![row(ENTRY, &[Standing::put(a, "ls"), Standing::put(c, "ls -l")])]),
    ]
}

fn chunks(file: &mut File) {
    let [a, b, c, d] = dots();
    let mut take = |name: &str, bytes: &[u8], parts: &Parts| {
        file.value(format!("chunk: {name}"), "chunk", plaintext(bytes), chunk_value(parts));
    };
    take("everything", &chunk(&parts()), &parts());
    let one: Parts = vec![(map("m"), vec![row("k", &[Standing::put(a, "v")])])];
    take("one row", &chunk(&one), &one);
    let frame = raw_frame(&rows_bytes(&one[0].1));
    let squeezed = list(&[join(&[&collection_bytes(&one[0].0), &frame])]);
    take("a frame of one raw block", &squeezed, &one);
    let contexts: Parts =
        vec![(map("m"), vec![row("k", &[Standing::put(a, "v").seeing(&[(c.0, 9, [9; 8])], &[(c.0, 3, [3; 8])])])])];
    take("a context's dot that its own vector covers", &chunk(&contexts), &contexts);
    let scan = |dot, id| Standing {
        action: Action::PutWith(b"x".to_vec(), vec![Attached::new("a", id, 5)]),
        ..Standing::put(dot, "")
    };
    let attached: Parts = vec![(map("m"), vec![row("k", &[scan(a, 1), scan(b, 2), Standing::put(c, "x")])])];
    take("attachments beside other ones, and beside none", &chunk(&attached), &attached);

    let mut refuse = |name: &str, bytes: &[u8]| {
        file.refused(format!("chunk: {name}"), "chunk", plaintext(bytes), "corrupt");
    };
    let mut spoil = |name: &str, change: &dyn Fn(&mut Parts)| {
        let mut changed = parts();
        change(&mut changed);
        refuse(name, &chunk(&changed));
    };
    spoil("no rows at all", &|p| p.clear());
    spoil("a collection without rows", &|p| p.insert(2, (map("z"), vec![])));
    spoil("a collection again after a small frame", &|p| {
        let last = p[1].1.pop().expect("three rows");
        p.insert(2, (map("todo"), vec![last]));
    });
    spoil("collections that fall", &|p| p.swap(1, 2));
    spoil("a kind that falls", &|p| p.swap(0, 1));
    spoil("rows that fall", &|p| p[1].1.swap(0, 1));
    spoil("a row twice", &|p| p[1].1[1] = p[1].1[0].clone());
    spoil("an empty row", &|p| p[1].1[0].1.clear());
    spoil("a row without a key", &|p| p[1].1[0].0.clear());
    spoil("a key of 513 bytes", &|p| p[1].1[2].0 = vec![b'z'; 513]);
    spoil("a key that is not UTF-8", &|p| p[1].1[2].0 = vec![0xff]);
    spoil("a collection of an unknown kind", &|p| p[2].0.0 = 3);
    spoil("a root collection with a name", &|p| p[0].0 = (ROOT, b"x".to_vec()));
    spoil("a map without a name", &|p| p[1].0.1.clear());
    spoil("a name with a control character", &|p| p[1].0 = map("to\ndo"));
    spoil("writes that fall", &|p| p[1].1[0].1.swap(0, 1));
    spoil("a write twice", &|p| p[1].1[0].1[1] = p[1].1[0].1[0].clone());
    spoil("a write of number 0", &|p| p[1].1[0].1[0].dot.1 = 0);
    spoil("an action of 4", &|p| p[1].1[0].1[0].action = Action::Raw(vec![4]));
    let with = |attached: &[Attached]| Action::PutWith(b"x".to_vec(), attached.to_vec());
    spoil("attachments of a root record", &|p| p[0].1[0].1[0].action = with(&[Attached::new("a", 1, 5)]));
    spoil("attachments of a log's entry", &|p| p[2].1[0].1[0].action = with(&[Attached::new("a", 1, 5)]));
    spoil("attachments that are none", &|p| p[1].1[0].1[0].action = with(&[]));
    spoil("attachments that fall", &|p| {
        p[1].1[0].1[0].action = with(&[Attached::new("b", 1, 5), Attached::new("a", 1, 5)]);
    });
    spoil("a blob's place that can't be", &|p| {
        p.insert(2 + 1, (places(), vec![row(&"0f".repeat(32), &[Standing::put(a, "x")])]))
    });
    spoil("a context's dots that fall", &|p| p[1].1[1].1[0].context.dots.reverse());
    spoil("a context's dot of number 0", &|p| p[1].1[1].1[0].context.dots[0].1 = 0);
    spoil("a context's vector with a point of 0", &|p| p[1].1[1].1[0].context.vector[0].first.1 = 0);
    spoil("a log's entry with a context", &|p| p[2].1[0].1[0].context.dots = vec![d]);
    spoil("a delete in a log", &|p| p[2].1[0].1[0].action = Action::Delete);
    spoil("a log's value twice", &|p| p[2].1[0].1[1] = Standing { dot: b, ..p[2].1[0].1[0].clone() });
    let right = chunk(&parts());
    refuse("nothing", &[]);
    refuse("a byte short", &right[..right.len() - 1]);
    refuse("a byte behind", &join(&[&right, &[0]]));
    refuse("a byte behind a frame's rows", &{
        let rows = join(&[&rows_bytes(&one[0].1), &[0]]);
        list(&[join(&[&collection_bytes(&one[0].0), &stored(&rows)])])
    });
    refuse("a frame of form 2", &{
        let mut frame = stored(&rows_bytes(&one[0].1));
        frame[0] = 2;
        list(&[join(&[&collection_bytes(&one[0].0), &frame])])
    });
}

/// What an index says of a chunk: where it begins, and where the next one does.
fn ranges(file: &mut File) {
    let bytes = chunk(&parts());
    let given = |first: (&Collection, &str), next: Option<(&Collection, &str)>| {
        let place = |(collection, key): (&Collection, &str)| {
            json!({
                "collection": crate::ops::collection_value(collection),
                "key": key,
            })
        };
        json!({"plaintext": hex(&bytes), "first": place(first), "next": next.map(place)})
    };
    let (first, last) = ((&root(), "devices/x"), (&log("shell"), ENTRY));
    let after = format!("{ENTRY}\0");
    for (name, inputs) in [
        ("the last chunk", given(first, None)),
        ("the next one right behind", given(first, Some((&log("shell"), &after)))),
        ("the next one in another collection", given(first, Some((&log("shelm"), "0")))),
    ] {
        file.value(format!("range: {name}"), "chunk-range", inputs, json!(true));
    }
    for (name, inputs) in [
        ("first before its first row", given((&root(), "devices/w"), None)),
        ("first behind its first row", given((&root(), "devices/y"), None)),
        ("first in another collection", given((&map("todo"), "milk"), None)),
        ("the next one's first is its last row", given(first, Some(last))),
        ("a row behind the next one's first", given(first, Some((&log("shell"), "0")))),
        ("the next one's first is before it", given(first, Some((&map("a"), "k")))),
    ] {
        file.refused(format!("range: {name}"), "chunk-range", inputs, "corrupt");
    }
}

fn digests(file: &mut File) {
    let value = |digests: &[Id]| -> Value { digests.iter().map(hex).collect() };
    for (name, digests) in [("one", vec![[1; 16]]), ("three", vec![[1; 16], [2; 16], [0xff; 16]])] {
        let given = plaintext(&deletions(&digests));
        file.value(format!("deletions: {name}"), "deletions", given, value(&digests));
    }
    let right = deletions(&[[1; 16], [2; 16]]);
    for (name, bytes) in [
        ("none", deletions(&[])),
        ("falling", deletions(&[[2; 16], [1; 16]])),
        ("one twice", deletions(&[[1; 16], [1; 16]])),
        ("a byte short", right[..right.len() - 1].to_vec()),
        ("a byte behind", join(&[&right, &[0]])),
        ("more than bytes", join(&[&[0xff; 4], &[1; 16]])),
        ("nothing", vec![]),
    ] {
        file.refused(format!("deletions: {name}"), "deletions", plaintext(&bytes), "corrupt");
    }
}
