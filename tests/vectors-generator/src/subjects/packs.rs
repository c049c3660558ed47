//! Packs, their directories, and ranges of them (docs/format/packs.md).

use crate::bytes::{Id, blob, join};
use crate::case::{File, hex};
use crate::ops::raw_zstd;
use crate::packs::{CLASSES, CONTENT, LIST, Piece, TREE_CHUNK, body, body_with, directory, key, path, run_zstd};
use crate::sealing::{
    Epoch, MANIFEST, PACK, Place, SEGMENT, Sealed, derive, hash, keyed, labelled, pad, seal, seal_pack,
};
use crate::world::{
    FIRST, OTHER_VAULT, ROOTS, SECOND, SECOND_TOO, SEEDS, VAULT, content_key, devices, ring, ring_value, space,
};
use serde_json::{Value, json};

const ID: Id = [0x1d; 16];
/// The vault's content lies under its second epoch here.
const ROOT: [u8; 32] = ROOTS[1];

fn piece_key() -> [u8; 32] {
    key("piece id", &ROOTS[0], VAULT, space())
}

fn device() -> Id {
    devices()[0].0
}

fn here(class: &str) -> String {
    path(space(), class, device(), ID)
}

fn place(path: &str) -> Place<'_> {
    Place { key: content_key(&ROOT, space()), vault: VAULT, kind: PACK, epoch: SECOND, path }
}

fn seal_here(class: &str, body: &[u8]) -> Sealed {
    seal_pack(&place(&here(class)), &pad(PACK, body))
}

/// What says where a pack is: it is of class `att` where no other is said.
fn at(class: &str) -> Value {
    json!({
        "vault": hex(VAULT),
        "ring": ring_value(&ring()),
        "space": hex(space()),
        "class": class,
        "device": hex(device()),
        "pack": hex(ID),
        "epoch": SECOND.text(),
    })
}

fn with(mut given: Value, field: &str, value: impl Into<Value>) -> Value {
    given[field] = value.into();
    given
}

