//! Runs of ops as tails (docs/format/replica.md, "Ops", "Runs").

use crate::bytes::{Entry, Lines, count, join, one_line};
use crate::case::{File, hex};
use crate::ops::{
    Action, Attached, Columns, Context, LOG, MAP, Op, PLACES, ROOT, Run, documents, log, map, places, root,
};
use crate::world::{MS, devices};
use serde_json::{Value, json};

fn given(run: &Run, tail: &[u8]) -> Value {
    json!({"device": hex(run.device), "tail": hex(tail)})
}

/// A run that has everything: two collections, something seen of two others, a context, a delete, a void.
pub(crate) fn rich() -> Run {
    let [(one, _), (own, _), (two, _)] = devices()[..] else { panic!("three devices") };
    let tag = |byte| [byte; 8];
    let context = Context { vector: one_line(&[(two, 9, tag(9))]), dots: vec![(one, 12, tag(12)), (two, 11, tag(11))] };
    let ops = vec![
        Op::put(map("todo"), "milk", "two litres").seeing(&[(one, 5, tag(5)), (two, 1, tag(1))]),
        Op::put(log("shell"), "018bcfe568000000000000000000000a", "ls -l").at(MS, 1),
        Op { void: Some(2), ..Op::put(map("todo"), "tea", "green").seeing(&[(one, 6, tag(6))]) },
        Op { context, ..Op::new(map("todo"), "milk", Action::Delete).at(MS + 5, 0) },
        Op::put(map("todo"), "tea", "").seeing(&[(one, 300, tag(7)), (two, 2, tag(2))]).at(u64::MAX, u32::MAX),
    ];
    Run { device: own, from: 41, before: tag(0x41), base: one_line(&[(one, 4, tag(4))]), ops }
}

