//! Values that JavaScript peers send as text.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::argument::date;

/// A value that may also come as text: `42` or `"42"`, `true` or `"true"`, `["a","b"]` or `"a,b"`.
///
/// The type behind [`ParseIntPipe`](crate::ParseIntPipe) and its like, for members of a payload. `T` is an integer, a
/// float, `bool`, `String`, [`SystemTime`], or a `Vec` of these. What is accepted is what NestJS's `Parse…Pipe`s accept:
///
/// | `T` | besides its own JSON |
/// |---|---|
/// | integers | digits, with `-` before them; no `+`, no spaces, nothing out of range |
/// | `f32`, `f64` | a decimal number, with an exponent or without; never `NaN` or infinity |
/// | `bool` | `"true"`, `"false"` |
/// | `String` | numbers, `true`, `false` |
/// | `SystemTime` | `"2026-01-31"`, `"2026-01-31T10:00:00.5Z"`, `"…+02:00"`, or milliseconds since 1970 as a number; UTC where it does not say |
/// | `Vec<T>` | text with commas between items, the spaces around them not being part of them; `""` has none |
///
/// ```
/// use nestrs_core::{Lenient, Payload};
///
/// #[derive(serde::Deserialize)]
/// struct Page {
///     size: Lenient<u32>,
///     tags: Option<Lenient<Vec<String>>>,
/// }
///
/// let page: Page = Payload::from_json(r#"{"size":"20","tags":"new, red"}"#).decode().unwrap();
/// assert_eq!(page.size.0, 20);
/// assert_eq!(page.tags.unwrap().0, ["new", "red"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lenient<T>(pub T);

impl<'de, T: FromLenient> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Any(PhantomData)).map(Self)
    }
}

/// What [`Lenient`] can hold.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text as well",
    label = "integers, floats, `bool`, `String`, `SystemTime` and lists of them can"
)]
pub trait FromLenient: Sized + Send {
    /// What is accepted, for messages.
    const EXPECTED: &'static str;
    /// Reads text.
    fn from_text(text: &str) -> Option<Self>;
    /// Reads a whole number.
    fn from_integer(_: i128) -> Option<Self> {
        None
    }
    /// Reads any other number.
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    /// Reads a truth value.
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    /// Reads a list.
    ///
    /// # Errors
    /// When this is no list, or an item does not fit.
    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &Self::EXPECTED))
    }
}

/// The integers.
pub trait Integer: FromLenient {}
/// The floats.
pub trait Float: FromLenient {}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl FromLenient for $ty {
            const EXPECTED: &'static str = concat!(stringify!($ty), " or its text");
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok().filter(|_| !text.starts_with('+'))
            }
            fn from_integer(number: i128) -> Option<Self> {
                Self::try_from(number).ok()
            }
        }
        impl Integer for $ty {}
    )*};
}
integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

macro_rules! floats {
    ($($ty:ident)*) => {$(
        impl FromLenient for $ty {
            const EXPECTED: &'static str = concat!(stringify!($ty), " or its text");
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok().filter(|number: &Self| number.is_finite())
            }
            fn from_integer(number: i128) -> Option<Self> {
                Some(number as Self)
            }
            fn from_float(number: f64) -> Option<Self> {
                Some(number as Self).filter(|number| number.is_finite())
            }
        }
        impl Float for $ty {}
    )*};
}
floats!(f32 f64);

impl FromLenient for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn from_bool(truth: bool) -> Option<Self> {
        Some(truth)
    }
}

impl FromLenient for String {
    const EXPECTED: &'static str = "a string";
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn from_integer(number: i128) -> Option<Self> {
        Some(number.to_string())
    }
    fn from_float(number: f64) -> Option<Self> {
        Some(number.to_string())
    }
    fn from_bool(truth: bool) -> Option<Self> {
        Some(truth.to_string())
    }
}

impl FromLenient for SystemTime {
    const EXPECTED: &'static str = "a date";
    fn from_text(text: &str) -> Option<Self> {
        date::parse(text)
    }
    fn from_integer(milliseconds: i128) -> Option<Self> {
        let distance = Duration::from_millis(u64::try_from(milliseconds.unsigned_abs()).ok()?);
        if milliseconds < 0 { Self::UNIX_EPOCH.checked_sub(distance) } else { Self::UNIX_EPOCH.checked_add(distance) }
    }
}

impl<T: FromLenient> FromLenient for Vec<T> {
    const EXPECTED: &'static str = "an array or text with commas";
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            Some(Self::new())
        } else {
            text.split(',').map(|item| T::from_text(item.trim())).collect()
        }
    }
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Self::new();
        while let Some(Lenient(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: FromLenient> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).ok_or_else(|| E::invalid_value(Unexpected::Other("string"), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::from_integer(number.into()).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_integer(number.into()).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_float(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        T::from_bool(truth).ok_or_else(|| E::invalid_type(Unexpected::Bool(truth), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    #[track_caller]
    fn check<T: FromLenient + PartialEq + fmt::Debug>(json: &str, expected: Option<T>) {
        let read = Payload::from_json(json.to_owned()).decode::<Lenient<T>>();
        assert_eq!(read.ok().map(|value| value.0), expected, "{json}");
    }

    #[test]
    fn what_nestjs_takes_for_a_value_is_one() {
        check(r#""42""#, Some(42_u32));
        check("42", Some(42_u32));
        check(r#""-7""#, Some(-7_i8));
        for json in
            [r#""+7""#, r#"" 7""#, r#""7.0""#, "7.5", r#""""#, r#""x""#, "-1", "4294967296", "true", "null", "[]"]
        {
            check::<u32>(json, None);
        }
        check(r#""1.5e2""#, Some(150.0_f64));
        check("3", Some(3.0_f32));
        check("0.5", Some(0.5_f32));
        for json in [r#""NaN""#, r#""inf""#, "1e300"] {
            check::<f32>(json, None);
        }
        check(r#""true""#, Some(true));
        check("false", Some(false));
        check::<bool>("1", None);
        check::<bool>(r#""yes""#, None);
        check("42", Some("42".to_owned()));
        check(r#""a, b,c""#, Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        check(r#"["1",2]"#, Some(vec![1_u8, 2]));
        check::<Vec<u8>>(r#""""#, Some(vec![]));
        check::<Vec<u8>>(r#""1,x""#, None);
        check(r#"[["1"],"2,3"]"#, Some(vec![vec![1_u8], vec![2, 3]]));
    }

    #[test]
    fn a_date_is_text_or_milliseconds() {
        let at = |milliseconds: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        check("1500", Some(at(1500)));
        check("-1000", Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1)));
        check(r#""1970-01-02""#, Some(at(86_400_000)));
        check::<SystemTime>(
            "18446744073709551615",
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::MAX)),
        );
        check::<SystemTime>(r#""1500""#, None);
    }

    #[test]
    fn a_misfit_says_what_is_accepted_and_where() {
        let error = Payload::from_json(r#"["1","secret"]"#).decode::<Lenient<Vec<u32>>>().unwrap_err();
        assert_eq!(error.message, "invalid payload: expected u32 or its text, found string, at `[1]`");
    }
}
