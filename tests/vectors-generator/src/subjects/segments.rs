//! Segments and their frames (docs/format/replica.md, "Runs").

use super::tails::rich;
use crate::bytes::{Id, join, squeezed, stored};
use crate::case::{File, hex};
use crate::ops::{Op, Run, Segment, map, raw_frame, raw_zstd};
use crate::world::{OTHER_VAULT, VAULT, space};
use serde_json::{Value, json};

/// What C zstd 1.5.7 at level 3 makes of the payloads of [`wordy`].
const BY_C: [&str; 3] =
    [include_str!("zstd/plain.hex"), include_str!("zstd/checksum.hex"), include_str!("zstd/without-size.hex")];

fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn given(device: Id, plaintext: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "space": hex(space()), "device": hex(device), "plaintext": hex(plaintext)})
}

/// One op whose payloads compress well.
pub(crate) fn wordy() -> Run {
    Run::first(rich().device, vec![Op::put(map("notes"), "k", &"text ".repeat(99))])
}

pub(crate) fn file() -> File {
    let mut file = File::new("segments", "docs/format/replica.md: Runs. The plaintext is without its padding");
    let (rich, wordy) = (rich(), wordy());
    let device = rich.device;
    let home = [VAULT, space(), device];
    let segment = wordy.columns().segment(home);
    let content = &segment.payload_contents[0];
    let framed = |frame: Vec<u8>| Segment { payloads: vec![frame], ..segment.clone() };

    let mut take = |name: &str, run: &Run, segment: &Segment| {
        file.value(name, "segment", given(device, &segment.bytes()), run.value());
    };
    take("stored frames", &rich, &rich.columns().segment(home));
    take("one op", &wordy, &segment);
    take("a frame of one raw block", &wordy, &framed(raw_frame(content)));
    take("heads in a zstd frame", &wordy, &Segment { heads: raw_frame(&segment.heads_content), ..segment.clone() });
    let zstd: Vec<Vec<u8>> = BY_C.iter().map(|text| unhex(text)).collect();
    take("a frame that C zstd made", &wordy, &framed(squeezed(content.len(), &zstd[0])));
    take("a frame with a checksum", &wordy, &framed(squeezed(content.len(), &zstd[1])));
    take("a frame without its content's size", &wordy, &framed(squeezed(content.len(), &zstd[2])));
    take("a repeated byte", &repeated(), &{
        let segment = repeated().columns().segment(home);
        let content = &segment.payload_contents[0];
        let value_at = content.len() - 300;
        Segment { payloads: vec![squeezed(content.len(), &run_length(&content[..value_at], b'a', 300))], ..segment }
    });

    let mut refuse = |name: &str, plaintext: Vec<u8>| {
        file.refused(name, "segment", given(device, &plaintext), "corrupt");
    };
    let mut spoil = |name: &str, change: &dyn Fn(&mut Segment)| {
        let mut changed = segment.clone();
        change(&mut changed);
        refuse(name, changed.bytes());
    };
    spoil("another vault", &|s| s.home[0] = OTHER_VAULT);
    spoil("another space", &|s| s.home[1] = [9; 16]);
    spoil("another device", &|s| s.home[2] = rich.base[0].first.0);
    spoil("from 0", &|s| s.from = 0);
    spoil("a first op over another tag", &|s| s.before = [0; 8]);
    spoil("a payloads' frame too few", &|s| s.payloads.clear());
    spoil("a payloads' frame too many", &|s| s.payloads.push(stored(&[0; 4])));
    spoil("a byte after the heads", &|s| s.heads = stored(&join(&[&s.heads_content, &[0]])));
    spoil("a byte after the payloads", &|s| s.payloads = vec![stored(&join(&[content, &[0]]))]);
    spoil("heads cut short", &|s| s.heads = stored(&s.heads_content[..s.heads_content.len() - 1]));
    spoil("a frame of form 2", &|s| s.payloads[0][0] = 2);
    let mut frame = |name: &str, frame: Vec<u8>| spoil(name, &|s| s.payloads = vec![frame.clone()]);
    frame("declared a byte longer", squeezed(content.len() + 1, &raw_zstd(content)));
    frame("declared a byte shorter", squeezed(content.len() - 1, &raw_zstd(content)));
    frame("declared as more than 8 MiB", squeezed(8_388_609, &raw_zstd(content)));
    frame("declared as 4 GiB", squeezed(u32::MAX as usize, &raw_zstd(content)));
    frame("two zstd frames", squeezed(content.len(), &join(&[&raw_zstd(&content[..9]), &raw_zstd(&content[9..])])));
    frame("an empty zstd frame behind", squeezed(content.len(), &join(&[&raw_zstd(content), &raw_zstd(b"")])));
    let skippable = b"\x50\x2a\x4d\x18\x01\0\0\0x";
    frame("a skippable frame behind", squeezed(content.len(), &join(&[&raw_zstd(content), skippable])));
    frame("a skippable frame before", squeezed(content.len(), &join(&[skippable, &raw_zstd(content)])));
    frame("a byte behind the zstd frame", squeezed(content.len(), &join(&[&raw_zstd(content), &[0]])));
    frame("a zstd frame cut short", squeezed(content.len(), &raw_zstd(content)[..content.len()]));
    frame("no zstd frame", squeezed(content.len(), content));
    frame("nothing compressed", squeezed(content.len(), b""));
    frame("nothing, declared as nothing", squeezed(0, b""));
    frame(
        "a frame with a dictionary's id",
        squeezed(content.len(), &{
            let raw = raw_zstd(content);
            join(&[&raw[..4], &[raw[4] | 1, 7], &raw[5..]])
        }),
    );
    frame(
        "a checksum that is wrong",
        squeezed(content.len(), &{
            let mut altered = zstd[1].clone();
            *altered.last_mut().expect("a checksum") ^= 1;
            altered
        }),
    );
    frame(
        "the reserved bit of a zstd frame's header",
        squeezed(content.len(), &{
            let mut altered = raw_zstd(content);
            altered[4] |= 8;
            altered
        }),
    );
    frame(
        "a block of the reserved type",
        squeezed(content.len(), &{
            let mut altered = raw_zstd(content);
            altered[9] |= 6;
            altered
        }),
    );
    frame(
        "a content size that its blocks don't have",
        squeezed(content.len(), &{
            let mut altered = raw_zstd(content);
            altered[5] ^= 1;
            altered
        }),
    );
    frame("a window of 16 MiB", squeezed(content.len(), &windowed(content, 14 << 3)));

    let whole = segment.bytes();
    refuse("nothing", vec![]);
    refuse("a byte short", whole[..whole.len() - 1].to_vec());
    refuse("a byte after the end", join(&[&whole, &[0]]));
    let none = wordy.then(vec![], vec![]).columns().segment(home);
    refuse("no op", none.bytes());
    refuse("a tail", wordy.tail());
    file
}

fn repeated() -> Run {
    Run::first(rich().device, vec![Op::put(map("notes"), "k", &"a".repeat(300))])
}

/// One zstd frame of a raw block and one that repeats a byte.
fn run_length(start: &[u8], byte: u8, times: usize) -> Vec<u8> {
    let len = ((start.len() + times) as u32).to_le_bytes();
    let (raw, repeated) = ((start.len() as u32) << 3, (times as u32) << 3 | 1 << 1 | 1);
    join(&[
        &[0x28, 0xb5, 0x2f, 0xfd, 0xa0],
        &len,
        &raw.to_le_bytes()[..3],
        start,
        &repeated.to_le_bytes()[..3],
        &[byte],
    ])
}

/// One raw block in a frame that names its window instead of its size.
fn windowed(content: &[u8], window: u8) -> Vec<u8> {
    let block = (content.len() as u32) << 3 | 1;
    join(&[&[0x28, 0xb5, 0x2f, 0xfd, 0, window], &block.to_le_bytes()[..3], content])
}
