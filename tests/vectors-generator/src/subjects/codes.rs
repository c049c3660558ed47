//! Recovery codes as text (docs/format/crypto.md, "Recovery codes").

use crate::case::{File, hex};
use crate::sealing::{CROCKFORD, code_text};
use crate::world::CODE;
use serde_json::{Value, json};

pub(crate) fn file() -> File {
    let mut file = File::new("codes", "docs/format/crypto.md: Recovery codes");
    let text = code_text(&CODE);
    for (name, code) in [("a code", CODE), ("zeros", [0; 20]), ("ones", [0xff; 20])] {
        file.value(format!("{name} as shown"), "show-code", json!({"code": hex(code)}), json!(code_text(&code)));
    }
    // A code with each letter that people mistake in it.
    let mistaken = *b"\x00\x00\x00\x00\x00\x08\x42\x10\x84\x21\x08\x42\x10\x84\x21\x00\x00\x00\x00\x01";
    let mistaken_text = code_text(&mistaken);
    let written: [(&str, [u8; 20], String); 18] = [
        ("as shown", CODE, text.clone()),
        ("small letters", CODE, text.to_lowercase()),
        (
            "letters of both cases",
            CODE,
            text.chars()
                .enumerate()
                .map(|(at, letter)| if at % 2 == 0 { letter.to_ascii_lowercase() } else { letter })
                .collect(),
        ),
        ("without hyphens", CODE, text.replace('-', "")),
        ("spaces for hyphens", CODE, text.replace('-', " ")),
        ("a hyphen behind each symbol", CODE, text.chars().filter(|c| *c != '-').map(|c| format!("{c}-")).collect()),
        ("a line feed at the end", CODE, format!("{text}\n")),
        ("tabs and lines", CODE, text.replace('-', "\t\r\n")),
        ("a no-break space", CODE, text.replace('-', "\u{a0}")),
        ("an ideographic space", CODE, text.replace('-', "\u{3000}")),
        ("a next-line character", CODE, text.replace('-', "\u{85}")),
        ("O for 0", mistaken, mistaken_text.replace('0', "O")),
        ("o for 0", mistaken, mistaken_text.replace('0', "o")),
        ("I for 1", mistaken, mistaken_text.replace('1', "I")),
        ("i for 1", mistaken, mistaken_text.replace('1', "i")),
        ("L for 1", mistaken, mistaken_text.replace('1', "L")),
        ("l for 1", mistaken, mistaken_text.replace('1', "l")),
        ("256 bytes", CODE, format!("{text}{}", " ".repeat(256 - text.len()))),
    ];
    for (name, code, text) in written {
        file.value(format!("read: {name}"), "read-code", json!({"text": text}), json!(hex(code)));
    }
    let mut refuse = |name: &str, text: String| {
        let given: Value = json!({"text": text});
        file.refused(name, "read-code", given, "invalid");
    };
    refuse("nothing", String::new());
    refuse("a symbol short", text[..text.len() - 1].to_owned());
    refuse("a symbol too many", format!("{text}0"));
    refuse("257 bytes", format!("{text}{}", " ".repeat(257 - text.len())));
    refuse("a U, which is no symbol", text.replacen(&text[1..2], "U", 1));
    refuse("a hyphen of another kind", text.replace('-', "\u{2010}"));
    refuse("a zero-width space, which is no white space", text.replacen('-', "\u{200b}", 1));
    refuse("an information separator, which is no white space", text.replacen('-', "\u{1f}", 1));
    refuse("a dotless i, which is no ASCII letter", mistaken_text.replacen('1', "\u{131}", 1));
    refuse("a Kelvin sign, which is no ASCII letter", {
        let mut code = CODE;
        let text = (0..=255)
            .map(|last| {
                code[19] = last;
                code_text(&code)
            })
            .find(|text| text.contains('K'));
        text.expect("one of 256 has it").replacen('K', "\u{212a}", 1)
    });
    refuse("a full-width digit", mistaken_text.replacen('0', "\u{ff10}", 1));
    // One slip in each place that can be told apart: the code's ends, each group's first, the checksum's ends.
    for at in [0, 5, 10, 20, 30, 38, 40, 43] {
        let symbol = text.as_bytes()[at];
        let place = CROCKFORD.iter().position(|known| *known == symbol).expect("a symbol, no hyphen");
        let mut slip = text.clone();
        slip.replace_range(at..=at, &char::from(CROCKFORD[(place + 1) % 32]).to_string());
        refuse(&format!("a slip at {at}"), slip);
    }
    refuse("two symbols swapped", {
        let mut symbols: Vec<char> = text.chars().collect();
        let at = (0..3).find(|at| symbols[*at] != symbols[at + 1]).expect("not all alike");
        symbols.swap(at, at + 1);
        symbols.into_iter().collect()
    });
    file
}
