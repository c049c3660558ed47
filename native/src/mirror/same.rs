//! Times beside objects, as rclone keeps them, and when two of them are the same.

use crate::folder::unix_ns;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The metadata with a file's modification time: seconds since 1970 with decimals, as rclone has it.
pub(super) const MTIME: &str = "mtime";
/// The metadata with the BLAKE3 of a content, in hex.
pub(super) const BLAKE3: &str = "tidelock-blake3";

const S: i64 = 1_000_000_000;
/// What clocks of file systems and of other tools count in, the coarsest first.
const PRECISIONS_NS: [i64; 5] = [S, 1_000_000, 1_000, 100, 1];

/// A time in rclone's form: no decimals where there are none, none too many.
pub(super) fn to_text(unix_ns: i64) -> String {
    let (sign, ns) = (if unix_ns < 0 { "-" } else { "" }, unix_ns.unsigned_abs());
    let (seconds, decimals) = (ns / S as u64, ns % S as u64);
    let text = format!("{sign}{seconds}.{decimals:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The time that a text has; `None` if it is none, or beyond what 64 bits of ns hold.
pub(super) fn from_text(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (seconds, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=10).contains(&seconds.len()) || !all_digits(seconds) || !all_digits(decimals) {
        return None;
    }
    let decimals = decimals.bytes().chain(*b"000000000").take(9).fold(0, |ns, digit| 10 * ns + i64::from(digit - b'0'));
    let ns = seconds.parse::<i64>().ok()?.checked_mul(S)?.checked_add(decimals)?;
    Some(if is_negative { -ns } else { ns })
}

/// Whether two times are one, as far as the coarser clock of the two can tell.
pub(super) fn agree(one: i64, other: i64) -> bool {
    let precision = |ns: i64| PRECISIONS_NS.into_iter().find(|precision| ns % precision == 0).unwrap_or(1);
    one.abs_diff(other) < precision(one).max(precision(other)).unsigned_abs()
}

/// When a store says that an object was written: RFC 3339 in listings, an HTTP date in headers.
pub(super) fn last_modified_ns(text: &str) -> Option<i64> {
    let zoned = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let time = text.parse::<jiff::Timestamp>().ok().or_else(zoned)?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// When a file was written.
pub(super) fn modified_ns(metadata: &std::fs::Metadata) -> io::Result<i64> {
    Ok(unix_ns(metadata.modified()?))
}

pub(super) fn system_time(unix_ns: i64) -> SystemTime {
    let span = Duration::from_nanos(unix_ns.unsigned_abs());
    let time = if unix_ns < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    time.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rclone 1.75 wrote and read them.
    #[test]
    fn times_are_in_rclone_s_form() {
        for (ns, text) in [
            (0, "0"),
            (1_700_000_000_123_456_789, "1700000000.123456789"),
            (1_700_000_000_500_000_000, "1700000000.5"),
            (1_700_000_000_000_000_000, "1700000000"),
            (1, "0.000000001"),
            (-1_500_000_000, "-1.5"),
        ] {
            assert_eq!(to_text(ns), text);
            assert_eq!(from_text(text), Some(ns));
        }
        assert_eq!(from_text("1700000000.1234567891"), Some(1_700_000_000_123_456_789));
        for text in ["", ".", "-", ".5", "1e9", "+1", "1 ", "0x1", "1.2.3", "99999999999", "9999999999", "--1", "é"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn times_agree_within_the_coarser_precision() {
        let fine = 1_700_000_000_123_456_789;
        for (other, expected) in [
            (fine, true),
            (fine + 1, false),
            (1_700_000_000_123_456_700, true),
            (1_700_000_000_123_456_000, true),
            (1_700_000_000_123_000_000, true),
            (1_700_000_000_000_000_000, true),
            (1_700_000_001_000_000_000, true),
            (1_700_000_002_000_000_000, false),
            (1_700_000_000_122_000_000, false),
        ] {
            assert_eq!((agree(fine, other), agree(other, fine)), (expected, expected), "{other}");
        }
        assert!(!agree(1_700_000_000_000_000_000, 1_700_000_001_000_000_000), "both of whole seconds");
        assert!(!agree(i64::MIN, i64::MAX));
    }

    #[test]
    fn a_store_s_times_are_read_in_both_forms() {
        let ns = 1_255_369_830_000_000_000;
        assert_eq!(last_modified_ns("2009-10-12T17:50:30Z"), Some(ns));
        assert_eq!(last_modified_ns("2009-10-12T17:50:30.123Z"), Some(ns + 123_000_000));
        assert_eq!(last_modified_ns("Mon, 12 Oct 2009 17:50:30 GMT"), Some(ns));
        assert_eq!(last_modified_ns("yesterday"), None);
    }
}