fn content(seed: &str, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// What is in a body, as its directory tells it.
fn held_value(pieces: &[Piece]) -> Value {
    let mut at = 0;
    let entry = |piece: &Piece| {
        at += piece.stored;
        json!({
            "kind": piece.kind,
            "id": hex(piece.id),
            "at": at - piece.stored,
            "stored": piece.stored,
            "inflated": piece.inflated,
        })
    };
    pieces.iter().map(entry).collect()
}

/// Three pieces: one stored, one of a run, and one longer than a chunk.
fn three() -> Vec<Piece> {
    vec![
        Piece::plain(CONTENT, &piece_key(), b"a scan"),
        Piece::squeezed(CONTENT, &piece_key(), &[7; 3_000], run_zstd(7, 3_000)),
        Piece::plain(CONTENT, &piece_key(), &content("three", 20_000)),
    ]
}

pub(crate) fn file() -> File {
    let mut file = File::new(
        "packs",
        "docs/format/packs.md: Packs, Places. `body` is without padding; of plaintexts the value has length and BLAKE3",
    );
    directories(&mut file);
    refused_directories(&mut file);
    whole(&mut file);
    refused_whole(&mut file);
    refused_pieces(&mut file);
    ranges(&mut file);
    refused_ranges(&mut file);
    ids(&mut file);
    file
}

fn directories(file: &mut File) {
    let mut value = |name: &str, pieces: &[Piece]| {
        file.value(name, "directory", json!({"body": hex(body(pieces))}), held_value(pieces));
    };
    let of = |kind, text: &[u8]| Piece::plain(kind, &piece_key(), text);
    let run = |kind, len| Piece::squeezed(kind, &piece_key(), &vec![0; len], run_zstd(0, len));
    value("directory: one piece of one byte", &[of(CONTENT, b"x")]);
    value("directory: a piece of each kind", &(1..=6).map(|kind| of(kind, &[kind])).collect::<Vec<_>>());
    value("directory: stored and compressed", &three()[..2]);
    value("directory: the longest content", &[run(CONTENT, 4 << 20)]);
    value("directory: a longer tree chunk", &[run(TREE_CHUNK, (4 << 20) + 1)]);
    value("directory: the longest tree chunk", &[run(TREE_CHUNK, 16 << 20)]);
}

fn refused_directories(file: &mut File) {
    let pieces = three()[..2].to_vec();
    let whole = body(&pieces);
    let told = directory(&pieces);
    let mut refuse = |name: &str, body: Vec<u8>| {
        file.refused(format!("directory: {name}"), "directory", json!({"body": hex(body)}), "corrupt");
    };
    let altered = |change: &dyn Fn(&mut Vec<Piece>)| {
        let mut altered = pieces.clone();
        change(&mut altered);
        body(&altered)
    };
    refuse("nothing", vec![]);
    refuse("three bytes", vec![0; 3]);
    refuse("of no length", join(&[&whole[..whole.len() - 4], &[0; 4]]));
    refuse("of no piece", body(&[]));
    refuse("of no piece, behind bytes", body_with(&pieces, &directory(&[])));
    refuse("a byte short", whole[..whole.len() - 1].to_vec());
    refuse("a byte too long", join(&[&whole, &[0]]));
    let says = |len: usize| join(&[&whole[..whole.len() - 4], &(len as u32).to_le_bytes()]);
    refuse("said to be a byte shorter", says(told.len() - 1));
    refuse("said to be a byte longer", says(told.len() + 1));
    refuse("said to be a piece shorter", says(told.len() - 41));
    refuse("said to be longer than the body", says(whole.len()));
    refuse("said to be 4 GiB long", says(u32::MAX as usize));
    let counted = |count: u32| body_with(&pieces, &join(&[&count.to_le_bytes(), &told[4..]]));
    refuse("that counts a piece less", counted(1));
    refuse("that counts a piece more", counted(3));
    refuse("that counts 4 G pieces", counted(u32::MAX));
    refuse("with a byte behind its pieces", body_with(&pieces, &join(&[&told, &[0]])));
    for kind in [0, 7, 255] {
        refuse(&format!("with a piece of kind {kind}"), altered(&|pieces| pieces[0].kind = kind));
    }
    refuse("with a piece of no byte", altered(&|pieces| (pieces[0].stored, pieces[0].bytes) = (0, vec![])));
    refuse("with an id twice", altered(&|pieces| pieces[1].id = pieces[0].id));
    refuse("with an id twice, of two kinds", altered(&|pieces| (pieces[1].id, pieces[1].kind) = (pieces[0].id, LIST)));
    refuse("with a piece a byte longer than the body", altered(&|pieces| pieces[1].stored += 1));
    refuse("with a piece a byte shorter", altered(&|pieces| pieces[1].stored -= 1));
    refuse("with a piece of 4 GiB", altered(&|pieces| pieces[0].stored = u32::MAX));
    refuse(
        "whose pieces are right modulo 4 GiB",
        altered(&|pieces| (pieces[0].stored, pieces[1].stored) = (u32::MAX, pieces[0].stored + pieces[1].stored + 1)),
    );
    refuse("with bytes that are no piece's", join(&[b"x", &whole]));
    refuse("with a frame as long as its plaintext", altered(&|pieces| pieces[1].inflated = pieces[1].stored));
    refuse("with a frame longer than its plaintext", altered(&|pieces| pieces[1].inflated = 1));
    refuse("with content above 4 MiB", altered(&|pieces| pieces[1].inflated = (4 << 20) + 1));
    refuse("with a list above 4 MiB", altered(&|pieces| (pieces[1].kind, pieces[1].inflated) = (LIST, (4 << 20) + 1)));
    refuse(
        "with a tree chunk above 16 MiB",
        altered(&|pieces| (pieces[1].kind, pieces[1].inflated) = (TREE_CHUNK, (16 << 20) + 1)),
    );
    refuse("with a piece that inflates to 4 GiB", altered(&|pieces| pieces[1].inflated = u32::MAX));
}

/// A pack's place and its sealed bytes.
fn sealed_given(class: &str, sealed: &[u8]) -> Value {
    with(at(class), "sealed", hex(sealed))
}

fn plaintext_value(plaintext: &[u8]) -> Value {
    json!({"length": plaintext.len(), "blake3": hex(hash(plaintext))})
}

fn whole(file: &mut File) {
    for (_, class) in CLASSES {
        let kind = if class == "tree" { TREE_CHUNK } else { CONTENT };
        let (text, run, long) = (b"a scan".to_vec(), vec![7; 3_000], content("three", 20_000));
        let mut words = content("words", 200);
        words.extend_from_slice(&[b' '; 1_000]);
        // A raw block and a run in one frame.
        let mut mixed = join(&[&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &1_200u32.to_le_bytes()]);
        mixed.extend_from_slice(&(200u32 << 3).to_le_bytes()[..3]);
        mixed.extend_from_slice(&words[..200]);
        mixed.extend_from_slice(&(1_000u32 << 3 | 1 << 1 | 1).to_le_bytes()[..3]);
        mixed.push(b' ');
        let pieces = [
            Piece::plain(kind, &piece_key(), &text),
            Piece::squeezed(kind, &piece_key(), &run, run_zstd(7, 3_000)),
            Piece::plain(kind, &piece_key(), &long),
            Piece::squeezed(kind, &piece_key(), &words, mixed),
        ];
        let mut held = held_value(&pieces);
        for (entry, plaintext) in held.as_array_mut().expect("a list").iter_mut().zip([text, run, long, words]) {
            entry["plaintext"] = plaintext_value(&plaintext);
        }
        let sealed = seal_here(class, &body(&pieces)).bytes();
        let value = json!({"path": here(class), "pieces": held});
        file.value(format!("pack: of class {class}"), "pack", sealed_given(class, &sealed), value);
    }
}

fn refused_whole(file: &mut File) {
    let good = body(&three()[..2]);
    let sealed = seal_here("att", &good);
    let mut refuse = |name: &str, sealed: &[u8]| {
        file.refused(format!("pack: {name}"), "pack", sealed_given("att", sealed), "corrupt");
    };
    // Sealed elsewhere with the salt of its place there, and read here; the header is made to fit.
    let mut elsewhere = |name: &str, there: Place<'_>| {
        let foreign = Sealed { head: sealed.head.clone(), ..seal_pack(&there, &pad(PACK, &good)) };
        refuse(name, &foreign.bytes());
    };
    let at_path = here("att");
    let [other_id, other_device] =
        [path(space(), "att", device(), [0x1e; 16]), path(space(), "att", devices()[1].0, ID)];
    let other_space = path([9; 16], "att", device(), ID);
    elsewhere("sealed at another id", place(&other_id));
    elsewhere("sealed at another device's path", place(&other_device));
    elsewhere("sealed as another class", place(&here("data")));
    elsewhere("sealed in another space", Place { key: content_key(&ROOT, [9; 16]), ..place(&other_space) });
    elsewhere("sealed for another vault", Place { vault: OTHER_VAULT, ..place(&at_path) });
    elsewhere("sealed as a segment", Place { kind: SEGMENT, ..place(&at_path) });
    elsewhere("sealed under another epoch's number", Place { epoch: Epoch(3, SECOND.1), ..place(&at_path) });
    elsewhere("sealed with another epoch's key", Place { key: content_key(&ROOTS[0], space()), ..place(&at_path) });

    let other_epoch = Place { epoch: SECOND_TOO, key: content_key(&ROOTS[2], space()), ..place(&at_path) };
    refuse("of another epoch than its place says", &seal_pack(&other_epoch, &pad(PACK, &good)).bytes());
    refuse("with a salt that is not its path's", &seal(&place(&at_path), &pad(PACK, &good)).bytes());
    refuse("not padded", &seal_pack(&place(&at_path), &blob(&good)).bytes());
    refuse("padded to a power of two", &seal_pack(&place(&at_path), &pad(MANIFEST, &good)).bytes());
    let mut padded = pad(PACK, &good);
    *padded.last_mut().expect("padding") = 1;
    refuse("with padding that is not zero", &seal_pack(&place(&at_path), &padded).bytes());
    let whole = sealed.bytes();
    refuse("a byte short", &whole[..whole.len() - 1]);
    refuse("a byte too long", &[&whole[..], &[0]].concat());
    let long = seal_here("att", &body(&three())).bytes();
    refuse("without its last chunk", &long[..75 + 16_400]);
    refuse("nothing", &[]);
    let mut flipped = whole.clone();
    flipped[80] ^= 1;
    refuse("with a bit flipped", &flipped);
    refuse("with a directory cut short", &seal_here("att", &good[..good.len() - 5]).bytes());
}

