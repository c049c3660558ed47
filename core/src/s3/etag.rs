//! ETags: opaque names of an object's content, kept in the exact form a server gave.

/// The longest ETag kept, in bytes.
const ETAG_BYTES_MAX: usize = 1024;

/// An ETag as the server wrote it, quotes and all: never a hash of the content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(String);

/// How a condition writes its ETag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagQuoting {
    /// In quotes, as HTTP has it: always tried first.
    #[default]
    Quoted,
    /// Without: for servers that compare the bare text. Tried once, after [`super::Retry::Unquoted`].
    Unquoted,
}

impl ETag {
    /// Keeps 1 to 1,024 bytes of visible ASCII; anything else is no ETag.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let good = (1..=ETAG_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then_some(Self(text))
    }

    /// The exact form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name the same content: some servers leave out the quotes in listings, some proxies mark as weak.
    pub fn matches(&self, other: &Self) -> bool {
        self.bare() == other.bare()
    }

    /// For `If-Match`, which takes strong ETags only.
    pub(super) fn strong(&self, quoting: EtagQuoting) -> String {
        match quoting {
            EtagQuoting::Quoted => format!("\"{}\"", self.bare()),
            EtagQuoting::Unquoted => self.bare().to_owned(),
        }
    }

    /// For `If-None-Match`, which takes weak ones too: in the exact form, unless that lacks the quotes.
    pub(super) fn weak(&self, quoting: EtagQuoting) -> String {
        match quoting {
            EtagQuoting::Quoted if self.0.ends_with('"') => self.0.clone(),
            _ => self.strong(quoting),
        }
    }

    fn bare(&self) -> &str {
        let strong = self.0.strip_prefix("W/").unwrap_or(&self.0);
        strong.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(strong)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conditions_take_the_form_their_header_wants() {
        for (text, strong, weak) in
            [("\"a-1\"", "\"a-1\"", "\"a-1\""), ("a-1", "\"a-1\"", "\"a-1\""), ("W/\"a-1\"", "\"a-1\"", "W/\"a-1\"")]
        {
            let etag = ETag::new(text).unwrap();
            assert_eq!(etag.as_str(), text);
            assert_eq!(etag.strong(EtagQuoting::Quoted), strong);
            assert_eq!(etag.weak(EtagQuoting::Quoted), weak);
            assert_eq!(etag.strong(EtagQuoting::Unquoted), "a-1");
            assert_eq!(etag.weak(EtagQuoting::Unquoted), "a-1");
            assert!(etag.matches(&ETag::new("\"a-1\"").unwrap()));
            assert!(!etag.matches(&ETag::new("\"a-2\"").unwrap()));
        }
    }

    #[test]
    fn only_bounded_visible_ascii_is_an_etag() {
        for text in ["", "a b", "a\n", "é", &"x".repeat(1025)] {
            assert_eq!(ETag::new(text), None);
        }
        for text in ["\"", "W/", "\"\"", "W/\"", &"x".repeat(1024)] {
            let etag = ETag::new(text).unwrap();
            assert!(etag.matches(&etag.clone()));
        }
    }
}
