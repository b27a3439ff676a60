//! What the text of a variable means, for whoever asks.

use std::time::Duration;

use super::fault::{Fault, Kind};

pub(super) fn boolean(text: &str) -> Result<bool, Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(misfit(text, "a boolean")),
    }
}

/// An integer of up to 128 bits; which of them fit is up to the type, whose name is `expected`.
pub(super) fn integer(text: &str, expected: &str) -> Result<i128, Fault> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Kind::OutOfRange { expected: expected.to_owned() }.into()
        } else if digits.contains('.') && digits.parse::<f64>().is_ok() {
            Fault::misfit("a number with a fraction", expected)
        } else {
            misfit(text, expected)
        }
    })
}

pub(super) fn float(text: &str, expected: &str) -> Result<f64, Fault> {
    text.trim().parse().map_err(|_| misfit(text, expected))
}

fn misfit(text: &str, expected: &str) -> Fault {
    Fault::misfit(if text.trim().is_empty() { "an empty string" } else { "a string" }, expected)
}

/// What a duration is, for messages.
pub(super) const DURATION: &str = "a duration such as `1h30m`, `30s` or `250ms`";

/// `30s`, `250ms`, `1h30m`: whole numbers with units, from days (`d`) to nanoseconds (`ns`).
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let misfit = || misfit(text, DURATION);
    let too_long = || Fault::from(Kind::OutOfRange { expected: "a duration".to_owned() });
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return Err(misfit());
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(misfit());
        }
        let number: u64 = number.parse().map_err(|_| too_long())?;
        let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
        let part = match unit {
            "d" => seconds(86_400),
            "h" => seconds(3_600),
            "m" | "min" => seconds(60),
            "s" => seconds(1),
            "ms" => Some(Duration::from_millis(number)),
            "us" => Some(Duration::from_micros(number)),
            "ns" => Some(Duration::from_nanos(number)),
            _ => return Err(misfit()),
        };
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(too_long)?;
        rest = after.trim_start();
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, meant) in [
            ("30s", Duration::from_secs(30)),
            ("1h30m", Duration::from_secs(5_400)),
            (" 1d 2ms ", Duration::new(86_400, 2_000_000)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(duration(text).unwrap(), meant, "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "3 weeks", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
