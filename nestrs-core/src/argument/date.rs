//! Dates as JavaScript writes them: the part of ISO 8601 that `Date.prototype.toJSON` and people use.

use std::time::{Duration, SystemTime};

const DAY: i64 = 24 * 60 * 60;

/// `2026-01-31`, with or without `T10:00`, `:00`, `.123`, and `Z` or `+02:00`; UTC without.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        None => (text, None),
        Some((date, time)) => (date, Some(time)),
    };
    let mut fields = date.split('-');
    let (year, month, day) = (number(fields.next()?, 4)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    if fields.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let (seconds, nanoseconds) = time.map_or(Some((0, 0)), time_of_day)?;
    let seconds = days_since_1970(year, month, day) * DAY + seconds;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)?
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)?
    };
    whole.checked_add(Duration::from_nanos(nanoseconds))
}

/// Seconds since midnight in UTC, which may be on another day there, and nanoseconds.
fn time_of_day(text: &str) -> Option<(i64, u64)> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        None => (text, 0),
        Some(at) => (&text[..at], offset(&text[at..])?),
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut fields = clock.split(':');
    let (hours, minutes) = (number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    let seconds = fields.next().map(|field| number(field, 2));
    if fields.next().is_some() || (fraction.is_some() && seconds.is_none()) {
        return None;
    }
    let seconds = seconds.unwrap_or(Some(0))?;
    // Midnight at the end of a day is written 24:00 as well. A leap second is no time that a `SystemTime` knows.
    let of_day = hours * 3600 + minutes * 60 + seconds;
    let nanoseconds = fraction.map_or(Some(0), nanoseconds)?;
    let is_time = minutes < 60 && seconds < 60 && (hours < 24 || (of_day == DAY && nanoseconds == 0));
    is_time.then_some((of_day - offset, nanoseconds))
}

fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let seconds = hours * 3600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == "-" { -seconds } else { seconds })
}

fn nanoseconds(fraction: &str) -> Option<u64> {
    let digits = fraction.len();
    // What is finer than a nanosecond is cut off, as JavaScript cuts off what is finer than a millisecond.
    (digits > 0 && fraction.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| fraction.bytes().chain(std::iter::repeat(b'0')).take(9))
        .map(|digits| digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts whole years from the year 0, then months.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_TO_1970: i64 = 719_528;
    let before = year - 1;
    let leap_days = if year == 0 { 0 } else { before / 4 - before / 100 + before / 400 + 1 };
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    year * 365 + leap_days + months + day - 1 - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds since 1970, as JavaScript's `Date.parse` says.
    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        let parsed = parse(text).map(|time| match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap(),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap(),
        });
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn dates_are_where_javascript_puts_them() {
        check("1970-01-01", Some(0));
        check("2026-01-31", Some(1_769_817_600_000));
        check("2024-02-29T23:59:59.999Z", Some(1_709_251_199_999));
        check("2000-03-01T00:00:00+02:00", Some(951_861_600_000));
        check("2000-03-01t00:00-0130", Some(951_874_200_000));
        check("1969-12-31T23:59:59.500Z", Some(-500));
        check("1900-03-01T00:00Z", Some(-2_203_891_200_000));
        check("0000-01-01T00:00:00Z", Some(-62_167_219_200_000));
        check("9999-12-31T24:00Z", Some(253_402_300_800_000));
        check("1970-01-01T00:00:00.0019999999999Z", Some(1));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "x",
            "2026",
            "2026-1-31",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2026-01-32",
            "2026-01-00",
            "2026-01-01-01",
            "2026-01-01T",
            "2026-01-01T24:01",
            "2026-01-01T10",
            "2026-01-01T10:60",
            "2026-01-01T10:00:60",
            "2026-01-01T10:00:00.",
            "2026-01-01T10:00.5",
            "2026-01-01T10:00+25:00",
            "2026-01-01T10:00+é",
            "2026-01-01T10:00Zx",
            "２026-01-01",
            "+026-01-01",
        ] {
            check(text, None);
        }
    }
}
