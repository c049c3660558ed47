//! What the fuzzers begin with: the shared vectors and recorded answers, in the form that each target reads.

use crate::Outcome;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Seeds by target.
pub(super) type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// All seeds. Targets whose bytes are choices have none.
pub(super) fn from_vectors(workspace: &Path) -> Outcome<Seeds> {
    let mut seeds = Seeds::new();
    for subject in SUBJECTS {
        let file = workspace.join(format!("tests/vectors/{}.json", subject.file));
        let vectors = read_json(&file)?;
        let cases = vectors["cases"].as_array().ok_or_else(|| format!("{} has no cases", file.display()))?;
        for case in cases.iter().filter(|case| case["check"] == subject.check) {
            let seed = (subject.seed)(&case["given"]);
            seeds
                .entry(subject.target)
                .or_default()
                .push(seed.ok_or_else(|| format!("{}: the case {} has another form", file.display(), case["name"]))?);
        }
    }
    let model = read_json(&workspace.join("core/tests/vectors/crypto/tidelock.json"))?;
    for (target, before, field) in CRYPTO {
        let bytes = hex(&model[field]).ok_or_else(|| format!("the crypto vectors have no `{field}`"))?;
        seeds.entry(target).or_default().push([before, &bytes].concat());
    }
    answers(workspace, &mut seeds)?;
    Ok(seeds)
}

/// Cases of one check of one file of `tests/vectors`.
struct Subject {
    file: &'static str,
    check: &'static str,
    target: &'static str,
    seed: fn(&Value) -> Option<Vec<u8>>,
}

const fn subject(
    file: &'static str,
    check: &'static str,
    target: &'static str,
    seed: fn(&Value) -> Option<Vec<u8>>,
) -> Subject {
    Subject { file, check, target, seed }
}

/// Bytes that come before say which of a target's readers is meant.
const SUBJECTS: &[Subject] = &[
    subject("envelope", "open", "sealed", |given| sealed(given, u8::try_from(given["kind"].as_u64()?).ok()?)),
    subject("objects", "object", "sealed", |given| sealed(given, kind(given["kind"].as_str()?)?)),
    subject("slots", "open-slot", "slots", |given| {
        let opener = ["recovery", "passphrase", "device"].iter().position(|name| given["opener"] == **name)?;
        Some([&[u8::try_from(opener).ok()?, 0, 0][..], &hex(&given["sealed"])?].concat())
    }),
    subject("slots", "open-slot", "small", |given| after(4, &given["sealed"])),
    subject("keys", "open-keys", "keys", |given| after(1, &given["sealed"])),
    subject("objects", "object", "keys", |given| Some([&[0][..], &ring(given)?].concat())),
    subject("headers", "header", "small", |given| after(0, &given["bytes"])),
    subject("records", "device-record", "small", |given| after(1, &given["value"])),
    subject("records", "slot-record", "small", |given| after(1, &given["value"])),
    subject("snapshots", "deletions", "small", |given| after(2, &given["plaintext"])),
    subject("padding", "unpad", "small", |given| after(3, &given["padded"])),
    subject("lines", "vector", "small", |given| after(5, &given["bytes"])),
    subject("codes", "read-code", "recovery_code", |given| text(&given["text"])),
    subject("manifests", "manifest", "manifest", |given| {
        // The target signs the body itself.
        let mut signed = hex(&given["signed"])?;
        signed.truncate(signed.len().saturating_sub(64));
        Some(signed)
    }),
    subject("beacons", "beacon", "beacon", |given| hex(&given["plaintext"])),
    subject("segments", "segment", "segment", |given| hex(&given["plaintext"])),
    subject("tails", "tail", "tail", |given| hex(&given["tail"])),
    subject("snapshots", "index", "index", |given| hex(&given["plaintext"])),
    subject("snapshots", "chunk", "chunk", |given| hex(&given["plaintext"])),
    subject("snapshots", "chunk-range", "chunk", |given| hex(&given["plaintext"])),
    subject("packs", "directory", "pack", |given| after(0, &given["body"])),
    subject("addresses", "address", "store_uri", |given| text(&given["text"])),
    subject("archives", "archive", "archive", |given| text(&given["text"])),
];

/// Fields of core's own vectors.
const CRYPTO: [(&str, &[u8], &str); 5] = [
    ("keys", &[1], "keys"),
    ("slots", &[0, 0, 0], "slot_recovery"),
    ("slots", &[1, 0, 0], "slot_passphrase"),
    ("slots", &[2, 0, 0], "slot_device"),
    ("sealed", &[3, 0, 0], "sealed_5"),
];

