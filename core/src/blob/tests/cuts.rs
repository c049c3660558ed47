//! Where content is cut.

use super::*;
use std::sync::Arc;

/// The lengths of the pieces of a content that comes in slices of at most `step` bytes.
pub(super) fn lengths(gear: Arc<Gear>, content: &[u8], step: usize) -> Vec<usize> {
    let mut cutter = Cutter::new(gear);
    let (mut lengths, mut running) = (Vec::new(), 0);
    for mut slice in content.chunks(step.min(content.len().max(1))) {
        while let Some(last) = cutter.cut(slice) {
            lengths.push(running + last);
            (running, slice) = (0, &slice[last..]);
        }
        running += slice.len();
    }
    lengths.extend((running > 0).then_some(running));
    lengths
}

fn other_gear() -> Arc<Gear> {
    let root = borsh::from_slice::<RootSecret>(&[9; 32]).unwrap();
    Arc::new(Keys::new(&KeyRing::first(VAULT, EPOCHS[0], root).unwrap(), space()).gear())
}

/// `tests/vectors/cuts.json` holds the very lengths, which every build must give; here, that nothing but the bytes matters.
#[test]
#[cfg_attr(miri, ignore = "slow: megabytes")]
fn cuts_are_the_same_native_and_wasm() {
    let content = noise(1, 9_000_000);
    let gear = Arc::new(keys().gear());
    let whole = lengths(gear.clone(), &content, usize::MAX);
    assert!(whole.len() > 4 && whole.iter().sum::<usize>() == content.len());
    for step in [1 << 20, 65_537, 524_287, 524_288, 99] {
        assert_eq!(lengths(gear.clone(), &content, step), whole, "in slices of {step}");
    }
    let (last, others) = whole.split_last().unwrap();
    assert!(others.iter().all(|len| (CUT_BYTES_MIN..=CUT_BYTES_MAX).contains(len)), "{whole:?}");
    assert!((1..=CUT_BYTES_MAX).contains(last));
}

#[test]
#[cfg_attr(miri, ignore = "slow: megabytes")]
fn a_key_changes_all_cuts() {
    let content = noise(2, 12_000_000);
    let ends = |gear| {
        let mut end = 0;
        lengths(gear, &content, 1 << 20).into_iter().map(|len| (end += len, end).1).collect::<Vec<_>>()
    };
    let (mine, other) = (ends(Arc::new(keys().gear())), ends(other_gear()));
    let shared: Vec<_> = mine.iter().filter(|end| other.contains(end)).collect();
    assert_eq!(shared, [&content.len()], "only the content's end is everybody's");
}

#[test]
#[cfg_attr(miri, ignore = "slow: megabytes")]
fn cuts_come_back_behind_an_insertion() {
    let (content, gear) = (noise(3, 12_000_000), Arc::new(keys().gear()));
    let ends = |content: &[u8]| {
        let mut left = content.len();
        lengths(gear.clone(), content, 1 << 20).into_iter().map(|len| (left -= len, left).1).collect::<Vec<_>>()
    };
    let mut longer = content.clone();
    longer.splice(1_000_000..1_000_000, *b"put in");
    let (before, after) = (ends(&content), ends(&longer));
    let same = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
    assert!(same + 3 >= before.len() && same > 3, "{before:?} {after:?}");
}

#[test]
fn a_gear_prints_nothing_of_itself() {
    assert_eq!(format!("{:?}", keys().gear()), "Gear(redacted)");
}
