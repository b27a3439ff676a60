use proptest::collection::vec;
use proptest::prelude::*;
use serde::ser::Error as _;
use serde_json::value::RawValue;

use super::*;

/// A call of a serializer, and those inside it.
#[derive(Clone, Debug)]
enum Node {
    Bool(bool),
    I8(i8),
    I64(i64),
    I128(i128),
    U8(u8),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Shown(String),
    Octets(Vec<u8>),
    None,
    Unit,
    UnitStruct,
    UnitVariant(&'static str),
    Raw(String),
    Refused(String),
    Some(Box<Self>),
    Newtype(Box<Self>),
    NewtypeVariant(Box<Self>),
    Seq(Vec<Self>, bool),
    Tuple(Vec<Self>),
    TupleStruct(Vec<Self>),
    TupleVariant(Vec<Self>),
    Map(Vec<(Self, Self)>, bool),
    Struct(Vec<Self>, bool),
    StructVariant(Vec<Self>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAMES: [&str; 4] = ["short", "with \"quotes\"", "as long as a text has to be for blocks \\ of it", "漢"];
        let names = || NAMES.into_iter().cycle();
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I8(value) => serializer.serialize_i8(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U8(value) => serializer.serialize_u8(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Shown(text) => serializer.collect_str(text),
            Self::Octets(bytes) => serializer.serialize_bytes(bytes),
            Self::None => serializer.serialize_none(),
            Self::Unit => serializer.serialize_unit(),
            Self::UnitStruct => serializer.serialize_unit_struct("Unit"),
            Self::UnitVariant(name) => serializer.serialize_unit_variant("Enum", 1, name),
            Self::Raw(text) => {
                RawValue::from_string(serde_json::to_string(text).unwrap()).unwrap().serialize(serializer)
            }
            Self::Refused(why) => Err(S::Error::custom(why)),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Newtype(value) => serializer.serialize_newtype_struct("New", value),
            Self::NewtypeVariant(value) => serializer.serialize_newtype_variant("Enum", 2, "Newtype \n", value),
            Self::Seq(items, is_sized) => {
                let mut seq = serializer.serialize_seq(is_sized.then_some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Self::TupleStruct(items) => {
                let mut tuple = serializer.serialize_tuple_struct("Tuple", items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Self::TupleVariant(items) => {
                let mut tuple = serializer.serialize_tuple_variant("Enum", 3, "Tuple", items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Self::Map(entries, is_sized) => {
                let mut map = serializer.serialize_map(is_sized.then_some(entries.len()))?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at % 2 == 0 {
                        map.serialize_entry(key, value)?;
                    } else {
                        map.serialize_key(key)?;
                        map.serialize_value(value)?;
                    }
                }
                map.end()
            }
            Self::Struct(fields, with_skipped) => {
                let mut all = serializer.serialize_struct("Struct", fields.len())?;
                if *with_skipped {
                    all.skip_field("skipped")?;
                }
                names().zip(fields).try_for_each(|(name, field)| all.serialize_field(name, field))?;
                all.end()
            }
            Self::StructVariant(fields) => {
                let mut all = serializer.serialize_struct_variant("Enum", 4, "Struct", fields.len())?;
                names().zip(fields).try_for_each(|(name, field)| all.serialize_field(name, field))?;
                all.end()
            }
        }
    }
}

/// Texts around the lengths where something changes, with whatever has to be escaped.
fn text() -> impl Strategy<Value = String> {
    let special = prop_oneof![Just('"'), Just('\\'), (0_u32..0x20).prop_map(|unit| char::from_u32(unit).unwrap())];
    let piece = prop_oneof![
        (0_usize..100).prop_map(|len| "x".repeat(len)),
        special.prop_map(String::from),
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Node::Bool),
        any::<i8>().prop_map(Node::I8),
        any::<i64>().prop_map(Node::I64),
        any::<i128>().prop_map(Node::I128),
        any::<u8>().prop_map(Node::U8),
        any::<u64>().prop_map(Node::U64),
        any::<u128>().prop_map(Node::U128),
        prop_oneof![any::<f32>(), Just(f32::NAN), Just(f32::INFINITY)].prop_map(Node::F32),
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::NEG_INFINITY)].prop_map(Node::F64),
        any::<char>().prop_map(Node::Char),
        text().prop_map(Node::Text),
        text().prop_map(Node::Text),
        text().prop_map(Node::Shown),
        vec(any::<u8>(), 0..80).prop_map(Node::Octets),
        Just(Node::None),
        Just(Node::Unit),
        Just(Node::UnitStruct),
        prop_oneof![Just("Short"), Just("\" and longer than what is left to serde_json")].prop_map(Node::UnitVariant),
        text().prop_map(Node::Raw),
    ];
    // Most of what can be written is no key; where such a key is refused, the error is compared.
    let key = || {
        prop_oneof![9 => text().prop_map(Node::Text), 2 => any::<u64>().prop_map(Node::U64),
        2 => any::<i128>().prop_map(Node::I128), 2 => any::<char>().prop_map(Node::Char), 2 => any::<bool>().prop_map(Node::Bool),
        2 => text().prop_map(Node::Shown), 1 => any::<f64>().prop_map(Node::F64), 1 => Just(Node::UnitVariant("Unit")),
        1 => text().prop_map(|text| Node::Newtype(Box::new(Node::Text(text)))),
        1 => text().prop_map(|text| Node::Some(Box::new(Node::Text(text))))]
    };
    let refused = text().prop_map(Node::Refused);
    let leaf = prop_oneof![60 => leaf, 1 => vec(any::<u8>(), 3).prop_map(|bytes| Node::Map(vec![(Node::Octets(bytes), Node::Unit)], true)), 1 => refused];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let some = || vec(inner.clone(), 0..6);
        prop_oneof![
            boxed().prop_map(Node::Some),
            boxed().prop_map(Node::Newtype),
            boxed().prop_map(Node::NewtypeVariant),
            (some(), any::<bool>()).prop_map(|(items, is_sized)| Node::Seq(items, is_sized)),
            some().prop_map(Node::Tuple),
            some().prop_map(Node::TupleStruct),
            some().prop_map(Node::TupleVariant),
            (vec((key(), inner.clone()), 0..5), any::<bool>()).prop_map(|(all, is_sized)| Node::Map(all, is_sized)),
            (some(), any::<bool>()).prop_map(|(fields, with_skipped)| Node::Struct(fields, with_skipped)),
            some().prop_map(Node::StructVariant),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// And what it refuses is refused for the same reason.
    #[test]
    fn whatever_serde_can_be_told_to_write_is_written_as_serde_json_writes_it(node in node()) {
        let mut out = Written::new();
        let written = write(&mut out, &node).map(|()| String::from_utf8(out.into_bytes().to_vec()).unwrap());
        prop_assert_eq!(
            written.map_err(|error| error.to_string()),
            serde_json::to_string(&node).map_err(|error| error.to_string())
        );
    }
}
