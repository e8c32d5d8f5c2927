//! JSON (RFC 8259), parsed by `serde_json` and written anew: no spaces, escapes only where they must be, keys in their
//! order, each once.

use crate::Kind;
use crate::filter::only;
use crate::filter::text_rewrite::{clean, decode};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// A value that keeps the order of its keys.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let value = parse(rules, content)?;
    let anew = serde_json::to_vec(&value);
    let anew = anew.map_err(|error| Refusal::new(Kind::Malformed, format!("it cannot be written anew: {error}")))?;
    let note = (anew != content).then(|| format!("written anew: {} bytes became {}", content.len(), anew.len()));
    let done = Done::content(anew);
    Ok(match note {
        Some(note) => done.note(note),
        None => done,
    })
}

/// Reads a whole document.
pub(crate) fn parse(rules: &Rules, content: &[u8]) -> Result<Value, Refusal> {
    let text = decode(content)?;
    let refusal = RefCell::new(None);
    let seed = Seed { depth_left: rules.bounds().nesting, refusal: &refusal };
    let mut reader = serde_json::Deserializer::from_str(text);
    // Our own bound is the stricter one.
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let own = refusal.take();
        match own {
            Some(refusal) => Refusal { place, ..refusal },
            None if error.is_eof() => Refusal::new(Kind::Malformed, "the JSON ends before it is complete").at(place),
            None if error.to_string().contains("trailing characters") => {
                Refusal::new(Kind::Trailing, "something follows the JSON value").at(place)
            }
            None if error.to_string().contains("number out of range") => {
                Refusal::new(Kind::Number, "a number that is too large").at(place)
            }
            None => Refusal::new(Kind::Malformed, "it is not JSON").at(place),
        }
    })
}

/// Reads one value. What is wrong beyond syntax is put aside, because serde's errors are text alone.
#[derive(Clone, Copy)]
struct Seed<'a> {
    depth_left: usize,
    refusal: &'a RefCell<Option<Refusal>>,
}

impl Seed<'_> {
    fn refuse<T, E: Error>(self, refusal: Refusal) -> Result<T, E> {
        self.refusal.replace(Some(refusal));
        Err(E::custom("refused"))
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Seed { depth_left, ..self }),
            None => self.refuse(Refusal::new(Kind::Depth, "the JSON is nested deeper than the policy allows")),
        }
    }

    fn text<E: Error>(self, text: &str) -> Result<String, E> {
        clean(text).map(std::borrow::Cow::into_owned).or_else(|refusal| self.refuse(refusal))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match value.is_finite() {
            true => Ok(Value::Float(value)),
            false => self.refuse(Refusal::new(Kind::Number, "a number that is too large")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.text(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(value) = values.next_element_seed(inner)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let (mut object, mut keys) = (Vec::new(), HashSet::new());
        while let Some(key) = members.next_key::<String>()? {
            let key = self.text(&key)?;
            if !keys.insert(key.clone()) {
                return self.refuse(Refusal::new(Kind::Duplicate, "the same key twice in one object"));
            }
            object.push((key, members.next_value_seed(inner)?));
        }
        Ok(Value::Object(object))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Unsigned(value) => serializer.serialize_u64(*value),
            Value::Signed(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(values) => serializer.collect_seq(values),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
