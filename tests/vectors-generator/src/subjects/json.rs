//! JSON in its one form (docs/FORMAT.md, "JSON"): the examples of RFC 8785, and what the form can't hold.

use crate::case::{File, hex};
use serde_json::json;

/// Appendix B of RFC 8785: a float's bits, and its form.
const APPENDIX_B: [(u64, &str); 22] = [
    (0x0000000000000000, "0"),
    (0x8000000000000000, "0"),
    (0x0000000000000001, "5e-324"),
    (0x8000000000000001, "-5e-324"),
    (0x7fefffffffffffff, "1.7976931348623157e+308"),
    (0xffefffffffffffff, "-1.7976931348623157e+308"),
    (0x4340000000000000, "9007199254740992"),
    (0xc340000000000000, "-9007199254740992"),
    (0x4430000000000000, "295147905179352830000"),
    (0x44b52d02c7e14af5, "9.999999999999997e+22"),
    (0x44b52d02c7e14af6, "1e+23"),
    (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
    (0x444b1ae4d6e2ef4e, "999999999999999700000"),
    (0x444b1ae4d6e2ef4f, "999999999999999900000"),
    (0x444b1ae4d6e2ef50, "1e+21"),
    (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
    (0x3eb0c6f7a0b5ed8d, "0.000001"),
    (0x41b3de4355555553, "333333333.3333332"),
    (0x41b3de4355555554, "333333333.33333325"),
    (0x41b3de4355555555, "333333333.3333333"),
    (0x41b3de4355555556, "333333333.3333334"),
    (0xbecbf647612f3696, "-0.0000033333333333333333"),
];

const STRINGS: [(&str, &str, &str); 9] = [
    ("an escape that need not be", r#""\u0041\/""#, r#""A/""#),
    ("short escapes", r#""\u0008\u0009\u000a\u000c\u000d\u0022\u005c""#, r#""\b\t\n\f\r\"\\""#),
    ("other control characters", r#""\u0000\u000F\u001f""#, r#""\u0000\u000f\u001f""#),
    ("U+007F and beyond", "\"\\u007f\\u0080\\u2028\"", "\"\u{7f}\u{80}\u{2028}\""),
    ("a surrogate pair", r#""\uD83D\uDE00""#, "\"\u{1f600}\""),
    ("no normalisation", "\"A\\u030a\u{c5}\"", "\"A\u{30a}\u{c5}\""),
    ("a noncharacter", r#""\uffff""#, "\"\u{ffff}\""),
    ("an empty string", "\"\"", "\"\""),
    ("a NUL in a name", r#"{"\u0000":1}"#, r#"{"\u0000":1}"#),
];

const STRUCTURE: [(&str, &str, &str); 9] = [
    (
        "the RFC's sample",
        concat!(
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"#,
            r#""string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#
        ),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
      \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    ),
    (
        "names by UTF-16, the RFC's example",
        r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
        "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}",
    ),
    ("a name that begins another", r#"{"aa":1,"a":2,"":3,"A":4}"#, r#"{"":3,"A":4,"a":2,"aa":1}"#),
    (
        "names within names",
        r#"{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":{}}"#,
        r#"{"a":{},"b":{"c":[{"e":2,"f":1}],"d":1}}"#,
    ),
    ("space", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } }\n", r#"{"a":[1,2],"b":{}}"#),
    ("the order of an array stays", "[3,1,2,[],{}]", "[3,1,2,[],{}]"),
    ("a word alone", " null ", "null"),
    ("a number alone", "-1", "-1"),
    ("one name in two objects", r#"[{"a":1},{"a":{"a":2}}]"#, r#"[{"a":1},{"a":{"a":2}}]"#),
];

const NUMBERS: [(&str, &str); 20] = [
    ("-0", "0"),
    ("-0.0", "0"),
    ("0e5", "0"),
    ("1.0", "1"),
    ("1E2", "100"),
    ("1e+2", "100"),
    ("100e-2", "1"),
    ("0.1", "0.1"),
    ("0.10000000000000000555", "0.1"),
    ("1e-7", "1e-7"),
    ("123456789012345", "123456789012345"),
    ("1234567890123456", "1234567890123456"),
    ("9007199254740991", "9007199254740991"),
    ("9007199254740994", "9007199254740994"),
    ("-9007199254740992", "-9007199254740992"),
    ("18446744073709552000", "18446744073709552000"),
    ("100000000000000000000000", "1e+23"),
    ("9007199254740993.0", "9007199254740992"),
    ("1e-400", "0"),
    ("2.2250738585072011e-308", "2.225073858507201e-308"),
];

const REFUSED: [(&str, &str); 41] = [
    ("nothing", ""),
    ("space alone", " "),
    ("a byte order mark", "\u{feff}1"),
    ("two values", "1 2"),
    ("a name twice", r#"{"a":1,"a":1}"#),
    ("a name twice, once escaped", r#"{"a":1,"\u0061":2}"#),
    ("a name twice, deep", r#"[{"b":[{"a":1,"c":2,"a":3}]}]"#),
    ("half a surrogate pair", r#""\ud83d""#),
    ("the other half", r#""\ude00""#),
    ("halves the wrong way round", r#""\ude00\ud83d""#),
    ("half a pair before a character", r#""\ud83d\u0041""#),
    ("half a pair in a name", r#"{"\ud800":1}"#),
    ("an unescaped line feed", "\"\n\""),
    ("an unescaped NUL", "\"\0\""),
    ("an unknown escape", r#""\x41""#),
    ("an escape of three digits", r#""\u041""#),
    ("an escape with a sign", r#""\u+041""#),
    ("a string without an end", "\"a"),
    ("an escape at the end", "\"\\"),
    ("single quotes", "'a'"),
    ("a name without quotes", "{a:1}"),
    ("a name that is a number", "{1:1}"),
    ("no colon", r#"{"a"1}"#),
    ("a comma at an object's end", r#"{"a":1,}"#),
    ("a comma at an array's end", "[1,]"),
    ("two commas", "[1,,2]"),
    ("an array without an end", "[1"),
    ("the wrong bracket", "[1}"),
    ("a comment", "1 // one"),
    ("NaN", "NaN"),
    ("Infinity", "-Infinity"),
    ("a word in capitals", "True"),
    ("a number with a leading zero", "01"),
    ("a number with a plus", "+1"),
    ("a number without digits before the point", ".5"),
    ("a number without digits behind the point", "1."),
    ("a number without digits in its exponent", "1e"),
    ("a number that is hexadecimal", "0x1"),
    ("a number beyond any float", "1e309"),
    ("an integer beyond 2^53 that no float is", "9007199254740993"),
    ("the greatest of 64 bits", "18446744073709551615"),
];

pub(crate) fn file() -> File {
    let mut file = File::new("json", "docs/FORMAT.md: JSON. Texts and forms are in hex: some are not UTF-8");
    let given = |text: &[u8]| json!({"text": hex(text)});
    let mut take = |name: String, text: &str, form: &str| {
        file.value(name, "json-form", given(text.as_bytes()), json!(hex(form)));
    };
    for (bits, form) in APPENDIX_B {
        // Seventeen digits tell every float.
        take(format!("a float: {bits:016x}"), &format!("{:.16e}", f64::from_bits(bits)), form);
    }
    for (text, form) in NUMBERS {
        take(format!("a number: {text}"), text, form);
    }
    for (name, text, form) in STRINGS.into_iter().chain(STRUCTURE) {
        take(name.to_owned(), text, form);
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    take("64 deep".to_owned(), &nested(64), &nested(64));
    for (name, text) in REFUSED {
        file.refused(name, "json-form", given(text.as_bytes()), "invalid");
    }
    file.refused("65 deep", "json-form", given(nested(65).as_bytes()), "invalid");
    file.refused("not UTF-8", "json-form", given(b"\"\xff\""), "invalid");
    file.refused("an encoded surrogate", "json-form", given(b"\"\xed\xa0\x80\""), "invalid");
    file.refused("an overlong encoding", "json-form", given(b"\"\xc0\xaf\""), "invalid");
    file
}
