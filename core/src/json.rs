//! The `json` codec: JSON in the one form of RFC 8785, the same bytes in every language.
//!
//! Refused is what the form can't hold: text that is not UTF-8, escapes of half a surrogate pair, a name twice in an object,
//! numbers beyond a 64-bit float, and integers written out with more digits than such a float keeps.

use crate::{Error, ErrorKind};

/// The most bytes of a text before it is brought into its form.
pub const JSON_TEXT_BYTES_MAX: usize = 1 << 20;
/// How deep arrays and objects may stand in each other, the outermost included.
pub const JSON_DEPTH_MAX: usize = 64;

/// An object's names with their values in canonical form.
pub(crate) type Members = Vec<(String, Vec<u8>)>;

/// The canonical form of a JSON text.
///
/// # Errors
/// `invalid`, with the byte at which the text is refused.
pub fn canonical(text: &[u8]) -> Result<Vec<u8>, Error> {
    canonical_below(text, 0)
}

/// The canonical form of a value that is to stand in a document.
pub(crate) fn canonical_member(text: &[u8]) -> Result<Vec<u8>, Error> {
    canonical_below(text, 1)
}

fn canonical_below(text: &[u8], depth: usize) -> Result<Vec<u8>, Error> {
    let mut parser = Parser::new(text)?;
    let mut out = Vec::with_capacity(text.len());
    parser.value(&mut out, depth)?;
    parser.end()?;
    Ok(out)
}

/// The members of a text that is an object, in the order of their names' UTF-16 code units.
pub(crate) fn members(text: &[u8]) -> Result<Members, Error> {
    let mut parser = Parser::new(text)?;
    parser.space();
    if parser.peek() != Some(b'{') {
        return Err(parser.refuse("a document is a JSON object"));
    }
    let members = parser.members(0)?;
    parser.end()?;
    Ok(members)
}

/// An object of members in canonical form, whatever their order.
pub(crate) fn object(mut members: Members) -> Vec<u8> {
    sort(&mut members);
    let mut out =
        Vec::with_capacity(2 + members.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>());
    write_object(&mut out, &members);
    out
}

/// RFC 8785 §3.2.3: by UTF-16 code units, which is not the order of UTF-8.
fn sort(members: &mut Members) {
    members.sort_by(|one, other| one.0.encode_utf16().cmp(other.0.encode_utf16()));
}