/// Packs that open, and pieces in them that don't.
fn refused_pieces(file: &mut File) {
    let text = b"text text text text text text text text";
    let mut refuse = |name: &str, piece: Piece, kind: &'static str| {
        let sealed = seal_here("att", &body(&[piece])).bytes();
        file.refused(format!("pack: {name}"), "pack", sealed_given("att", &sealed), kind);
    };
    let lying = Piece { bytes: b"b scan".to_vec(), ..three()[0].clone() };
    refuse("with a piece of another id", lying, "hash-mismatch");
    let squeezed = |plaintext: &[u8], zstd: Vec<u8>| Piece::squeezed(CONTENT, &piece_key(), plaintext, zstd);
    refuse("with a frame of another id", squeezed(&[7; 3_000], run_zstd(8, 3_000)), "hash-mismatch");
    // By hash, these would be right: the frame must be one and inflate to what it says.
    let mut frame = |name: &str, len: usize, zstd: Vec<u8>| {
        let piece = Piece { inflated: u32::try_from(len).expect("a short one"), ..squeezed(text, zstd) };
        refuse(name, piece, "corrupt");
    };
    frame("with a bomb of 16 MiB that says 4 MiB", 4 << 20, run_zstd(0, 16 << 20));
    frame("with a bomb of 1 MiB that says 3,000 bytes", 3_000, run_zstd(0, 1 << 20));
    frame("with a frame of a byte more than it says", 3_000, run_zstd(7, 3_001));
    frame("with a frame of a byte less than it says", 3_000, run_zstd(7, 2_999));
    frame("with two frames", 3_000, join(&[&run_zstd(7, 1_000), &run_zstd(7, 2_000)]));
    frame("with an empty frame behind", 3_000, join(&[&run_zstd(7, 3_000), &raw_zstd(b"")]));
    let skippable = b"\x50\x2a\x4d\x18\x01\0\0\0x";
    frame("with a skippable frame before", 3_000, join(&[skippable, &run_zstd(7, 3_000)]));
    frame("with a skippable frame behind", 3_000, join(&[&run_zstd(7, 3_000), skippable]));
    frame("with a byte behind its frame", 3_000, join(&[&run_zstd(7, 3_000), &[0]]));
    frame("with a frame cut short", 3_000, run_zstd(7, 3_000)[..11].to_vec());
    frame("with no frame", 3_000, text.to_vec());
    let run = run_zstd(7, 3_000);
    frame("with a frame with a dictionary's id", 3_000, join(&[&run[..4], &[run[4] | 1, 7], &run[5..]]));
    let window = |window: u8| join(&[&[0x28, 0xb5, 0x2f, 0xfd, 0, window], &run[9..]]);
    frame("with a window of 16 MiB", 3_000, window(14 << 3));
}

