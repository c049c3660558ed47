//! Packs as a whole: what is written comes back, and nothing else opens.

use super::*;
use crate::blob::builder::CODEC_VERSION;
use crate::blob::directory::{encode_directory, read_directory};
use crate::crypto::pad_padme;
use crate::{Hash, PieceId};

#[test]
fn what_is_packed_comes_back() {
    let plaintexts = [b"a scan".to_vec(), b"all the same ".repeat(3_000), noise(1, 70_000), vec![0; 4 << 20]];
    let (full, wanted) = pack(&plaintexts);
    let at = at(Class::Data, ObjectId([1; 16]));
    let opened = at.open(&full.seal(&at)).unwrap();
    assert_eq!(opened.pieces().collect::<Vec<_>>(), wanted);
    for (wanted, plaintext) in wanted.iter().zip(&plaintexts) {
        assert_eq!(&opened.piece(wanted, &keys()).unwrap(), plaintext);
    }
    let compressed = wanted.iter().map(|wanted| wanted.spot.inflated).collect::<Vec<_>>();
    assert_eq!(compressed, [0, 39_000, 0, 4 << 20]);
}

#[test]
fn a_pack_opens_only_at_its_path_and_epoch() {
    let (full, _) = pack(&[b"a scan".to_vec()]);
    let id = ObjectId([1; 16]);
    let sealed = full.seal(&at(Class::Data, id));
    assert!(at(Class::Data, id).open(&sealed).is_ok());
    let (ring, other_space) = (ring(), SpaceId([7; 16]));
    let elsewhere = [
        PackAt::new(&ring, other_space, Class::Data, DEVICE, id, EPOCHS[1]),
        PackAt::new(&ring, space(), Class::Tree, DEVICE, id, EPOCHS[1]),
        PackAt::new(&ring, space(), Class::Data, DeviceId([1; 16]), id, EPOCHS[1]),
        PackAt::new(&ring, space(), Class::Data, DEVICE, ObjectId([2; 16]), EPOCHS[1]),
        PackAt::new(&ring, space(), Class::Data, DEVICE, id, EPOCHS[0]),
    ];
    for at in elsewhere {
        let at = at.unwrap();
        let error = at.open(&sealed).unwrap_err();
        assert_eq!((error.kind(), error.object()), (ErrorKind::Corrupt, Some(at.path())));
        assert!(error.hint().is_some());
    }
    let unknown = EpochId { number: 9, id: [0; 8] };
    assert!(PackAt::new(&ring, space(), Class::Data, DEVICE, id, unknown).is_none());
}

#[test]
fn every_cut_of_a_directory_is_refused() {
    let held = |of: u8| Held { kind: PieceKind::Content, id: PieceId([of; 32]), stored: u32::from(of), inflated: 0 };
    let told: Vec<Held> = (1..=5).map(held).collect();
    let directory = encode_directory(&told);
    let body = |directory: &[u8]| {
        let len = u32::try_from(directory.len()).unwrap();
        [&[7; 15], directory, &len.to_le_bytes()].concat()
    };
    assert_eq!(read_directory(&body(&directory)).unwrap(), told);
    for len in 0..directory.len() {
        assert!(read_directory(&body(&directory[..len])).is_err(), "the first {len} bytes of the directory");
        assert!(read_directory(&body(&directory[directory.len() - len..])).is_err(), "its last {len} bytes");
    }
    let whole = body(&directory);
    for len in 0..whole.len() {
        assert!(read_directory(&whole[..len]).is_err(), "the first {len} bytes of the body");
    }
}

#[test]
fn a_directory_has_at_most_4096_pieces() {
    let held = |of: usize| {
        let mut id = PieceId::default();
        id.0[..8].copy_from_slice(&(of as u64).to_le_bytes());
        Held { kind: PieceKind::Content, id, stored: 1, inflated: 0 }
    };
    let body = |pieces: usize| {
        let directory = encode_directory(&(0..pieces).map(held).collect::<Vec<_>>());
        let len = u32::try_from(directory.len()).unwrap();
        [&vec![7; pieces], &directory[..], &len.to_le_bytes()].concat()
    };
    assert_eq!(read_directory(&body(4_096)).unwrap().len(), 4_096);
    assert_eq!(read_directory(&body(4_097)).unwrap_err().kind(), ErrorKind::Corrupt);
}

