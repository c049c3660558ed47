//! XML as S3 servers write it, read with bounds: a small well-formed subset, everything else refused.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

/// The most elements one inside the other.
const DEPTH_MAX: usize = 16;
/// The most bytes of an element's name.
const NAME_BYTES_MAX: usize = 64;
/// The most bytes of one element's own text.
const TEXT_BYTES_MAX: usize = 32 << 10;

/// Why a document is refused, to be said after "the answer …".
pub(super) type Refusal = &'static str;

/// Reads a whole document, calling `on_end` at the end of every element with its path (`Root/Child/Leaf`, without
/// namespace prefixes) and its own text. Memory is bounded by depth and text, not by the document.
///
/// Document types, processing instructions and entities other than XML's own five are refused: no S3 server writes
/// them, and every attack on XML readers needs them.
pub(super) fn read(body: &[u8], mut on_end: impl FnMut(&str, String) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let document = std::str::from_utf8(body).map_err(|_| "is not UTF-8")?;
    let mut reader = Reader::from_str(document);
    // `<a/>` then comes as start and end.
    reader.config_mut().expand_empty_elements = true;
    let mut path = String::new();
    let mut texts: Vec<String> = Vec::new();
    let mut root_ended = false;
    loop {
        match reader.read_event().map_err(|_| "is not well-formed XML")? {
            Event::Start(_) if root_ended => return Err("has more than one root element"),
            Event::Start(_) if texts.len() == DEPTH_MAX => return Err("nests its elements too deeply"),
            Event::Start(start) => {
                push_name(&mut path, start.local_name().into_inner())?;
                texts.push(String::new());
            }
            Event::End(_) => {
                let text = texts.pop().ok_or("is not well-formed XML")?;
                on_end(&path, text)?;
                path.truncate(path.rfind('/').unwrap_or(0));
                root_ended = texts.is_empty();
            }
            Event::Text(text) => append(&mut texts, &text.xml10_content())?,
            Event::CData(text) => append(&mut texts, &text.xml10_content())?,
            Event::GeneralRef(reference) => append_reference(&mut texts, &reference)?,
            Event::Decl(_) | Event::Comment(_) => (),
            Event::PI(_) => return Err("has a processing instruction"),
            Event::DocType(_) => return Err("has a document type"),
            Event::Empty(_) => return Err("is not well-formed XML"),
            Event::Eof if root_ended => return Ok(()),
            Event::Eof => return Err("ends early"),
        }
    }
}

/// Keeps a field's value; a field given twice has no meaning.
pub(super) fn set(field: &mut Option<String>, text: String) -> Result<(), Refusal> {
    match field.replace(text) {
        None => Ok(()),
        Some(_) => Err("gives one field twice"),
    }
}

fn push_name(path: &mut String, name: &str) -> Result<(), Refusal> {
    let good = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !good {
        return Err("has an element with an unknown kind of name");
    }
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
    Ok(())
}

fn append(texts: &mut [String], more: &str) -> Result<(), Refusal> {
    match texts.last_mut() {
        Some(text) if text.len() + more.len() > TEXT_BYTES_MAX => Err("has an element with too much text"),
        Some(text) => {
            text.push_str(more);
            Ok(())
        }
        // Outside the root; a byte order mark may come first.
        None if more.trim_start_matches('\u{feff}').trim().is_empty() => Ok(()),
        None => Err("has text outside its elements"),
    }
}

fn append_reference(texts: &mut [String], reference: &BytesRef<'_>) -> Result<(), Refusal> {
    match reference.resolve_char_ref().map_err(|_| "has a malformed character reference")? {
        Some(character) => append(texts, character.encode_utf8(&mut [0; 4])),
        None => append(texts, resolve_xml_entity(reference).ok_or("has an entity of its own")?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ends(document: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
        let mut ends = Vec::new();
        read(document, |path, text| {
            ends.push((path.to_owned(), text));
            Ok(())
        })?;
        Ok(ends)
    }

    #[test]
    fn text_is_exact_and_belongs_to_its_element() {
        let document = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><n:A xmlns:n='x' y=\"&z;\"> <B> a&amp;&#x2B;\
            <![CDATA[<&]]>\r\nb </B>\n<C/></n:A>\n";
        let expected = [("A/B", " a&+<&\nb "), ("A/C", ""), ("A", " \n")];
        assert_eq!(ends(document.as_bytes()).unwrap(), expected.map(|(path, text)| (path.into(), text.into())));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(ends(deep(16).as_bytes()).is_ok());
        let long = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes));
        assert!(ends(long(32 << 10).as_bytes()).is_ok());
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><a>&c;</a>";
        for (document, refusal) in [
            (deep(17), "nests its elements too deeply"),
            (deep(100_000), "nests its elements too deeply"),
            (long((32 << 10) + 1), "has an element with too much text"),
            (format!("<a>{}</a>", "&#120;".repeat((32 << 10) + 1)), "has an element with too much text"),
            (bomb.to_owned(), "has a document type"),
            ("<a>&c;</a>".to_owned(), "has an entity of its own"),
            ("<a>&nbsp;</a>".to_owned(), "has an entity of its own"),
            ("<a>&#0;</a>".to_owned(), "has a malformed character reference"),
            ("<a>&#xD800;</a>".to_owned(), "has a malformed character reference"),
            ("<a>&#99999999999;</a>".to_owned(), "has a malformed character reference"),
            ("<a><?php ?></a>".to_owned(), "has a processing instruction"),
            ("<a/><a/>".to_owned(), "has more than one root element"),
            ("<a/>x".to_owned(), "has text outside its elements"),
            ("x<a/>".to_owned(), "has text outside its elements"),
            ("<a>".to_owned(), "ends early"),
            (String::new(), "ends early"),
            ("<a></b>".to_owned(), "is not well-formed XML"),
            ("</a>".to_owned(), "is not well-formed XML"),
            ("<a>&</a>".to_owned(), "is not well-formed XML"),
            ("<a".to_owned(), "is not well-formed XML"),
            (format!("<{}/>", "a".repeat(65)), "has an element with an unknown kind of name"),
            ("<a/b/>".to_owned(), "has an element with an unknown kind of name"),
        ] {
            let shown: String = document.chars().take(60).collect();
            assert_eq!(ends(document.as_bytes()), Err(refusal), "{shown}");
        }
        assert_eq!(ends(b"<a>\xff</a>"), Err("is not UTF-8"));
    }
}