pub(crate) fn file() -> File {
    let mut file =
        File::new("tails", "docs/format/replica.md: Names and points, Ops, Runs. Numbers of 64 bits are decimal text");
    let rich = rich();
    let own = rich.device;
    let (other, third) = (rich.base[0].first.0, rich.ops[0].seen[1].first.0);
    let put = || Op::put(map("m"), "k", "v");

    let mut take = |name: &str, run: &Run| file.value(name, "tail", given(run, &run.tail()), run.value());
    take("a rich run", &rich);
    take("a first op", &Run::first(own, vec![put()]));
    take("no op yet", &Run::first(own, vec![]));
    take("no op since", &rich.then(vec![(other, 300, [7; 8])], vec![]));
    take("a root record", &Run::first(own, vec![Op::put(root(), "devices/x", "record")]));
    take("only a void", &Run::first(own, vec![Op { void: Some(1), ..put() }]));
    take("a void that was replaced 128 ops on", &Run::first(own, vec![Op { void: Some(128), ..put() }]));
    take("the longest key", &Run::first(own, vec![Op::put(map("m"), &"k".repeat(512), "v")]));
    take("the longest name", &Run::first(own, vec![Op::put(map(&"n".repeat(128)), "k", "v")]));
    take("a name with a zero-width space", &Run::first(own, vec![Op::put(map("a\u{200b}"), "k", "v")]));
    take("a key with a control character", &Run::first(own, vec![Op::put(map("m"), "a\n\u{0}", "v")]));
    take("a key beyond ASCII", &Run::first(own, vec![Op::put(map("m"), "é\u{1f600}", "v")]));
    take(
        "one name as map and as log",
        &Run::first(own, vec![Op::put(map("m"), "k", "v"), Op::put(log("m"), "k", "v")]),
    );
    take("an op of the greatest number", &Run { from: u64::MAX - 1, ..rich.then(vec![], vec![put()]) });
    take("something seen 127 ahead", &Run::first(own, vec![put().seeing(&[(other, 127, [1; 8])])]));
    take("something seen 128 ahead", &Run::first(own, vec![put().seeing(&[(other, 128, [1; 8])])]));
    take("something seen of the greatest number", &Run::first(own, vec![put().seeing(&[(other, u64::MAX, [1; 8])])]));
    take("dots rise by number, not by its bytes", &{
        let dots = vec![(other, 2, [0; 8]), (other, 256, [0; 8])];
        Run::first(own, vec![Op { context: Context { vector: vec![], dots }, ..put() }])
    });
    take(
        "a base of two devices",
        &Run { base: one_line(&[(other, 4, [4; 8]), (third, 1, [1; 8])]), ..rich.then(vec![], vec![put()]) },
    );

    let visits = |key: &str, value: &str| Op::put(documents("visits"), key, value);
    let longest = format!("{}\0{}", "i".repeat(256), "f".repeat(200));
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    take("a document's registers", &{
        let gone = Op::new(documents("visits"), "42\0note", Action::Delete);
        Run::first(own, vec![visits("42", "{}"), visits("42\0place", "\"Brest\""), visits("42\0", "null"), gone])
    });
    take("a document's longest key", &Run::first(own, vec![visits(&longest, "{\"a\":[1.5]}")]));
    take("a field's name with a NUL", &Run::first(own, vec![visits("42\0a\0b", "1")]));
    take("a field's deepest value", &Run::first(own, vec![visits("42\0a", &nested(63))]));
    take("a register that is removed", &Run::first(own, vec![Op::new(documents("visits"), "42", Action::Delete)]));

    let scan = || vec![Attached::new("a.pdf", 1, 5), Attached::new("scan.pdf", 2, 1 << 33)];
    let with = |attached: Vec<Attached>| Op::new(map("m"), "k", Action::PutWith(b"v".to_vec(), attached));
    take("attachments", &Run::first(own, vec![with(scan()), put()]));
    take("an attachment of no byte, beside an empty value", &{
        let action = Action::PutWith(vec![], vec![Attached::new("empty", 1, 0)]);
        Run::first(own, vec![Op { action, ..put() }])
    });
    take("the longest attachment", &Run::first(own, vec![with(vec![Attached::new("film", 1, 14_336 << 20)])]));
    take("an attachment's longest name", &Run::first(own, vec![with(vec![Attached::new(&"n".repeat(255), 1, 1)])]));
    take("names by their bytes, shorter first", &{
        Run::first(
            own,
            vec![with(["a", "a\u{0}", "b", "\u{ffff}", "\u{10000}"].map(|name| Attached::new(name, 1, 1)).into())],
        )
    });
    take("64 attachments", &Run::first(own, vec![with(numbered(64))]));
    let laid = |value: Vec<u8>| Op::new(places(), &"0f".repeat(32), Action::Put(value));
    let no_place = Op::new(places(), &"0f".repeat(32), Action::Delete);
    take("a blob's place, and no more", &Run::first(own, vec![laid(one(spot(9, 77, 5, 0))), no_place]));
    take("a blob of one piece, squeezed", &Run::first(own, vec![laid(one(spot(0, 0, 9, 1 << 20)))]));
    take("a blob in packs of its own", &Run::first(own, vec![laid(own_packs(3, spot(7, 7 << 20, 640, 0)))]));
    take("a blob in 2,048 packs", &Run::first(own, vec![laid(own_packs(2_048, spot(7, 7 << 20, 458_752, 0)))]));

    let mut forked = |name: &str, run: Run| file.value(name, "tail", given(&run, &run.tail()), run.value());
    let lines = |first: (u64, u8), further: &[(u64, u8, u64)]| Lines {
        first: (other, first.0, [first.1; 8]),
        further: further.iter().map(|(n, tag, fork)| (*n, [*tag; 8], *fork)).collect(),
    };
    let seeing = |lines: &Lines| Op { seen: vec![lines.clone()], ..put() };
    let two = lines((7, 0xa7), &[(5, 0xb5, 3)]);
    let based = |base: &Lines, ops: Vec<Op>| Run { base: vec![base.clone()], ..rich.then(vec![], ops) };
    forked("a forked device in base", based(&two, vec![put()]));
    forked("a forked device in a context", {
        let context = Context { vector: vec![two.clone()], dots: vec![] };
        Run::first(own, vec![Op { context, ..put() }])
    });
    forked("a second line seen of a device in base", based(&(other, 4, [4; 8]).into(), vec![seeing(&two)]));
    forked("two lines seen of a new device", Run::first(own, vec![seeing(&two)]));
    forked("a lesser line seen", based(&(other, 7, [0xa7; 8]).into(), vec![seeing(&two)]));
    forked("both lines go on", {
        let later = [&two, &lines((7, 0xa7), &[(6, 0xb6, 3)]), &lines((9, 0xb9), &[(7, 0xa7, 3)])];
        Run::first(own, later.iter().map(|lines| seeing(lines)).collect())
    });
    forked("one line seen of a device with two", based(&two, vec![seeing(&(other, 8, [0xa8; 8]).into())]));
    forked("a forked device between others", {
        let seen = vec![two.clone(), (third, 3, [3; 8]).into()];
        Run::first(own, vec![Op { seen, ..put() }, put().seeing(&[(third, 4, [4; 8])])])
    });

    let mut refuse = |name: &str, run: &Run, tail: Vec<u8>| file.refused(name, "tail", given(run, &tail), "corrupt");
    let long_id = format!("{}\0a", "i".repeat(257));
    let long_field = format!("42\0{}", "f".repeat(201));
    let deep = nested(64);
    for (name, key, value) in [
        ("a document without an id", "\0a", "1"),
        ("a document's id of 257 bytes", &long_id, "1"),
        ("a field's name of 201 bytes", &long_field, "1"),
        ("a field's value with a space", "42\0a", "[1, 2]"),
        ("a field's value with another number", "42\0a", "1.0"),
        ("a field's value with names out of order", "42\0a", "{\"b\":1,\"a\":2}"),
        ("a field's value that is no JSON", "42\0a", "Brest"),
        ("a field without a value", "42\0a", ""),
        ("a field's value that is too deep", "42\0a", &*deep),
        ("a document that exists otherwise", "42", "[]"),
        ("a document that exists with fields", "42", "{\"a\":1}"),
    ] {
        let run = Run::first(own, vec![visits(key, value)]);
        refuse(name, &run, run.tail());
    }
    let mut spoil = |name: &str, change: &dyn Fn(&mut Columns)| {
        let mut columns = rich.columns();
        change(&mut columns);
        refuse(name, &rich, columns.tail());
    };
    // Numbers and tables.
    spoil("from 0", &|c| c.from = 0);
    spoil("numbers past 2⁶⁴", &|c| c.from = u64::MAX - 3);
    spoil("a number of 2⁶⁴ − 1", &|c| c.from = u64::MAX - 4);
    spoil("a device of base in the table too", &|c| c.devices.push(other));
    spoil("a device twice in the table", &|c| c.devices.push(c.devices[0]));
    spoil("a device that no head names", &|c| c.devices.push([0xaa; 16]));
    spoil("its own device in the table", &|c| {
        c.devices.push(own);
        c.heads[4].seen.insert(1, crate::ops::Seen { device: vec![2], ahead: vec![1], rest: vec![1; 8] });
    });
    spoil("a base that falls", &|c| c.base = vector_of(&[(third, 1, [1; 8]), (other, 4, [4; 8])]));
    spoil("a device twice in base", &|c| c.base = vector_of(&[(other, 4, [4; 8]), (other, 4, [4; 8])]));
    spoil("its own device in base", &|c| {
        let mut base = vec![(other, 4, [4; 8]), (own, 40, [0x41; 8])];
        base.sort_unstable();
        c.base = vector_of(&base);
        shift(c, 1);
    });
    spoil("a point of number 0 in base", &|c| c.base = vector_of(&[(other, 0, [4; 8])]));
    spoil("a collection without ops", &|c| {
        c.collections.push(map("z"));
        c.payloads.push(vec![]);
    });
    spoil("a collection twice", &|c| {
        c.collections.push(map("todo"));
        c.payloads.push(vec![]);
    });
    spoil("collections not in the order of their first op", &|c| {
        c.collections.reverse();
        c.payloads.reverse();
        for head in c.heads.iter_mut().filter(|head| head.form == 1) {
            head.rest[12] ^= 1;
        }
    });
    spoil("a list of payloads too few", &|c| c.payloads.truncate(1));
    spoil("a list of payloads too many", &|c| c.payloads.push(vec![]));
    spoil("a payload too few", &|c| c.payloads[0].truncate(2));
    spoil("a payload too many", &|c| c.payloads[0].push(b"\x01\0\0\0k\x02".to_vec()));
    spoil("a collection outside the table", &|c| c.heads[4].rest[12] = 2);
    spoil("a collection of two bytes outside the table", &|c| c.heads[4].rest[13] = 1);
    // Heads.
    spoil("a head of form 0", &|c| c.heads[4].form = 0);
    spoil("a head of form 3", &|c| c.heads[4].form = 3);
    spoil("an op as a void", &|c| c.heads[4].form = 2);
    spoil("a void as an op", &|c| c.heads[2].form = 1);
    spoil("a void that nothing replaced", &|c| c.heads[2].rest[8] = 0);
    spoil("a void's number in more bytes than it needs", &|c| c.heads[2].rest.splice(8.., [0x82, 0]).for_each(drop));
    spoil("a void without a number", &|c| c.heads[2].rest.truncate(8));
    spoil("a device's index in two bytes", &|c| c.heads[4].seen[0].device = vec![0x80, 0]);
    spoil("a number in more bytes than it needs", &|c| c.heads[4].seen[1].ahead = vec![0x81, 0x80, 0]);
    spoil("a number of ten bytes past 2⁶⁴", &|c| c.heads[4].seen[1].ahead = [&[0xff; 9][..], &[2]].concat());
    spoil("a number of eleven bytes", &|c| c.heads[4].seen[1].ahead = [&[0x80; 10][..], &[1]].concat());
    spoil("something seen past 2⁶⁴", &|c| c.heads[4].seen[1].ahead = [&[0xff; 9][..], &[1]].concat());
    spoil("a device outside the table", &|c| c.heads[4].seen[1].device = vec![2]);
    spoil("seen in falling order", &|c| c.heads[4].seen.reverse());
    spoil("a device twice in one head", &|c| {
        let again = crate::ops::Seen { ahead: vec![1], ..c.heads[4].seen[1].clone() };
        c.heads[4].seen.push(again);
    });
    spoil("a table not in the order of first mention", &|c| {
        let unmentioned: [u8; 16] = [0xff; 16];
        c.devices.insert(0, unmentioned);
        for seen in c.heads.iter_mut().flat_map(|head| head.seen.iter_mut()).filter(|seen| seen.device[0] == 1) {
            seen.device = vec![2];
        }
        c.heads[4].seen.push(crate::ops::Seen { device: vec![1], ahead: vec![1], rest: vec![1; 8] });
    });

    // Forked devices.
    let mut seen = |name: &str, said: u64, lines: &Lines| {
        let run = based(&(other, said, [0xa7; 8]).into(), vec![seeing(&two)]);
        let mut columns = run.columns();
        columns.heads[0].seen[0].rest = lines.bytes();
        refuse(name, &run, columns.tail());
    };
    seen("a whole entry of one line", 4, &lines((7, 0xa7), &[]));
    seen("a whole entry that falls behind what was said", 7, &lines((6, 0xa6), &[(5, 0xb5, 3)]));
    seen("a whole entry whose second line is above its first", 4, &lines((7, 0xa7), &[(8, 0xb8, 3)]));
    seen("a whole entry of a line that does not part", 4, &lines((7, 0xa7), &[(5, 0xb5, 5)]));
    refuse("a whole entry of its own device", &rich, {
        let mut columns = rich.columns();
        columns.devices.push(own);
        columns.heads[4].seen.insert(1, crate::ops::Seen { device: vec![2], ahead: vec![0], rest: two.bytes() });
        columns.tail()
    });
    refuse("a whole entry, and one line less than it says", &rich, {
        let run = based(&two, vec![]);
        let mut tail = run.tail();
        let count_at = 8 + 8 + 4 + 16 + 16;
        tail[count_at] = 2;
        tail
    });

    let mut wrong = |name: &str, change: &dyn Fn(&mut Op)| {
        let mut run = Run::first(own, vec![put()]);
        change(&mut run.ops[0]);
        refuse(name, &run, run.tail());
    };
    // Attachments, and where they lie.
    for (name, attached) in [
        ("a put with attachments that has none", vec![]),
        ("65 attachments", numbered(65)),
        ("attachments that fall", scan().into_iter().rev().collect()),
        ("one attachment's name twice", vec![Attached::new("a", 1, 1), Attached::new("a", 2, 1)]),
        ("an attachment without a name", vec![Attached::new("", 1, 1)]),
        ("an attachment's name of 256 bytes", vec![Attached::new(&"n".repeat(256), 1, 1)]),
        ("an attachment's name that is not UTF-8", vec![Attached { name: vec![0xff], ..Attached::new("", 1, 1) }]),
        ("an attachment longer than 2,048 packs hold", vec![Attached::new("film", 1, (14_336 << 20) + 1)]),
    ] {
        wrong(name, &|op| op.action = Action::PutWith(b"v".to_vec(), attached.clone()));
    }
    let attached = Action::PutWith(b"{}".to_vec(), scan());
    for (name, collection, key) in [
        ("attachments of a root record", root(), "x"),
        ("attachments of a log's entry", log("l"), "k"),
        ("attachments of a document", documents("d"), "k"),
        ("attachments of a place", places(), &"0f".repeat(32)),
    ] {
        wrong(name, &|op| *op = Op::new(collection.clone(), key, attached.clone()));
    }
    wrong("places with a name", &|op| *op = Op { collection: (PLACES, b"p".to_vec()), ..laid(one(spot(0, 0, 5, 0))) });
    for (name, key) in [
        ("a place at half an id", "0f".repeat(16)),
        ("a place at an id in capitals", "0F".repeat(32)),
        ("a place at no id", "x".repeat(64)),
    ] {
        wrong(name, &|op| *op = Op { key: key.clone().into_bytes(), ..laid(one(spot(0, 0, 5, 0))) });
    }
    for (name, value) in [
        ("a place of form 0", join(&[&[0], &one(spot(0, 0, 5, 0))[1..]])),
        ("a place of form 3", join(&[&[3], &one(spot(0, 0, 5, 0))[1..]])),
        ("a place with a byte behind", join(&[&one(spot(0, 0, 5, 0)), &[0]])),
        ("a place a byte short", own_packs(1, spot(0, 0, 5, 0)).split_last().expect("some bytes").1.to_vec()),
        ("a place in number 4,096", one(spot(4_096, 0, 5, 0))),
        ("a place of no byte", one(spot(0, 0, 0, 0))),
        ("a place whose frame is not shorter", one(spot(0, 0, 5, 5))),
        ("a place of more than one piece", one(spot(0, 0, (1 << 20) + 1, 0))),
        ("a squeezed place of more than one piece", one(spot(0, 0, 5, (1 << 20) + 1))),
        ("a place behind every pack", one(spot(0, (16 << 20) - 9, 5, 0))),
        ("a blob in no pack", own_packs(0, spot(0, 0, 64, 0))),
        ("a blob in 2,049 packs", own_packs(2_049, spot(0, 0, 64, 0))),
        ("a blob whose list no pack has", own_packs(1, spot(0, 0, (4 << 20) + 1, 0))),
    ] {
        wrong(name, &|op| *op = laid(value.clone()));
    }
    // What an op holds.
    wrong("an empty key", &|op| op.key.clear());
    wrong("a key of 513 bytes", &|op| op.key = vec![b'k'; 513]);
    wrong("a key that is not UTF-8", &|op| op.key = vec![0xff]);
    wrong("a key in an overlong form", &|op| op.key = vec![0xc0, 0xaf]);
    wrong("a key with a surrogate", &|op| op.key = vec![0xed, 0xa0, 0x80]);
    wrong("an empty name", &|op| op.collection = (MAP, vec![]));
    wrong("a log without a name", &|op| op.collection = (LOG, vec![]));
    wrong("a name of 129 bytes", &|op| op.collection = (MAP, vec![b'n'; 129]));
    wrong("a name that is not UTF-8", &|op| op.collection = (MAP, vec![0x80]));
    wrong("a name with a line feed", &|op| op.collection = (MAP, b"a\nb".to_vec()));
    wrong("a name with U+007F", &|op| op.collection = (MAP, b"a\x7f".to_vec()));
    wrong("a name with U+0085", &|op| op.collection = (MAP, "a\u{85}".as_bytes().to_vec()));
    wrong("a root collection with a name", &|op| op.collection = (ROOT, b"x".to_vec()));
    wrong("a kind of 3", &|op| op.collection = (3, b"m".to_vec()));
    wrong("an action of 0", &|op| op.action = Action::Raw(vec![0]));
    wrong("an action of 4", &|op| op.action = Action::Raw(vec![4]));
    wrong("a value beyond the tail's end", &|op| op.action = Action::Raw(b"\x01\xff\xff\xff\xffv".to_vec()));
    wrong("a log's op with a context", &|op| {
        op.collection = log("l");
        op.context.dots = vec![(other, 3, [0; 8])];
    });
    wrong("a dot of number 0", &|op| op.context.dots = vec![(other, 0, [0; 8])]);
    wrong("a dot twice", &|op| op.context.dots = vec![(other, 3, [0; 8]); 2]);
    wrong("dots that fall", &|op| op.context.dots = vec![(other, 3, [0; 8]), (other, 2, [0; 8])]);
    wrong("dots that rise by bytes alone", &|op| op.context.dots = vec![(other, 256, [0; 8]), (other, 2, [0; 8])]);
    wrong("a context's vector that falls", &|op| {
        op.context.vector = one_line(&[(third, 3, [0; 8]), (other, 2, [0; 8])])
    });
    wrong("a point of number 0 in a context", &|op| op.context.vector = one_line(&[(other, 0, [0; 8])]));

    let first = Run::first(own, vec![put()]);
    refuse("a first op over another tag", &first, Run { before: [0; 8], ..first.clone() }.tail());
    refuse("another device's first op", &Run::first(other, vec![]), first.tail());
    refuse("no op yet, over another tag", &first, Run { before: [0; 8], ..Run::first(own, vec![]) }.tail());
    let tail = first.tail();
    refuse("nothing", &first, vec![]);
    refuse("a byte short", &first, tail[..tail.len() - 1].to_vec());
    refuse("a byte after the end", &first, join(&[&tail, &[0]]));
    refuse("more heads than bytes", &first, {
        let at = 8 + 8 + 4 + 4 + 4 + 1 + 4 + 1;
        join(&[&tail[..at], &count(u32::MAX as usize), &tail[at + 4..]])
    });
    file
}