/// A piece at its place, what is known of it, and the answer to its range.
fn piece_given(class: &str, no: usize, pieces: &[Piece], name: Value, answer: &[u8]) -> Value {
    let at_byte: u32 = pieces[..no].iter().map(|piece| piece.stored).sum();
    let piece = &pieces[no];
    let given = with(at(class), "kind", piece.kind);
    let given = with(given, "no", no);
    let given = with(given, "at", at_byte);
    let given = with(given, "stored", piece.stored);
    let given = with(given, "inflated", piece.inflated);
    with(with(given, "name", name), "answer", hex(answer))
}

/// The first and the last byte that a reader asks for.
fn range(no: usize, pieces: &[Piece]) -> (usize, usize) {
    let from: u32 = 4 + pieces[..no].iter().map(|piece| piece.stored).sum::<u32>();
    let last = (from + pieces[no].stored - 1) as usize / 16_384;
    (75 + 16_400 * (from as usize / 16_384), 75 + 16_400 * (last + 1) - 1)
}

/// Pieces of one chunk: one stored, one compressed, a list.
fn few() -> (Vec<Piece>, Vec<u8>) {
    let ids = content("ids of three pieces", 96);
    let mut pieces = three()[..2].to_vec();
    pieces.push(Piece::plain(LIST, &piece_key(), &ids));
    pieces.insert(1, Piece::plain(CONTENT, &piece_key(), &content("few", 50)));
    (pieces, ids)
}

