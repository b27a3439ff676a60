//! What is inside a place: the entries of a table, the items of a list, the variant of an enum.

use std::borrow::Cow;
use std::vec::IntoIter;

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::cursor::{Cursor, Input, Key};
use super::fault::{Fault, Kind};

/// Entries of a table, one after the other.
pub(super) struct Entries<'r> {
    rest: IntoIter<(String, Cursor<'r>)>,
    value: Option<Cursor<'r>>,
}

impl<'r> Entries<'r> {
    pub(super) fn new(table: &Cursor<'r>, fields: Option<&'static [&'static str]>) -> Self {
        Self { rest: table.entries(fields).into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        let path = value.path.clone();
        self.value = Some(value);
        let key = seed.deserialize(Key(&name)).map_err(|fault| match fault.kind {
            // Its place is the table's: whoever buffers keys says so there too.
            Kind::UnknownKey { .. } => fault,
            _ => Fault::from(Kind::Other("the key itself is not what keys are there".to_owned())).at(&path),
        })?;
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().expect("serde asks for a value after its key");
        let path = value.path.clone();
        seed.deserialize(value).map_err(|fault| fault.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// Items of a list, one after the other.
pub(super) struct Items<'r> {
    rest: IntoIter<Cursor<'r>>,
}

impl<'r> Items<'r> {
    pub(super) fn new(list: &Cursor<'r>, items: Vec<Input<'r>>) -> Self {
        let item = |(index, input)| list.pass.cursor(list.path.item(index), input);
        Self { rest: items.into_iter().enumerate().filter_map(item).collect::<Vec<_>>().into_iter() }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let path = item.path.clone();
        seed.deserialize(item).map(Some).map_err(|fault| fault.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A variant by its name, and what belongs to it.
pub(super) struct Variant<'r> {
    pub(super) name: Cow<'static, str>,
    /// `None` when there is a name and no more.
    pub(super) content: Option<Cursor<'r>>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = (*self.name).into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'r> Variant<'r> {
    fn content(self) -> Result<Cursor<'r>, Fault> {
        self.content.ok_or_else(|| Fault::misfit("its name alone", "a table with the variant and what belongs to it"))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None => Ok(()),
            Some(Cursor { input: Input::Neutral(_), .. }) => Ok(()),
            Some(content) => serde::Deserialize::deserialize(content),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let content = self.content()?;
        let path = content.path.clone();
        seed.deserialize(content).map_err(|fault| fault.at(&path))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.content()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.content()?.deserialize_struct("", fields, visitor)
    }
}
