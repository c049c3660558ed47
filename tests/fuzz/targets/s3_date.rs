//! Dates of S3 answers: any text, and every date there is, against the civil calendar.
#![no_main]

use bytes::Bytes;
use tidelock_core::s3::{Action, Answer, Call, Response, Retry, StoreUri};
use tidelock_fuzz::input::Input;

/// 31 December 9999, the last second that both forms can write.
const LAST_SECOND: u64 = 253_402_300_799;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let is_text = input.byte() % 2 == 0;
    if is_text {
        let text = String::from_utf8_lossy(input.rest()).into_owned();
        for ms in [http(&text), iso(&text)].into_iter().flatten() {
            assert!(ms / 1000 <= LAST_SECOND + 1, "a year of four digits, and a leap second");
        }
        return;
    }
    let ms = u64::from_le_bytes(input.array()) % ((LAST_SECOND + 1) * 1000);
    let day_name = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(ms / 86_400_000 % 7) as usize];
    let (year, month, day) = civil(ms / 86_400_000);
    let (hour, minute, second, rest) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = MONTHS[month as usize - 1];
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    assert_eq!(http(&format!("{day_name}, {day:02} {name} {year:04} {time} GMT")), Some(ms - rest));
    assert_eq!(iso(&format!("{year:04}-{month:02}-{day:02}T{time}.{rest:03}Z")), Some(ms));
    assert_eq!(iso(&format!("{year:04}-{month:02}-{day:02}T{time}Z")), Some(ms - rest));
});

/// As an answer's `Date` has it.
fn http(text: &str) -> Option<u64> {
    let call = Call::GetObject { key: "x".into(), if_none_match: None, range: None, body_max: 0 };
    let response = Response { status: 200, headers: vec![("date".into(), text.into())], body: Bytes::new() };
    match call.interpret(&store(), &response) {
        Ok(Answer::Object { date_unix_ms, .. }) => date_unix_ms,
        other => panic!("an empty object was read as {other:?}"),
    }
}

/// As the document of a skew refusal has it.
fn iso(text: &str) -> Option<u64> {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{escaped}</ServerTime></Error>");
    let response = Response { status: 403, headers: Vec::new(), body: body.into() };
    match Call::HeadBucket.interpret(&store(), &response).expect_err("a refusal").retry {
        Retry::Clock { server_unix_ms } => Some(server_unix_ms),
        _ => None,
    }
}

fn store() -> StoreUri {
    "file:///store".parse().expect("a folder")
}

/// Year, month and day by counting: the Gregorian calendar repeats every 400 years of 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970 + 400 * (days / 146_097), days % 146_097);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}
