//! A provider's clock: the two forms of date that S3 speaks, from and to milliseconds since 1970.

const DAY_MS: i64 = 24 * 3600 * 1000;

/// `Thu, 01 Jan 1970 00:00:00 GMT` (RFC 9110, IMF-fixdate).
pub fn http_date(unix_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = unix_ms.div_euclid(DAY_MS);
    let (year, month, day) = date(days);
    let seconds = unix_ms.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (weekday, month) = (DAYS[days.rem_euclid(7) as usize], MONTHS[month as usize - 1]);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Reads `19700101T000000Z`, which a signed request carries as `x-amz-date`.
pub fn from_amz_date(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = days_to(number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let seconds = number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?;
    Some(days * DAY_MS + seconds * 1000)
}

/// Days from 1970 to the first of January of a year.
fn days_to_year(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400)
}

fn month_lengths(year: i64) -> [i64; 12] {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let months: i64 = month_lengths(year).iter().take(month as usize - 1).sum();
    days_to_year(year) + months + day - 1
}

fn date(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days / 366;
    while days_to_year(year + 1) <= days {
        year += 1;
    }
    let mut left = days - days_to_year(year);
    let mut month = 1;
    for length in month_lengths(year) {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from GNU `date -u -d @…`.
    #[test]
    fn known_dates() {
        for (seconds, http, amz) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT", "19941106T084937Z"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT", "20240229T235959Z"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT", "21000301T000000Z"),
        ] {
            assert_eq!(http_date(seconds * 1000), http);
            assert_eq!(from_amz_date(amz), Some(seconds * 1000));
        }
    }
}