/// A small piece, then one that ends at a chunk's end, one in the middle, one across three chunks, one at the end.
fn spread() -> (Vec<Piece>, Vec<Vec<u8>>) {
    let plain = |length: usize| content(&format!("spread {length}"), length);
    let mut texts = vec![plain(5), plain(16_375), plain(100), vec![9; 2_000], plain(40_000), plain(33)];
    let mut pieces: Vec<Piece> = texts.iter().map(|text| Piece::plain(CONTENT, &piece_key(), text)).collect();
    pieces[3] = Piece::squeezed(CONTENT, &piece_key(), &texts[3], run_zstd(9, 2_000));
    let ids = content("ids of three pieces", 96);
    pieces.push(Piece::plain(LIST, &piece_key(), &ids));
    texts.push(ids);
    (pieces, texts)
}

/// The blob of 3,000,000 bytes whose list that is.
fn list_name(list: &[u8], len: u64) -> Value {
    let blob_key = key("blob id", &ROOTS[0], VAULT, space());
    let id = keyed(&blob_key, &[&len.to_le_bytes()[..], list].concat());
    json!({"blob": hex(id), "len": len.to_string()})
}

fn ranges(file: &mut File) {
    let (pieces, texts) = spread();
    let sealed = seal_here("att", &body(&pieces)).bytes();
    for no in 0..pieces.len() {
        let (first, last) = range(no, &pieces);
        let answer = &sealed[first..sealed.len().min(last + 1)];
        let given = piece_given("att", no, &pieces, json!({"piece": hex(pieces[no].id)}), answer);
        let value = json!({"first": first, "last": last, "plaintext": plaintext_value(&texts[no])});
        file.value(format!("piece: number {no}"), "piece", given, value);
    }
    let no = pieces.len() - 1;
    let (first, last) = range(no, &pieces);
    let answer = &sealed[first..sealed.len().min(last + 1)];
    let given = piece_given("att", no, &pieces, list_name(&texts[no], 3_000_000), answer);
    let value = json!({"first": first, "last": last, "plaintext": plaintext_value(&texts[no])});
    file.value("piece: a list by its blob's id", "piece", given, value);
}

