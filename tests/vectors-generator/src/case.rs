//! What a vector is, and how it is written down.

use serde::Serialize;
use serde_json::Value;

/// One subject's vectors.
#[derive(Serialize)]
pub struct File {
    /// The file's name without its ending.
    pub subject: &'static str,
    /// Where the rules stand, and what is special about reading these.
    pub about: &'static str,
    /// The vectors.
    pub cases: Vec<Case>,
}

/// One vector: a check, what it is given, and the value or the refusal that must come of it.
#[derive(Serialize)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// What is done: the README lists them.
    pub check: &'static str,
    /// The check's inputs.
    pub given: Value,
    /// What must come of it.
    #[serde(flatten)]
    pub expected: Expected,
}

/// What must come of a check.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// This value.
    Value(Value),
    /// A refusal with an error of this kind.
    Refused(&'static str),
}

impl File {
    pub(crate) fn new(subject: &'static str, about: &'static str) -> Self {
        Self { subject, about, cases: Vec::new() }
    }

    pub(crate) fn value(&mut self, name: impl Into<String>, check: &'static str, given: Value, value: Value) {
        self.push(name.into(), check, given, Expected::Value(value));
    }

    pub(crate) fn refused(&mut self, name: impl Into<String>, check: &'static str, given: Value, kind: &'static str) {
        self.push(name.into(), check, given, Expected::Refused(kind));
    }

    fn push(&mut self, name: String, check: &'static str, given: Value, expected: Expected) {
        assert!(self.cases.iter().all(|case| case.name != name), "{}: {name} twice", self.subject);
        self.cases.push(Case { name, check, given, expected });
    }

    /// The file's name.
    pub fn name(&self) -> String {
        format!("{}.json", self.subject)
    }

    /// The file's text: a case a line.
    pub fn text(&self) -> String {
        let (subject, about) = (json(&self.subject), json(&self.about));
        let mut out = format!("{{\n \"subject\": {subject},\n \"about\": {about},\n \"cases\": [\n");
        for (at, case) in self.cases.iter().enumerate() {
            let comma = if at + 1 < self.cases.len() { "," } else { "" };
            out += &format!("  {}{comma}\n", json(case));
        }
        out + " ]\n}\n"
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values serialise")
}

/// Lower-case hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
