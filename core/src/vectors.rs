//! Runs the files of `tests/vectors`: each check is a function from what a case is given to its value or refusal.

use crate::{DeviceId, EpochId, Error, SpaceId, Tag, VaultId};
use serde_json::{Value, json};

/// A file of vectors, by its subject.
macro_rules! vectors {
    ($subject:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/", $subject, ".json"))
    };
}
pub(crate) use vectors;

/// Runs every case of a file; `check` is given the check's name and its inputs.
#[track_caller]
pub(crate) fn run(file: &str, check: impl Fn(&str, &Given<'_>) -> Result<Value, Error>) {
    let file: Value = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases {
        let (name, what) = (case["name"].as_str().unwrap(), case["check"].as_str().unwrap());
        let came = check(what, &Given(&case["given"]));
        let right = match (&came, &case["value"], &case["refused"]) {
            (Ok(value), expected, Value::Null) => value == expected,
            (Err(error), Value::Null, kind) => kind == error.kind().name(),
            _ => false,
        };
        if !right {
            let came = came.map_or_else(|error| format!("refused: {error}"), |value| value.to_string());
            failures.push(format!("{name}: {came:.2000}\n  expected {} {}", case["value"], case["refused"]));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// What a case is given.
pub(crate) struct Given<'a>(pub(crate) &'a Value);

impl Given<'_> {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("no text `{field}`"))
    }

    pub(crate) fn hex(&self, field: &str) -> Vec<u8> {
        unhex(self.text(field))
    }

    pub(crate) fn fixed<const N: usize>(&self, field: &str) -> [u8; N] {
        self.hex(field).try_into().unwrap()
    }

    /// A number of 64 bits, which is text.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap()
    }

    pub(crate) fn small(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap()
    }

    pub(crate) fn epoch(&self, field: &str) -> EpochId {
        epoch(self.text(field))
    }

    pub(crate) fn vault(&self) -> VaultId {
        VaultId(self.fixed("vault"))
    }

    pub(crate) fn space(&self) -> SpaceId {
        SpaceId(self.fixed("space"))
    }

    pub(crate) fn device(&self) -> DeviceId {
        DeviceId(self.fixed("device"))
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    json!(bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub(crate) fn epoch(text: &str) -> EpochId {
    let (number, id) = text.split_once('-').unwrap();
    EpochId { number: u32::from_str_radix(number, 16).unwrap(), id: unhex(id).try_into().unwrap() }
}

pub(crate) fn tag(text: &Value) -> Tag {
    Tag(unhex(text.as_str().unwrap()).try_into().unwrap())
}
