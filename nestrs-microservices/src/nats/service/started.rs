//! Moments, as RFC 3339 writes them.

use std::time::SystemTime;

const DAY: u64 = 24 * 60 * 60;
const LEAP: [u64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// In UTC, to the microsecond: `2026-11-21T08:14:07.042000Z`. A clock that stands before 1970 gives 1970.
pub(super) fn rfc_3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (mut days, second) = (since.as_secs() / DAY, since.as_secs() % DAY);
    // The calendar repeats itself after 400 years.
    let mut year = 1970 + 400 * (days / 146_097);
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for len in LEAP.map(|len| if len == 29 && !is_leap(year) { 28 } else { len }) {
        if days < len {
            break;
        }
        (days, month) = (days - len, month + 1);
    }
    let (hour, minute, second, day) = (second / 3600, second / 60 % 60, second % 60, days + 1);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_other_calendars_have_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_709_251_200, "2024-03-01T00:00:00"),
            (1_798_761_599, "2026-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (13_569_465_599, "2399-12-31T23:59:59"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 42_000_000);
            assert_eq!(rfc_3339(time), format!("{expected}.042000Z"));
        }
    }
}
