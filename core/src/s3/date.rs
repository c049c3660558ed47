//! The two date forms of S3 answers, as milliseconds since 1970; and dates for people.

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the one form HTTP servers write (RFC 9110, 5.6.7: IMF-fixdate).
pub(crate) fn http_date_unix_ms(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next()?);
    if zone != "GMT" || words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    unix_ms(digits(year, 4)?, month, digits(day, 2)?, time)
}

/// Reads `1994-11-06T08:49:37Z`, with or without a fraction of a second, as S3's XML has it.
pub(super) fn iso_date_unix_ms(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if !(1..=9).contains(&fraction.len()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms = fraction.bytes().chain(*b"00").take(3).fold(0, |ms, digit| 10 * ms + u64::from(digit - b'0'));
    Some(unix_ms(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?, time)? + ms)
}

/// `time` is `HH:MM:SS`; a leap second counts as the second after it.
fn unix_ms(year: u64, month: u64, day: u64, time: &str) -> Option<u64> {
    let mut parts = time.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    let in_range = parts.next().is_none() && year >= 1970 && hour < 24 && minute < 60 && second <= 60;
    if !in_range || !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let leap_years_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let days = 365 * (year - 1970) + leap_years_before(year) - leap_years_before(1970)
        + (1..month).map(|month| month_days(year, month)).sum::<u64>()
        + (day - 1);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/// `6 November 1994, 08:49 UTC`; from the year 9999 on, that it is beyond.
pub(crate) fn date_in_words(unix_ms: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const YEAR_MAX: u64 = 9999;
    let minutes = unix_ms / 60_000;
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    let (mut days, mut year, mut month) = (minutes / (24 * 60), 1970, 1);
    while year < YEAR_MAX && days >= 337 + month_days(year, 2) {
        days -= 337 + month_days(year, 2);
        year += 1;
    }
    if year == YEAR_MAX {
        return format!("the year {YEAR_MAX} or later");
    }
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    format!("{} {} {year}, {hour:02}:{minute:02} UTC", days + 1, MONTHS[month as usize - 1])
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn digits(text: &str, count: usize) -> Option<u64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from GNU `date -u -d @… '+%-d %B %Y, %H:%M UTC'`.
    #[test]
    fn dates_in_words() {
        for (seconds, words) in [
            (0, "1 January 1970, 00:00 UTC"),
            (784_111_777, "6 November 1994, 08:49 UTC"),
            (1_709_251_199, "29 February 2024, 23:59 UTC"),
            (1_735_689_599, "31 December 2024, 23:59 UTC"),
            (4_107_542_400, "1 March 2100, 00:00 UTC"),
            (u64::MAX / 1000, "the year 9999 or later"),
        ] {
            assert_eq!(date_in_words(seconds * 1000), words);
        }
    }

    /// Expected values from GNU `date -u +%s -d …`; the first date is RFC 9110's own.
    #[test]
    fn known_dates() {
        for (http, iso, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29T23:59:59Z", 1_709_251_199),
            ("Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00Z", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(http_date_unix_ms(http), Some(seconds * 1000), "{http}");
            assert_eq!(iso_date_unix_ms(iso), Some(seconds * 1000), "{iso}");
        }
        assert_eq!(iso_date_unix_ms("1994-11-06T08:49:37.5Z"), Some(784_111_777_500));
        assert_eq!(iso_date_unix_ms("1994-11-06T08:49:37.042999999Z"), Some(784_111_777_042));
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            ", ",
            "T",
            "Z",
            "T.Z",
            "-T:Z",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 29 Feb 2100 00:00:00 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-13-06T08:49:37Z",
            "1994-11-06T08:49:37",
            "1994-11-06T08:49:37.Z",
            "1994-11-06T08:49:37.0000000000Z",
            "1994-11-06T08:49:37.x1Z",
            "1994-11-06-01T08:49:37Z",
            "1994-11-06T08:49:37:01Z",
            "é994-11-06T08:49:37Z",
        ] {
            assert_eq!(http_date_unix_ms(text), None, "{text}");
            assert_eq!(iso_date_unix_ms(text), None, "{text}");
        }
    }
}
