//! One piece of a pack, from a part of its sealed bytes.

use super::*;
use crate::s3::{Action, Answer, Call, Response, StoreUri};

/// Pieces of lengths around those of chunks, compressed and stored.
fn plaintexts() -> Vec<Vec<u8>> {
    let mut seed = 0;
    let mut stored = |len| {
        seed += 1;
        noise(seed, len)
    };
    vec![
        stored(5),
        stored(16_375), // to the first chunk's last byte
        stored(16_384),
        b"all the same ".repeat(2_000),
        stored(1),
        stored(50_000),
        vec![0; 100_000],
        stored(33),
    ]
}

fn part(sealed: &[u8], (first, last): (u64, u64)) -> &[u8] {
    &sealed[first as usize..sealed.len().min(last as usize + 1)]
}

#[test]
fn a_range_opens_to_the_same_bytes_as_the_whole() {
    let plaintexts = plaintexts();
    let (full, wanted) = pack(&plaintexts);
    let at = at(Class::Data, ObjectId([1; 16]));
    let sealed = full.seal(&at);
    let opened = at.open(&sealed).unwrap();
    for (wanted, plaintext) in wanted.iter().zip(&plaintexts) {
        let range = wanted.sealed_range().unwrap();
        assert_eq!((range.0 - 75) % 16_400, 0, "whole chunks");
        assert_eq!(&at.open_piece(wanted, &keys(), part(&sealed, range)).unwrap(), plaintext);
        assert_eq!(&opened.piece(wanted, &keys()).unwrap(), plaintext);
    }
    let chunks =
        |wanted: &Wanted| wanted.sealed_range().map(|(first, last)| ((first - 75) / 16_400, (last + 1 - 75) / 16_400));
    assert_eq!(chunks(&wanted[1]), Ok((0, 1)), "it ends with its chunk");
    assert_eq!(chunks(&wanted[2]), Ok((1, 2)));
}

#[test]
fn a_range_of_anything_else_is_refused() {
    let (full, wanted) = pack(&plaintexts());
    let id = ObjectId([1; 16]);
    let here = at(Class::Data, id);
    let sealed = full.seal(&here);
    let piece = wanted[5];
    let (first, last) = piece.sealed_range().unwrap();
    let answer = part(&sealed, (first, last));
    let kind = |at: &PackAt, wanted: &Wanted, answer: &[u8]| at.open_piece(wanted, &keys(), answer).unwrap_err().kind();
    for len in [0, 1, 16, 16_399, 16_400, answer.len() - 16_400, answer.len() - 1] {
        assert_eq!(kind(&here, &piece, &answer[..len]), ErrorKind::Corrupt, "{len} bytes");
    }
    assert_eq!(kind(&here, &piece, &sealed), ErrorKind::Corrupt, "the whole is no part");
    assert_eq!(kind(&here, &piece, part(&sealed, (first - 16_400, last - 16_400))), ErrorKind::Corrupt);
    assert_eq!(kind(&at(Class::Data, ObjectId([2; 16])), &piece, answer), ErrorKind::Corrupt);
    let earlier = PackAt::new(&ring(), space(), Class::Data, DEVICE, id, EPOCHS[0]).unwrap();
    assert_eq!(kind(&earlier, &piece, answer), ErrorKind::Corrupt);
    for at in 0..answer.len() / 997 {
        let mut altered = answer.to_vec();
        altered[at * 997] ^= 1 << (at % 8);
        assert_eq!(kind(&here, &piece, &altered), ErrorKind::Corrupt, "a bit of byte {at}");
    }
    let other = Wanted { name: wanted[0].name, ..piece };
    assert_eq!(kind(&here, &other, answer), ErrorKind::HashMismatch);
    let opened = here.open(&sealed).unwrap();
    assert_eq!(opened.piece(&other, &keys()).unwrap_err().kind(), ErrorKind::HashMismatch);
    for spot in [
        Spot { no: 6, ..piece.spot },
        Spot { no: 99, ..piece.spot },
        Spot { at: piece.spot.at + 1, ..piece.spot },
        Spot { stored: piece.spot.stored - 1, ..piece.spot },
        Spot { inflated: piece.spot.stored + 1, ..piece.spot },
    ] {
        let moved = Wanted { spot, ..piece };
        assert_eq!(opened.piece(&moved, &keys()).unwrap_err().kind(), ErrorKind::Corrupt, "{spot:?}");
    }
    let list = Wanted { kind: PieceKind::List, ..piece };
    assert_eq!(opened.piece(&list, &keys()).unwrap_err().kind(), ErrorKind::Corrupt, "of another kind");
}

/// The bytes of a request's answer, as the store's client hands them on.
fn answered(range: (u64, u64), status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let store: StoreUri = "s3://bucket/prefix?endpoint=https://s3.example&region=r".parse().unwrap();
    let call =
        Call::GetObject { key: "pack".to_owned(), if_none_match: None, range: Some(range), body_max: SEALED_BYTES_MAX };
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let response = Response { status, headers, body: Bytes::copy_from_slice(body) };
    let Ok(Answer::Object { body, .. }) = call.interpret(&store, &response) else { panic!("no object") };
    body.to_vec()
}

#[test]
fn a_server_without_ranges_is_as_good() {
    let plaintexts = plaintexts();
    let (full, wanted) = pack(&plaintexts);
    let at = at(Class::Data, ObjectId([1; 16]));
    let sealed = full.seal(&at);
    for (wanted, plaintext) in wanted.iter().zip(&plaintexts) {
        let range = wanted.sealed_range().unwrap();
        let some = part(&sealed, range);
        let said = format!("bytes {}-{}/{}", range.0, range.0 as usize + some.len() - 1, sealed.len());
        let by_range = answered(range, 206, &[("content-range", &said)], some);
        let by_whole = answered(range, 200, &[], &sealed);
        assert!(by_range == by_whole);
        assert_eq!(&at.open_piece(wanted, &keys(), &by_whole).unwrap(), plaintext);
    }
}