/// Answers as servers write them: the documents in core's tests of them.
fn answers(workspace: &Path, seeds: &mut Seeds) -> Outcome<()> {
    for document in documents(&workspace.join("core/tests/s3_answers.rs"))? {
        let target = if document.contains("<ListBucketResult") { "s3_list" } else { "s3_answer" };
        let before: &[&[u8]] = match target {
            "s3_list" => &[&[0x40], &[0x41]],
            // Store, call, status, number of headers: a GET that found nothing, a DELETE of many that was done.
            _ => &[&[0, 0, 1, 0], &[0, 8, 0, 0]],
        };
        for before in before {
            seeds.entry(target).or_default().push([before, document.as_bytes()].concat());
        }
    }
    let objects = documents(&workspace.join("core/tests/s3_action_answers.rs"))?;
    let buckets = documents(&workspace.join("core/tests/s3_bucket_answers.rs"))?;
    for document in objects.into_iter().chain(buckets) {
        // The actions with a document in their answer.
        for action in [15, 16, 18, 20, 21, 22, 23, 24, 25] {
            seeds.entry("s3_answer").or_default().push([&[1, action, 0, 0], document.as_bytes()].concat());
        }
    }
    for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.042Z"] {
        seeds.entry("s3_date").or_default().push([&[0], date.as_bytes()].concat());
    }
    Ok(())
}

/// The XML documents that stand in a test's source.
fn documents(file: &Path) -> Outcome<Vec<String>> {
    let source = fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let texts = source.split("r#\"").skip(1).filter_map(|rest| rest.split("\"#").next());
    Ok(texts.filter(|text| text.starts_with("<?xml")).map(str::to_owned).collect())
}

/// Kind, how it is read, path, and the object.
fn sealed(given: &Value, kind: u8) -> Option<Vec<u8>> {
    let path = given["path"].as_str()?;
    // A path that has no place in a seed is one of the vectors' own refusals.
    let len = u8::try_from(path.len()).unwrap_or(u8::MAX);
    let path = &path.as_bytes()[..usize::from(len)];
    Some([&[kind.wrapping_sub(1), 0, len][..], path, &hex(&given["sealed"])?].concat())
}

fn kind(name: &str) -> Option<u8> {
    match name {
        "beacon" => Some(3),
        "manifest" => Some(4),
        "segment" => Some(5),
        "snapshot-index" => Some(6),
        "snapshot-chunk" => Some(7),
        _ => None,
    }
}

/// A ring as a local store keeps it: the vault, then number, id and secret of each epoch, then which one is current: the last.
fn ring(given: &Value) -> Option<Vec<u8>> {
    let epochs = given["ring"].as_array()?;
    let mut out = hex(&given["vault"])?;
    out.extend(u32::try_from(epochs.len()).ok()?.to_le_bytes());
    let mut current = Vec::new();
    for entry in epochs {
        let (number, id) = entry["epoch"].as_str()?.split_once('-')?;
        current = [&u32::from_str_radix(number, 16).ok()?.to_le_bytes()[..], &unhex(id)?].concat();
        out.extend(&current);
        out.extend(hex(&entry["root_secret"])?);
    }
    out.extend(current);
    Some(out)
}

fn after(which: u8, bytes: &Value) -> Option<Vec<u8>> {
    Some([&[which][..], &hex(bytes)?].concat())
}

fn text(value: &Value) -> Option<Vec<u8>> {
    Some(value.as_str()?.as_bytes().to_vec())
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    unhex(value.as_str()?)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn read_json(file: &Path) -> Outcome<Value> {
    let bytes = fs::read(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{} is not JSON: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz;

    #[test]
    fn every_vector_has_its_form_and_every_seed_its_target() {
        let seeds = from_vectors(crate::test::workspace()).expect("the vectors are there");
        let targets = fuzz::targets().expect("the targets are there");
        for (target, seeds) in &seeds {
            assert!(targets.iter().any(|known| known == target), "no target `{target}`");
            assert!(seeds.len() > 1 && seeds.iter().any(|seed| !seed.is_empty()), "{target} has no seeds");
        }
        assert!(seeds.len() >= 14, "only {:?} have seeds", seeds.keys());
    }

    #[test]
    fn a_sealed_object_s_seed_begins_with_kind_and_path() {
        let given = serde_json::json!({"path": "a/b", "sealed": "0fff"});
        assert_eq!(sealed(&given, 5), Some(vec![4, 0, 3, b'a', b'/', b'b', 0x0f, 0xff]));
    }
}