/// Any directory that is taken has one encoding; any that is written is taken as what it was.
#[test]
fn directories_have_one_encoding() {
    let mut taken = 0;
    for seed in 0..4_000 {
        let random = noise(seed + 1, 400);
        let pieces = 1 + usize::from(random[0] % 6);
        let held = |at: usize| {
            let random = &random[10 + 40 * at..];
            let kind = borsh::from_slice(&[1 + random[0] % 6]).unwrap();
            let stored = 1 + u32::from(random[1] % 30);
            let inflated = if random[2] < 128 { 0 } else { stored + 1 + u32::from(random[3]) };
            Held { kind, id: PieceId(random[4..36].try_into().unwrap()), stored, inflated }
        };
        let told: Vec<Held> = (0..pieces).map(held).collect();
        let stored = told.iter().map(|held| held.stored as usize).sum();
        let directory = encode_directory(&told);
        let len = u32::try_from(directory.len()).unwrap();
        let mut body = [&vec![7; stored], &directory[..], &len.to_le_bytes()].concat();
        assert_eq!(read_directory(&body).as_ref(), Ok(&told));
        // A few bytes are changed: what is taken all the same encodes to just that.
        for change in random[300..].chunks(3).take(1 + usize::from(random[1] % 3)) {
            let at = body.len() - 1 - usize::from(u16::from_le_bytes([change[0], change[1]])) % (directory.len() + 4);
            body[at] ^= change[2];
        }
        if let Ok(read) = read_directory(&body) {
            taken += 1;
            let stored: usize = read.iter().map(|held| held.stored as usize).sum();
            let again = encode_directory(&read);
            let len = u32::try_from(again.len()).unwrap();
            assert_eq!([&body[..stored], &again, &len.to_le_bytes()].concat(), body);
        }
    }
    assert!(taken > 500, "{taken} were changed and taken");
}