fn write_object(out: &mut Vec<u8>, members: &Members) {
    out.push(b'{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

/// RFC 8785 §3.2.2.2: only what must be escaped is, in the shortest way.
fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Reads a text once, and writes the canonical form as it goes.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8]) -> Result<Self, Error> {
        let invalid = |what: &str| Error::new(ErrorKind::Invalid, what.to_owned());
        if text.len() > JSON_TEXT_BYTES_MAX {
            return Err(invalid("a JSON text has at most 1 MiB").next_step("split it into several documents"));
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| invalid(&format!("a JSON text is not UTF-8 at byte {}", error.valid_up_to())))?;
        Ok(Self { text, at: 0 })
    }

    fn refuse(&self, what: &str) -> Error {
        Error::new(ErrorKind::Invalid, format!("{what} (at byte {} of the JSON text)", self.at))
            .next_step("correct the JSON text")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes the next byte, if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn end(&mut self) -> Result<(), Error> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.refuse("more follows after the value")) }
    }

    /// A value below `depth` arrays and objects.
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        self.space();
        match self.peek() {
            Some(b'{') => write_object(out, &self.members(depth)?),
            Some(b'[') => self.array(out, depth)?,
            Some(b'"') => write_string(out, &self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(out)?,
            _ => self.word(out)?,
        }
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<usize, Error> {
        if depth < JSON_DEPTH_MAX {
            Ok(depth + 1)
        } else {
            Err(self.refuse("arrays and objects stand more than 64 deep"))
        }
    }

    fn members(&mut self, depth: usize) -> Result<Members, Error> {
        let depth = self.deeper(depth)?;
        self.at += 1;
        self.space();
        let mut members = Members::new();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.refuse("a name in quotes is missing"));
            }
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.refuse("a colon is missing"));
            }
            let mut value = Vec::new();
            self.value(&mut value, depth)?;
            members.push((name, value));
            self.space();
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return Err(self.refuse("a comma or the object's end is missing"));
            }
        }
        sort(&mut members);
        match members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(self.refuse("an object has a name twice").on(&*pair[0].0)),
            None => Ok(members),
        }
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        let depth = self.deeper(depth)?;
        self.at += 1;
        out.push(b'[');
        self.space();
        if !self.take(b']') {
            loop {
                self.value(out, depth)?;
                self.space();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.refuse("a comma or the array's end is missing"));
                }
                out.push(b',');
            }
        }
        out.push(b']');
        Ok(())
    }

    /// A string without its escapes.
    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            string.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(self.refuse("a control character in a string must be escaped")),
                None => return Err(self.refuse("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escaped = self.text.as_bytes().get(self.at + 1).copied();
        let char = match escaped {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.refuse("a string has an unknown escape")),
        };
        self.at += 2;
        Ok(char)
    }

    /// `\uXXXX`, or two of them that are a surrogate pair.
    fn unicode(&mut self) -> Result<char, Error> {
        let unit = self.unit()?;
        let mut units = vec![unit];
        if (0xd800..0xdc00).contains(&unit) && self.text[self.at..].starts_with("\\u") {
            units.push(self.unit()?);
        }
        let mut chars = char::decode_utf16(units);
        match (chars.next(), chars.next()) {
            (Some(Ok(char)), None) => Ok(char),
            _ => Err(self.refuse("a string has half of a surrogate pair")),
        }
    }

    fn unit(&mut self) -> Result<u16, Error> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at + 2..self.at + 6)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return Err(self.refuse("an escape lacks its four hex digits")) };
        let unit = digits.iter().fold(0, |unit, digit| unit << 4 | (*digit as char).to_digit(16).unwrap_or_default());
        self.at += 6;
        Ok(unit as u16) // four hex digits
    }

    fn digits(&mut self) -> Result<(), Error> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.refuse("a number lacks a digit")) }
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        let literal = &self.text[from..self.at];
        if is_integer && literal.len() <= 15 && literal != "-0" {
            out.extend_from_slice(literal.as_bytes()); // most numbers: exact in a float, and in its form already
            return Ok(());
        }
        let value: f64 = literal.parse().map_err(|_| self.refuse("a number can't be read"))?;
        if !value.is_finite() {
            return Err(self.refuse("a number is greater than a 64-bit float can be"));
        }
        let mut buffer = ryu_js::Buffer::new();
        let form = buffer.format_finite(value);
        if is_integer && decimal(literal) != decimal(form) {
            return Err(self
                .refuse("an integer has more digits than a 64-bit float keeps")
                .next_step("write it as a string"));
        }
        out.extend_from_slice(form.as_bytes());
        Ok(())
    }

    fn word(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let found = ["null", "true", "false"].into_iter().find(|word| self.text[self.at..].starts_with(word));
        let Some(word) = found else { return Err(self.refuse("a JSON value is missing")) };
        self.at += word.len();
        out.extend_from_slice(word.as_bytes());
        Ok(())
    }
}

/// A number's digits without zeros at either end, and the power of ten of the last one.
fn decimal(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let dropped = digits.len() - kept.len();
    let exponent: i64 = exponent.parse().unwrap_or_default(); // a float's own form: three digits at most
    (kept.trim_start_matches('0').to_owned(), exponent - fraction.len() as i64 + dropped as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        String::from_utf8(canonical(text.as_bytes()).unwrap()).unwrap()
    }

    /// RFC 8785 §3.2.2, §3.2.3 and its appendix B.
    #[test]
    fn the_rfcs_own_examples() {
        let sample = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(form(sample), expected);
        let sorted = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let names: Vec<String> = members(sorted.as_bytes()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"]);
    }

    #[test]
    fn integers_that_a_float_does_not_keep_are_refused() {
        for kept in ["9007199254740991", "9007199254740994", "18446744073709552000", "295147905179352830000"] {
            assert_eq!(form(kept), kept);
        }
        assert_eq!(form("1000000000000000000000"), "1e+21");
        for lost in ["9007199254740993", "18446744073709551615", "-9223372036854775807", "295147905179352825856"] {
            let error = canonical(lost.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.hint()), (ErrorKind::Invalid, Some("write it as a string")), "{lost}");
        }
    }

    #[test]
    fn the_deepest_text_passes_and_a_deeper_one_does_not() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(form(&nested(JSON_DEPTH_MAX)), nested(JSON_DEPTH_MAX));
        assert!(canonical(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(canonical("[".repeat(JSON_TEXT_BYTES_MAX).as_bytes()).is_err());
        assert!(canonical(&vec![b' '; JSON_TEXT_BYTES_MAX + 1]).is_err());
    }
}
