//! Dates as log lines have them, in UTC.

use std::time::{Duration, SystemTime};

/// A moment, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
    milliseconds: u32,
}

const DAY: u64 = 24 * 60 * 60;
/// The calendar repeats itself after so many years, which have so many days.
const CYCLE: (u64, u64) = (400, 146_097);

/// Milliseconds since 1970, as JavaScript's `Date.now()`; 0 for a clock that stands before.
pub(super) fn unix_millis(time: SystemTime) -> u64 {
    u64::try_from(since_1970(time).as_millis()).unwrap_or(u64::MAX)
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl Moment {
    pub(super) fn of(time: SystemTime) -> Self {
        let elapsed = since_1970(time);
        let mut days = elapsed.as_secs() / DAY;
        let mut year = 1970 + CYCLE.0 * (days / CYCLE.1);
        days %= CYCLE.1;
        while days >= 365 + u64::from(is_leap(year)) {
            days -= 365 + u64::from(is_leap(year));
            year += 1;
        }
        let mut month = 1;
        for len in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if days < len {
                break;
            }
            days -= len;
            month += 1;
        }
        let second_of_day = elapsed.as_secs() % DAY;
        Self { year, month, day: days + 1, second_of_day, milliseconds: elapsed.subsec_millis() }
    }

    /// As NestJS writes it where the language is English: `11/21/2026, 8:14:07 AM`.
    pub(super) fn american(self) -> String {
        let Self { year, month, day, .. } = self;
        let (hour, minute, second) = self.clock();
        let half = if hour < 12 { "AM" } else { "PM" };
        let hour = (hour + 11) % 12 + 1;
        format!("{month:02}/{day:02}/{year}, {hour}:{minute:02}:{second:02} {half}")
    }

    /// `2026-11-21T08:14:07.042Z`.
    pub(super) fn iso(self) -> String {
        let Self { year, month, day, milliseconds, .. } = self;
        let (hour, minute, second) = self.clock();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
    }

    fn clock(self) -> (u64, u64, u64) {
        (self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(millis: u64, iso: &str, american: &str) {
        let moment = Moment::of(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!((moment.iso(), moment.american()), (iso.to_owned(), american.to_owned()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(0, "1970-01-01T00:00:00.000Z", "01/01/1970, 12:00:00 AM");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z", "02/29/2000, 12:00:00 AM");
        check(1_609_459_199_999, "2020-12-31T23:59:59.999Z", "12/31/2020, 11:59:59 PM");
        check(1_795_248_847_042, "2026-11-21T08:14:07.042Z", "11/21/2026, 8:14:07 AM");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z", "03/01/2100, 12:00:00 AM");
        check(13_574_563_200_000, "2400-02-29T00:00:00.000Z", "02/29/2400, 12:00:00 AM");
        check(1_795_262_400_000, "2026-11-21T12:00:00.000Z", "11/21/2026, 12:00:00 PM");
    }

    #[test]
    fn a_clock_before_1970_and_one_at_the_end_of_time_do_no_harm() {
        assert_eq!(unix_millis(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0);
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64 / 2);
        assert!(Moment::of(late).iso().ends_with('Z'));
    }
}
