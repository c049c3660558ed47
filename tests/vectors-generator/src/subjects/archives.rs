//! Lines of archives (docs/ARCHIVE.md).

use crate::case::File;
use crate::world::VAULT;
use serde_json::{Value, json};

const HEADER: &str = r#"{"tidelock_archive":1,"vault":null,"exported_unix_ms":1700000000000}"#;
const MILK: &str =
    r#"{"kind":"map","name":"todo","key":"milk","value":"dHdvIGxpdHJlcw==","stamp":{"ms":1700000000000,"counter":0}}"#;
const ENTRY: &str = r#"{"kind":"log","name":"shell","key":"018bcfe568000000000000000000000a","value":"bHM=","stamp":{"ms":1700000000000,"counter":3}}"#;

pub(crate) fn file() -> File {
    let mut file = File::new(
        "archives",
        "docs/ARCHIVE.md. Into an empty vault. The value counts what was done and has what the vault holds then",
    );
    let milk =
        || json!({"maps": {"todo": {"milk": "two litres"}}, "logs": {}, "added": 1, "siblings": 0, "unchanged": 0});
    let nothing = || json!({"maps": {}, "logs": {}, "added": 0, "siblings": 0, "unchanged": 0});
    let mut take = |name: &str, text: String, value: Value| file.value(name, "archive", json!({"text": text}), value);
    take("only a header", format!("{HEADER}\n"), nothing());
    take("a header without its line feed", HEADER.to_owned(), nothing());
    let vault = HEADER.replace("null", &format!("\"{}\"", crate::case::hex(VAULT)));
    take("a header that names a vault", format!("{vault}\n"), nothing());
    take("a map's record", format!("{HEADER}\n{MILK}\n"), milk());
    take("a last line without its line feed", format!("{HEADER}\n{MILK}"), milk());
    take("empty lines", format!("\n{HEADER}\n\n  \n{MILK}\n\n"), milk());
    take("carriage returns", format!("{HEADER}\r\n{MILK}\r\n"), milk());
    take(
        "fields in another order",
        {
            let line = r#"{"stamp":{"counter":0,"ms":1700000000000},"value":"dHdvIGxpdHJlcw==","key":"milk","name":"todo","kind":"map"}"#;
            format!("{HEADER}\n{line}\n")
        },
        milk(),
    );
    take("sibling: false", format!("{HEADER}\n{}\n", MILK.replace("}}", "},\"sibling\":false}")), milk());
    take(
        "a line twice",
        format!("{HEADER}\n{MILK}\n{MILK}\n"),
        json!({
            "maps": {"todo": {"milk": "two litres"}}, "logs": {}, "added": 2, "siblings": 0, "unchanged": 0,
        }),
    );
    take(
        "a log's entry",
        format!("{HEADER}\n{ENTRY}\n"),
        json!({
            "maps": {}, "logs": {"shell": {"018bcfe568000000000000000000000a": "ls"}}, "added": 1, "siblings": 0, "unchanged": 0,
        }),
    );
    take(
        "a sibling",
        format!("{HEADER}\n{MILK}\n{}\n", MILK.replace("}}", "},\"sibling\":true}")),
        json!({
            "maps": {"todo": {"milk": "two litres"}}, "logs": {}, "added": 1, "siblings": 1, "unchanged": 0,
        }),
    );
    take(
        "an empty value",
        format!("{HEADER}\n{}\n", MILK.replace("dHdvIGxpdHJlcw==", "")),
        json!({
            "maps": {"todo": {"milk": ""}}, "logs": {}, "added": 1, "siblings": 0, "unchanged": 0,
        }),
    );
    take(
        "a key beyond ASCII, escaped",
        format!("{HEADER}\n{}\n", MILK.replace("milk", "\\u00e9\\ud83d\\ude00")),
        json!({
            "maps": {"todo": {"é\u{1f600}": "two litres"}}, "logs": {}, "added": 1, "siblings": 0, "unchanged": 0,
        }),
    );

    let mut refuse = |name: &str, text: String, kind| file.refused(name, "archive", json!({"text": text}), kind);
    refuse("nothing", String::new(), "invalid");
    refuse("no header", format!("{MILK}\n"), "invalid");
    refuse("two headers", format!("{HEADER}\n{HEADER}\n"), "invalid");
    refuse("version 2", HEADER.replace(":1,", ":2,"), "unsupported");
    refuse("version 0", HEADER.replace(":1,", ":0,"), "unsupported");
    refuse("a version as text", HEADER.replace(":1,", ":\"1\","), "invalid");
    refuse("a header without its time", HEADER.replace(",\"exported_unix_ms\":1700000000000", ""), "invalid");
    refuse("a header with another field", HEADER.replace('}', ",\"x\":1}"), "invalid");
    refuse("no JSON", "tidelock\n".to_owned(), "invalid");
    let mut line = |name: &str, from: &str, to: &str| {
        refuse(name, format!("{HEADER}\n{}\n", MILK.replacen(from, to, 1)), "invalid");
    };
    line("another field", "{\"kind\"", "{\"x\":1,\"kind\"");
    line("a field twice", "{\"kind\"", "{\"kind\":\"map\",\"kind\"");
    line("a field missing", ",\"key\":\"milk\"", "");
    line("no stamp", ",\"stamp\":{\"ms\":1700000000000,\"counter\":0}", "");
    line("a stamp without its counter", ",\"counter\":0", "");
    line("a stamp with another field", ",\"counter\":0", ",\"counter\":0,\"x\":0");
    line("an unknown kind", "\"map\"", "\"set\"");
    line("a kind in capitals", "\"map\"", "\"Map\"");
    line("Tidelock's own kind", "\"map\"", "\"root\"");
    line("a value that is no base64", "dHdvIGxpdHJlcw==", "dHdv!");
    line("base64 without padding", "dHdvIGxpdHJlcw==", "dHdvIGxpdHJlcw");
    line("base64 with bits behind its end", "dHdvIGxpdHJlcw==", "dHdvIGxpdHJlcx==");
    line("base64 of the other alphabet", "dHdvIGxpdHJlcw==", "__8=");
    line("base64 with white space", "dHdvIGxpdHJlcw==", "dHdv IGxpdHJlcw==");
    line("a negative stamp", "1700000000000", "-1");
    line("a stamp of 2⁶⁴", "1700000000000", "18446744073709551616");
    line("a stamp with a fraction", "1700000000000", "1.5");
    line("a counter of 2³²", "\"counter\":0", "\"counter\":4294967296");
    line("an empty key", "\"milk\"", "\"\"");
    line("a key of 513 bytes", "milk", &"k".repeat(513));
    line("an empty name", "\"todo\"", "\"\"");
    line("a name of 129 bytes", "todo", &"n".repeat(129));
    line("a name with a control character", "todo", "to\\ndo");
    line("a list for a line", "{\"kind\"", "[{\"kind\"");
    line("a value that is null", "\"dHdvIGxpdHJlcw==\"", "null");
    line("a lone surrogate in a key", "milk", "\\ud83d");
    line("bytes behind the object", "\"counter\":0}}", "\"counter\":0}} x");
    file
}
