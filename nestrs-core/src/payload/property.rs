//! One property of a payload, read without the others.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::{Reading, misfit};

pub(super) struct Property<'a, T> {
    name: &'a str,
    ty: PhantomData<T>,
}

impl<'a, T> Property<'a, T> {
    pub(super) fn named(name: &'a str) -> Self {
        Self { name, ty: PhantomData }
    }
}

impl<T: DeserializeOwned> Reading for Property<'_, T> {
    type Value = T;
    fn read<'de, D: Deserializer<'de>>(&self, source: D) -> Result<T, D::Error> {
        source.deserialize_any(Members { name: self.name, ty: PhantomData })
    }
}

struct Members<'a, T> {
    name: &'a str,
    ty: PhantomData<T>,
}

impl<T: DeserializeOwned> Members<'_, T> {
    /// What JavaScript's `data?.name` does to anything that has no such property.
    fn missing<E: Error>(&self) -> Result<T, E> {
        let missing = Missing::<E> { name: self.name, error: PhantomData };
        T::deserialize(missing)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Members<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T, A::Error> {
        let mut found = None;
        while let Some(is_meant) = members.next_key_seed(IsNamed(self.name))? {
            if is_meant {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        found.map_or_else(|| self.missing(), Ok)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.missing()
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        self.missing()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        self.missing()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        self.missing()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        self.missing()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        self.missing()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        self.missing()
    }
}

/// Whether a key is the one that is looked for; makes no copy of it.
struct IsNamed<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsNamed<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for IsNamed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// Nothing, which is `None` to an `Option` and an error to everything else.
struct Missing<'a, E> {
    name: &'a str,
    error: PhantomData<E>,
}

impl<'de, E: Error> Deserializer<'de> for Missing<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::custom(misfit::MissingProperty(self.name)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::payload::Payload;

    #[test]
    fn a_property_is_read_wherever_it_stands() {
        let check = |json: &'static str, name: &str, expected: Option<u32>| {
            let text = Payload::from_json(json);
            assert_eq!(text.property::<Option<u32>>(name).unwrap(), expected, "{json}");
            let made = Payload::from_value(text.into_value().unwrap());
            assert_eq!(made.property::<Option<u32>>(name).unwrap(), expected, "{json}");
        };
        check(r#"{"a":[1,{"id":3}],"id":1,"b":2}"#, "id", Some(1));
        check(r#"{"\u0069d":1}"#, "id", Some(1));
        check(r#"{"id":1,"id":2}"#, "id", Some(2));
        check(r#"{"a.b":1,"a":{"b":2}}"#, "a.b", Some(1));
        check(r#"{"id":null}"#, "id", None);
        for nothing in ["{}", "[7]", "null", "7", "-7", "1.5", "true", r#""id""#] {
            check(nothing, "id", None);
        }
        assert_eq!(Payload::absent().property::<Option<u32>>("id").unwrap(), None);
    }

    #[test]
    fn a_property_that_does_not_fit_is_named() {
        let check = |json: &'static str, message: &str, details: Value| {
            let error = Payload::from_json(json).property::<Vec<u8>>("ids").unwrap_err();
            assert_eq!(error.message, format!("invalid payload: {message}"));
            assert_eq!(error.details, Some(details));
        };
        check("{}", "`ids` is missing", json!({ "path": "ids", "found": "nothing" }));
        check("null", "`ids` is missing", json!({ "path": "ids", "found": "nothing" }));
        check(
            r#"{"ids":[1,"x"]}"#,
            "expected u8, found string, at `ids[1]`",
            json!({ "path": "ids[1]", "expected": "u8", "found": "string" }),
        );
        let error = Payload::absent().property::<u8>("id").unwrap_err();
        assert_eq!(error.message, "invalid payload: `id` is missing");
        assert!(Payload::from_json(r#"{"id":1}x"#).property::<u8>("id").is_err(), "what follows is read too");
    }
}
