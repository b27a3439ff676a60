//! The two things in a certificate that rustls checks and does not tell: its subject's name, and its last day.
//!
//! X.509 (RFC 5280) in DER. A reader of elements, not a parser: what is not as expected is `None`.

use std::time::Duration;

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Elements that are left to read.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The next element's tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, len, rest @ ..] = self.0 else { return None };
        let (len, rest) = match *len {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f).min(5))?;
                // Four digits are 4 GiB.
                if digits.is_empty() || digits.len() > 4 {
                    return None;
                }
                (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn expect(&mut self, expected: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, content)| content)
    }
}

/// What follows the serial number in a certificate: algorithm, issuer, validity, subject, and more.
fn after_serial(certificate: &[u8]) -> Option<Elements<'_>> {
    let mut signed = Elements(Elements(Elements(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    signed.expect(VERSION)?;
    signed.expect(INTEGER)?;
    Some(signed)
}

/// The one common name of a certificate's subject.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let mut signed = after_serial(certificate)?;
    for _ in ["algorithm", "issuer", "validity"] {
        signed.expect(SEQUENCE)?;
    }
    let mut names = Elements(signed.expect(SEQUENCE)?);
    let mut found = None;
    while !names.0.is_empty() {
        let mut parts = Elements(names.expect(SET)?);
        while !parts.0.is_empty() {
            let mut part = Elements(parts.expect(SEQUENCE)?);
            if part.expect(OID)? != COMMON_NAME {
                continue;
            }
            let (tag, text) = part.next()?;
            if found.is_some() || !matches!(tag, UTF8 | PRINTABLE | IA5) {
                return None;
            }
            found = Some(std::str::from_utf8(text).ok()?.to_owned());
        }
    }
    found
}

/// The last moment at which a certificate is good, counted from 1970.
pub(super) fn not_after(certificate: &[u8]) -> Option<Duration> {
    let mut signed = after_serial(certificate)?;
    for _ in ["algorithm", "issuer"] {
        signed.expect(SEQUENCE)?;
    }
    let mut validity = Elements(signed.expect(SEQUENCE)?);
    validity.next()?;
    let (year, rest) = match validity.next()? {
        (GENERALIZED_TIME, text) => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        (UTC_TIME, text) => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        _ => return None,
    };
    let (digits, zone) = rest.split_at_checked(10)?;
    let mut fields = digits.chunks(2).map(number);
    let mut field = || fields.next()?;
    let (month, day, hour, minute, second) = (field()?, field()?, field()?, field()?, field()?);
    let real = zone == b"Z" && (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
    let days = real.then(|| days_since_1970(year, month, day))?;
    Some(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

/// Days up to a date in the Gregorian calendar, whose years are counted from March so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let before_1970 = 719_468;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - before_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_calendars_do() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 21), 20_778),
            ((2100, 3, 1), 47_541),
            ((9999, 12, 31), 2_932_896),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_name_and_no_end() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x84], &[0x30, 0x80], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x02, 0x30]]
        {
            assert_eq!((common_name(bytes), not_after(bytes)), (None, None));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            _ = common_name(&bytes);
            _ = not_after(&bytes);
            let framed = [&[0x30, 0x84, 0, 0, 0, bytes.len() as u8], &bytes[..]].concat();
            _ = common_name(&framed);
        }
    }
}
