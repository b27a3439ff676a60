//! Numbers as JavaScript writes them (ECMA-262, `Number::toString` with radix 10).

use std::fmt::Write;

use serde_json::Number;

pub(super) fn write(out: &mut String, number: &Number) {
    // JSON numbers are doubles to JavaScript, whatever their spelling.
    write_f64(out, number.as_f64().unwrap_or(0.0));
}

pub(super) fn write_f64(out: &mut String, number: f64) {
    if number == 0.0 {
        out.push('0');
        return;
    }
    // Rust's `{:e}` gives the shortest digits that read back as the same double, and so does JavaScript; only the
    // layout differs.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let point = exponent + 1;

    if number < 0.0 {
        out.push('-');
    }
    if count <= point && point <= 21 {
        out.push_str(&digits);
        out.extend((count..point).map(|_| '0'));
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else if -6 < point && point <= 0 {
        out.push_str("0.");
        out.extend((point..0).map(|_| '0'));
        out.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        // Writing to a `String` cannot fail.
        let _ = write!(out, "e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        let cases: [(f64, &str); 17] = [
            (0.0, "0"),
            (-0.0, "0"),
            (5.0, "5"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (123_456.789, "123456.789"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (5e-324, "5e-324"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157e+308"),
        ];
        for (number, text) in cases {
            let mut out = String::new();
            super::write_f64(&mut out, number);
            assert_eq!(out, text);
        }
    }
}
