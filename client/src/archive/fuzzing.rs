//! What the fuzzer of `tests/fuzz` asks of an archive's lines, which only this module sees. Only with `--cfg fuzzing`.

use super::{Header, LINE_BYTES_MAX, Line, LineKind, Lines, STANDARD};
use base64::Engine as _;
use tidelock_core::replica::{Collection, Stamp};

/// Reads every line as an import does; what is taken is written in one form, which reads as the same.
pub fn archive(mut bytes: &[u8]) {
    let mut lines = Lines { input: &mut bytes, number: 0, text: Vec::new() };
    let Ok(Some(header)) = lines.next::<Header>() else { return };
    let written = serde_json::to_vec(&header).expect("a header is written");
    let again: Header = serde_json::from_slice(&written).expect("what is written reads back");
    assert_eq!(serde_json::to_vec(&again).expect("a header is written"), written);

    while let Ok(Some(line)) = lines.next::<Line>() {
        assert!(lines.text.len() as u64 <= LINE_BYTES_MAX, "a line was read beyond its bound");
        if matches!(line.kind, LineKind::Document) && line.key.contains('\0') {
            continue; // no document's id: an import refuses it
        }
        let Ok(value) = STANDARD.decode(&line.value) else { continue };
        let collection = match line.kind {
            LineKind::Map => Collection::map(line.name.clone()),
            LineKind::Log => Collection::log(line.name.clone()),
            LineKind::Document => Collection::documents(line.name.clone()),
        };
        let stamp = Stamp { ms: line.stamp.ms, counter: line.stamp.counter };
        let exported = Line::new(&collection, &line.key, &value, stamp, line.sibling).expect("no root record");
        assert_eq!(exported.value, line.value, "a value has two forms");
        let written = serde_json::to_vec(&exported).expect("a line is written");
        let again: Line = serde_json::from_slice(&written).expect("what is written reads back");
        assert_eq!((&again.name, &again.key, &again.value), (&line.name, &line.key, &line.value));
        assert_eq!((again.stamp.ms, again.stamp.counter, again.sibling), (stamp.ms, stamp.counter, line.sibling));
    }
}
