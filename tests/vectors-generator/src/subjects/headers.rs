//! The header (docs/FORMAT.md, "The header").

use crate::case::{File, hex};
use crate::world::{VAULT, header};
use serde_json::json;

pub(crate) fn file() -> File {
    let mut file = File::new("headers", "docs/FORMAT.md: The header");
    file.value("a header", "header", json!({"bytes": hex(header())}), json!(hex(VAULT)));
    let zeros = format!("tidelock 1\nvault {}\n", "0".repeat(32));
    file.value("an id of zeros", "header", json!({"bytes": hex(zeros)}), json!("0".repeat(32)));
    let id = hex(VAULT);
    let mut refuse =
        |name: &str, bytes: &[u8]| file.refused(name, "header", json!({"bytes": hex(bytes)}), "unsupported");
    for (name, text) in [
        ("nothing", String::new()),
        ("version 2", format!("tidelock 2\nvault {id}\n")),
        ("version 01", format!("tidelock 01\nvault {id}\n")),
        ("another first word", format!("Tidelock 1\nvault {id}\n")),
        ("another second word", format!("tidelock 1\nVault {id}\n")),
        ("capital digits", format!("tidelock 1\nvault {}\n", id.to_uppercase())),
        ("31 digits", format!("tidelock 1\nvault {}\n", &id[1..])),
        ("33 digits", format!("tidelock 1\nvault {id}0\n")),
        ("a letter that is no digit", format!("tidelock 1\nvault {}g\n", &id[1..])),
        ("no last line feed", format!("tidelock 1\nvault {id}")),
        ("a line feed more", format!("tidelock 1\nvault {id}\n\n")),
        ("a line more", format!("tidelock 1\nvault {id}\nspace {id}\n")),
        ("carriage returns", format!("tidelock 1\r\nvault {id}\r\n")),
        ("a space at a line's end", format!("tidelock 1 \nvault {id}\n")),
        ("two spaces", format!("tidelock 1\nvault  {id}\n")),
        ("a byte-order mark", format!("\u{feff}tidelock 1\nvault {id}\n")),
        ("a zero byte behind", format!("tidelock 1\nvault {id}\n\0")),
        ("an id with hyphens", "tidelock 1\nvault 00112233-4455-6677-8899-aabbccddeeff\n".to_owned()),
        ("lines swapped", format!("vault {id}\ntidelock 1\n")),
        ("an HTML page", "<!doctype html><title>Sign in</title>\n".to_owned()),
    ] {
        refuse(name, text.as_bytes());
    }
    refuse("no UTF-8", &[&header()[..header().len() - 2], b"\xff\n"].concat());
    file
}