fn refused_ranges(file: &mut File) {
    let mut refuse = |what: &str, given: Value, kind: &'static str| {
        file.refused(format!("piece: {what}"), "piece", given, kind);
    };
    let (pieces, _) = spread();
    let sealed = seal_here("att", &body(&pieces)).bytes();
    let (first, last) = range(4, &pieces);
    let asked = last + 1 - first;
    let long = |bytes: &[u8]| piece_given("att", 4, &pieces, json!({"piece": hex(pieces[4].id)}), bytes);
    refuse("an answer a chunk short", long(&sealed[first..first + asked - 16_400]), "corrupt");
    refuse("an answer of the chunks before", long(&sealed[75..75 + asked]), "corrupt");

    let (pieces, ids) = few();
    let sealed = seal_here("att", &body(&pieces)).bytes();
    let answer = &sealed[75..];
    let of = |no: usize, name: Value| piece_given("att", no, &pieces, name, answer);
    let good = || of(1, json!({"piece": hex(pieces[1].id)}));
    let answered = |bytes: &[u8]| with(good(), "answer", hex(bytes));
    refuse("an answer of nothing", answered(&[]), "corrupt");
    refuse("an answer a byte short", answered(&answer[..answer.len() - 1]), "corrupt");
    refuse("an answer a byte too long", answered(&[answer, &[0]].concat()), "corrupt");
    refuse("an answer from a byte before", answered(&sealed[74..]), "corrupt");
    refuse("the whole for an answer", answered(&sealed), "corrupt");
    let mut flipped = answer.to_vec();
    flipped[0] ^= 1;
    refuse("a bit flipped", answered(&flipped), "corrupt");
    refuse("another pack's path", with(good(), "pack", hex([0x1e; 16])), "corrupt");
    refuse("another class", with(good(), "class", "data"), "corrupt");
    refuse("another device", with(good(), "device", hex(devices()[1].0)), "corrupt");
    refuse("another epoch", with(good(), "epoch", SECOND_TOO.text()), "corrupt");
    refuse(
        "a place a byte further on",
        with(good(), "at", good()["at"].as_u64().expect("a number") + 1),
        "hash-mismatch",
    );
    refuse("a place a byte shorter", with(good(), "stored", pieces[1].stored - 1), "hash-mismatch");
    refuse("another piece's name", with(good(), "name", json!({"piece": hex(pieces[0].id)})), "hash-mismatch");
    refuse("a place with no byte", with(good(), "stored", 0), "corrupt");
    refuse("a place above the last number", with(good(), "no", 4_096), "corrupt");
    refuse("a place at the end of what may be", with(good(), "at", (16 << 20) - 4 - pieces[1].stored), "corrupt");
    refuse("a place far behind", with(good(), "at", u32::MAX), "corrupt");
    refuse("a place with content above 4 MiB", with(good(), "stored", (4 << 20) + 1), "corrupt");
    refuse("a stored piece said to be compressed", with(good(), "inflated", pieces[1].stored + 1), "corrupt");

    let squeezed = || of(2, json!({"piece": hex(pieces[2].id)}));
    refuse("a bomb by its place", with(squeezed(), "inflated", (4 << 20) + 1), "corrupt");
    refuse("a place that says less than inflates", with(squeezed(), "inflated", 2_999), "corrupt");
    refuse("a place that says more than inflates", with(squeezed(), "inflated", 3_001), "corrupt");
    refuse("a compressed piece said to be stored", with(squeezed(), "inflated", 0), "hash-mismatch");

    let list = |len: u64| of(3, list_name(&ids, len));
    refuse("a list of a blob of two pieces", list(2_000_000), "hash-mismatch");
    refuse("a list of a blob of four pieces", list(3_145_729), "hash-mismatch");
    let other = with(list(3_000_000), "name", list_name(b"other", 3_000_000));
    refuse("a list of another blob", other, "hash-mismatch");
}

fn ids(file: &mut File) {
    let told = directory(&three());
    let mut id = |name: &str, drawn: [u8; 32], epoch: Epoch, class: usize, directory: &[u8]| {
        let (number, class) = CLASSES[class];
        let hedge: [u8; 32] = derive(&SEEDS[0], "hedge fresh", b"");
        let of = join(&[&drawn, &epoch.bytes(), &[number, 1], &hash(directory)]);
        let value = json!(hex(&keyed(&hedge, &labelled("pack", &of))[..16]));
        let given = json!({
            "seed": hex(SEEDS[0]),
            "drawn": hex(drawn),
            "epoch": epoch.text(),
            "class": class,
            "codec": 1,
            "directory": hex(directory),
        });
        file.value(format!("id: {name}"), "pack-id", given, value);
    };
    id("a pack", [0x42; 32], SECOND, 0, &told);
    id("other entropy", [0x43; 32], SECOND, 0, &told);
    id("another epoch", [0x42; 32], FIRST, 0, &told);
    id("another class", [0x42; 32], SECOND, 1, &told);
    id("another directory", [0x42; 32], SECOND, 0, &directory(&three()[..2]));
}