#[test]
fn a_repeated_entropy_repeats_no_id_for_other_content() {
    let id = |full: &FullPack, entropy, epoch| full.draw_id(&device(), &mut Frozen(entropy), epoch);
    let one = || pack(&[b"one".to_vec()]).0;
    let of_class = |class| {
        let mut pack = PackBuilder::new(class, PACK_BYTES).unwrap();
        pack.add(&piece(PieceKind::Content, b"one")).unwrap();
        pack.finish().unwrap()
    };
    let mut ids = vec![
        id(&one(), 1, EPOCHS[0]),
        id(&one(), 2, EPOCHS[0]),
        id(&one(), 1, EPOCHS[1]),
        id(&of_class(Class::Tree), 1, EPOCHS[0]),
        id(&pack(&[b"eno".to_vec()]).0, 1, EPOCHS[0]),
        id(&pack(&[b"one".to_vec(), b"two".to_vec()]).0, 1, EPOCHS[0]),
        id(&pack(&[b"two".to_vec(), b"one".to_vec()]).0, 1, EPOCHS[0]),
        one().draw_id(&DeviceSecret::from_bytes([1; 32]), &mut Frozen(1), EPOCHS[0]),
    ];
    assert_eq!(id(&one(), 1, EPOCHS[0]), ids[0], "the same bytes may have the same id");
    assert_eq!(id(&of_class(Class::Data), 1, EPOCHS[0]), ids[0]);
    ids.sort();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

/// A pack's id stands for its bytes, and the directory tells of a frame only its length: this is what the compressor of that
/// number makes.
#[test]
#[cfg_attr(miri, ignore = "slow: compresses")]
fn another_compressor_has_another_number() {
    let words = b"tidelock log append builds; git commit --amend; ".repeat(900);
    let piece = piece(PieceKind::Content, &[&words[..], &noise(1, 30_000), &words].concat());
    assert_eq!(CODEC_VERSION, 1);
    assert_eq!(
        Hash::of(&piece.stored).to_string(),
        "01acede917565c7a3686f4af208e32c6332af0dc5e91cc15338299b1bf2b091d",
        "the compressor makes other bytes: raise CODEC_VERSION"
    );
}

#[test]
fn a_piece_is_compressed_where_that_saves_three_in_a_hundred() {
    // Noise, and so many zeros behind it: from nothing saved to a sixteenth.
    let (mut kept, mut dropped) = (0, 0);
    for zeros in (0..32_000).step_by(1_000) {
        let plaintext = [noise(1, 500_000 - zeros), vec![0; zeros]].concat();
        let frame = zrip::compress(&plaintext, 1).unwrap().len();
        let piece = piece(PieceKind::Content, &plaintext);
        match 100 * frame <= 97 * plaintext.len() {
            true => {
                assert_eq!((piece.stored.len(), piece.inflated), (frame, 500_000));
                kept += 1;
            }
            false => {
                assert!(piece.stored == plaintext && piece.inflated == 0);
                dropped += usize::from(frame < plaintext.len());
            }
        }
    }
    assert!(kept > 2 && dropped > 2, "{kept} kept; {dropped} were shorter, too little");
}

#[test]
fn another_decoder_reads_what_is_compressed() {
    let plaintext = [b"all the same ".repeat(20_000), noise(1, 100_000), vec![0; 300_000]].concat();
    let piece = piece(PieceKind::TreeChunk, &plaintext);
    let mut again = Vec::with_capacity(plaintext.len());
    ruzstd::decoding::FrameDecoder::new().decode_all_to_vec(&piece.stored, &mut again).unwrap();
    assert!(again == plaintext);
}

#[test]
#[cfg_attr(miri, ignore = "slow: megabytes")]
fn a_pack_is_filled_up_to_its_length() {
    let mut pack = PackBuilder::new(Class::Attachments, PACK_BYTES).unwrap();
    assert!(pack.is_empty());
    for number in 0..7 {
        let spot = pack.add(&piece(PieceKind::Content, &noise(number + 1, 1 << 20))).unwrap().unwrap();
        assert_eq!((u64::from(spot.no), spot.at), (number, u32::try_from(number << 20).unwrap()));
    }
    let eighth = piece(PieceKind::Content, &noise(8, 1 << 20));
    assert_eq!(pack.add(&eighth).unwrap(), None, "eight pieces and a directory are more than 8 MiB");
    let small = pack.add(&piece(PieceKind::List, &noise(9, 7 * 32))).unwrap().unwrap();
    assert_eq!(small.no, 7);
    let first = pack.add(&piece(PieceKind::Content, &noise(1, 1 << 20))).unwrap().unwrap();
    assert_eq!((first.no, first.at), (0, 0), "what is there is not laid in again");
    let full = pack.finish().unwrap();
    assert_eq!(full.padded.len() * 8, 57 << 20, "7.125 MiB");
}

#[test]
#[cfg_attr(miri, ignore = "slow: megabytes")]
fn a_piece_that_is_too_long_has_a_pack_of_its_own() {
    let long = piece(PieceKind::Content, &noise(1, 4 << 20));
    let mut pack = PackBuilder::new(Class::Data, PACK_BYTES_MIN).unwrap();
    assert!(pack.add(&long).unwrap().is_some());
    assert_eq!(pack.add(&piece(PieceKind::Content, b"x")).unwrap(), None);
    let at = at(Class::Data, ObjectId([1; 16]));
    assert!(at.open(&pack.finish().unwrap().seal(&at)).is_ok());

    let mut pack = PackBuilder::new(Class::Tree, PACK_BYTES_MIN).unwrap();
    let longest = (15 << 20) - 4 - 49;
    assert!(pack.add(&piece(PieceKind::TreeRoot, &noise(2, longest))).unwrap().is_some());
    let sealed = pack.finish().unwrap().seal(&at);
    assert!(sealed.len() as u64 <= SEALED_BYTES_MAX && at.open(&sealed).is_ok());
    let mut pack = PackBuilder::new(Class::Tree, PACK_BYTES_MIN).unwrap();
    let error = pack.add(&piece(PieceKind::TreeRoot, &noise(2, longest + 1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(pack.is_empty() && pack.finish().is_none(), "an empty pack is not written");
}

#[test]
fn what_no_pack_may_be_told_is_refused() {
    for len in [0, PACK_BYTES_MIN - 1, PACK_BYTES_MAX + 1, u32::MAX] {
        assert_eq!(PackBuilder::new(Class::Data, len).unwrap_err().kind(), ErrorKind::Invalid, "{len}");
    }
    let new = |kind, len| Piece::new(kind, PieceId::default(), vec![0; len].into());
    assert_eq!(new(PieceKind::Content, 0).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(new(PieceKind::Content, (4 << 20) + 1).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(new(PieceKind::Usage, (4 << 20) + 1).is_ok());
    assert_eq!(new(PieceKind::Usage, (16 << 20) + 1).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_reader_takes_no_pack_above_16_mib() {
    let at = at(Class::Data, ObjectId([1; 16]));
    let error = at.open(&vec![0; (16 << 20) + 1]).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "a pack is longer than it may be"));
}

#[test]
fn a_body_that_is_padded_otherwise_is_refused() {
    let (full, _) = pack(&[b"a scan".to_vec()]);
    assert!(Pack::read(full.padded.clone()).is_ok());
    assert!(Pack::read([&full.padded[..], &[0]].concat()).is_err());
    assert!(Pack::read(pad_padme(&full.padded)).is_err());
}