fn vector_of(entries: &[Entry]) -> Vec<u8> {
    crate::bytes::vector(&one_line(entries))
}

fn numbered(count: u8) -> Vec<Attached> {
    (0..count).map(|n| Attached::new(&format!("{n:02}"), n, 1)).collect()
}

/// Number, bytes before it, bytes in the pack, bytes of plaintext.
fn spot(no: u16, at: u32, stored: u32, inflated: u32) -> Vec<u8> {
    join(&[&no.to_le_bytes(), &at.to_le_bytes(), &stored.to_le_bytes(), &inflated.to_le_bytes()])
}

/// Epoch number 1.
const EPOCH: [u8; 12] = [1, 0, 0, 0, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];

/// A blob of one piece.
fn one(spot: Vec<u8>) -> Vec<u8> {
    join(&[&[1], &devices()[0].0, &[0xb1; 16], &EPOCH, &spot])
}

/// A longer blob, in so many packs.
fn own_packs(packs: usize, list: Vec<u8>) -> Vec<u8> {
    let ids = (0..packs).flat_map(|n| [&(n as u64).to_be_bytes()[..], &[0xb2; 8]].concat()).collect::<Vec<_>>();
    join(&[&[2], &EPOCH, &devices()[0].0, &count(packs), &ids, &list])
}

/// Makes room in the table for one more device of base.
fn shift(columns: &mut Columns, from: u8) {
    for seen in columns.heads.iter_mut().flat_map(|head| head.seen.iter_mut()).filter(|seen| seen.device[0] >= from) {
        seen.device[0] += 1;
    }
}
