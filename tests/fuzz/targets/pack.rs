//! Packs: what opens has one directory, and a part of a pack opens to what the whole says. Places of pieces: any numbers.
#![no_main]

use tidelock_core::blob::{Class, Keys, Name, Pack, PackAt, PieceKind, Spot, Wanted};
use tidelock_core::crypto::{ObjectKind, Place, Salt, pad_padme, private_space_id, seal};
use tidelock_core::{BlobId, ObjectId, PieceId};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::vault;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.below(2) {
        0 => body(input.rest()),
        _ => anywhere(&mut input),
    }
});

/// Where the packs are, and their keys.
fn at() -> (PackAt, Keys) {
    let (ring, space) = (vault::ring(), private_space_id(vault::id()));
    let device = vault::device().device_id();
    let at = PackAt::new(&ring, space, Class::Data, device, ObjectId([1; 16]), vault::newest());
    (at.expect("a known epoch"), Keys::new(&ring, space))
}

/// The target pads and seals by itself, so that what lies behind is reached. The seeds' pieces have their right ids.
fn sealed(at: &PackAt, body: &[u8]) -> Vec<u8> {
    let key = vault::ring().content_key(vault::newest(), private_space_id(vault::id())).expect("a known epoch");
    let place = Place { vault: vault::id(), kind: ObjectKind::Pack, epoch: vault::newest(), path: at.path() };
    seal(&key, &place, &Salt::of_pack(at.path()), &pad_padme(body))
}

fn part(sealed: &[u8], (first, last): (u64, u64)) -> &[u8] {
    let end = sealed.len().min(usize::try_from(last).map_or(usize::MAX, |last| last + 1));
    usize::try_from(first).ok().and_then(|first| sealed.get(first..end)).unwrap_or_default()
}

/// A pack's body.
fn body(bytes: &[u8]) {
    let (at, keys) = at();
    let sealed = sealed(&at, bytes);
    let Ok(pack) = at.open(&sealed) else { return };
    let mut end = 0;
    for wanted in pack.pieces() {
        assert_eq!(wanted.spot.at, end, "pieces lie back to back");
        end += wanted.spot.stored;
        let range = wanted.sealed_range().expect("a pack that opens has its pieces where some can lie");
        let whole = pack.piece(&wanted, &keys);
        match (&whole, &at.open_piece(&wanted, &keys, part(&sealed, range))) {
            (Ok(whole), Ok(part)) => {
                assert_eq!(whole, part);
                assert!((1..=wanted.kind.plaintext_max() as usize).contains(&whole.len()));
                assert_eq!(Name::Piece(keys.piece_id(whole)), wanted.name);
            }
            (Err(whole), Err(part)) => assert_eq!(whole.kind(), part.kind()),
            other => panic!("whole and part differ: {other:?}"),
        }
    }
    let directory = directory(&pack);
    let len = u32::try_from(directory.len()).expect("a short one").to_le_bytes();
    assert_eq!(bytes.get(end as usize..), Some(&[&directory[..], &len].concat()[..]), "a second encoding was taken");
}

/// A directory by hand.
fn directory(pack: &Pack) -> Vec<u8> {
    let mut out = u32::try_from(pack.pieces().count()).expect("few").to_le_bytes().to_vec();
    for Wanted { spot, kind, name } in pack.pieces() {
        let Name::Piece(id) = name else { panic!("a directory names pieces") };
        out.push(kind as u8);
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&spot.stored.to_le_bytes());
        out.extend_from_slice(&spot.inflated.to_le_bytes());
    }
    out
}

/// A piece that is said to lie anywhere, and any answer to its range.
fn anywhere(input: &mut Input<'_>) {
    let kinds = [
        PieceKind::Content,
        PieceKind::List,
        PieceKind::TreeChunk,
        PieceKind::TreeRoot,
        PieceKind::Usage,
        PieceKind::Moves,
    ];
    let mut number = || input.number() as u32;
    let spot = Spot { no: number() as u16, at: number(), stored: number(), inflated: number() };
    let name = match input.byte() % 2 {
        0 => Name::Piece(PieceId(input.array())),
        _ => Name::List(BlobId(input.array()), input.number()),
    };
    let wanted = Wanted { spot, kind: *input.pick(&kinds), name };
    let (at, keys) = at();
    if let Ok((first, last)) = wanted.sealed_range() {
        assert!(first < last && last < 17 << 20, "more is asked for than a pack may have");
    }
    let sealed = sealed(&at, input.rest());
    let answer = wanted.sealed_range().map_or(&sealed[..], |range| part(&sealed, range));
    assert!(at.open_piece(&wanted, &keys, answer).is_err(), "what nobody packed is taken");
}
