//! JSON as tokens may use it: strict, bounded, every member name once (RFC 8259, RFC 7515 §4, RFC 7519 §4).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// How deep arrays and objects may nest.
pub(crate) const MAX_DEPTH: u8 = 32;

/// A value as the claims and header readers want it: strings and lists of strings in full, the rest by its type.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Field<'a> {
    /// The member is not there.
    #[default]
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// A number. Integers beyond 2^53 lose precision, which no claim we compute with can notice.
    Number(f64),
    /// A list whose members are all strings; the empty list is one.
    List(Vec<Cow<'a, str>>),
    /// A list whose members are all numbers.
    Numbers(Vec<f64>),
    /// Anything else, by the name of its type.
    Other(&'static str),
}

impl Field<'_> {
    /// What it is, for an operator's eyes.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::List(_) => "a list of strings",
            Self::Numbers(_) => "a list of numbers",
            Self::Other(name) => name,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The string, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one value at a nesting depth, checking everything below it.
#[derive(Clone, Copy)]
pub(crate) struct FieldSeed {
    pub(crate) depth: u8,
}

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other("a boolean"))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Field<'de>, A::Error> {
        let inner = deeper(self.depth)?;
        let (mut texts, mut numbers, mut others) = (Vec::new(), Vec::new(), false);
        while let Some(member) = sequence.next_element_seed(inner)? {
            match member {
                Field::Text(text) => texts.push(text),
                Field::Number(number) => numbers.push(number),
                _ => others = true,
            }
        }
        Ok(match (texts.is_empty(), numbers.is_empty(), others) {
            (_, true, false) => Field::List(texts),
            (true, false, false) => Field::Numbers(numbers),
            _ => Field::Other("a mixed list"),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        let first: Option<Name<'de>> = map.next_key()?;
        if first.as_ref().is_some_and(|Name(name)| name == NUMBER) && numbers_are_objects() {
            let Name(text) = map.next_value()?;
            return match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Field::Number(number)),
                _ => Err(A::Error::custom("a number is out of range")),
            };
        }
        members(first, map, self.depth, |_, _| Ok(()))?;
        Ok(Field::Other("an object"))
    }
}

/// How `serde_json` names the one member of a number where its feature `arbitrary_precision` is on.
const NUMBER: &str = "$serde_json::private::Number";

/// Whether it is on: another crate of the program may have asked for it, and features are shared.
fn numbers_are_objects() -> bool {
    struct Probe;
    impl<'de> Visitor<'de> for Probe {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<bool, A::Error> {
            Ok(true)
        }
    }
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        let mut number = serde_json::Deserializer::from_str("0.5");
        number.deserialize_any(Probe).unwrap_or(false)
    })
}

/// Walks an object's members from the first on, handing each to `each`; refuses a repeated name, and names that other JSON readers treat
/// as magic and would read differently from us.
pub(crate) fn members<'de, A: MapAccess<'de>>(
    first: Option<Name<'de>>,
    mut map: A,
    depth: u8,
    mut each: impl FnMut(&Cow<'de, str>, Field<'de>) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    let inner = deeper(depth)?;
    let mut names = Names::default();
    let mut next = first;
    while let Some(Name(name)) = next {
        let value = map.next_value_seed(inner)?;
        each(&name, value)?;
        names.insert(name)?;
        next = map.next_key()?;
    }
    Ok(())
}

pub(crate) fn deeper<E: Error>(depth: u8) -> Result<FieldSeed, E> {
    if depth >= MAX_DEPTH {
        return Err(E::custom(format_args!(
            "nested deeper than {MAX_DEPTH} levels"
        )));
    }
    Ok(FieldSeed { depth: depth + 1 })
}

/// The names an object has had so far: a short list first, a hash set when the object grows long.
#[derive(Default)]
pub(crate) struct Names<'a> {
    /// One bit for each (length, last letter) so far: most names are new by this alone.
    sieve: u64,
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 24;

    /// For an object that is likely to have many members.
    pub(crate) fn roomy() -> Self {
        Self {
            few: Vec::with_capacity(Self::FEW),
            ..Self::default()
        }
    }

    pub(crate) fn insert<E: Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        if name.starts_with("$serde_json::private::") {
            return Err(E::custom(
                "a member name that is reserved by a JSON library",
            ));
        }
        let last = name.as_bytes().last().copied().unwrap_or_default();
        let bit = 1 << ((name.len() ^ usize::from(last)) % 64);
        let perhaps = self.sieve & bit != 0;
        self.sieve |= bit;
        let repeated = perhaps && self.contains(&name);
        if repeated {
            return Err(E::custom(format_args!(
                "the member name {:?} is repeated",
                short(&name)
            )));
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.few.iter().any(|known| known == name)
            || (!self.many.is_empty() && self.many.contains(name))
    }
}

/// A member name, borrowed where the text has no escapes.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Checks that `text` is one JSON value within our bounds, without keeping any of it.
pub(crate) fn check(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    FieldSeed { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// At most 64 letters of an attacker's text, for a message.
pub(crate) fn short(text: &str) -> &str {
    match text.char_indices().nth(64) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The position and kind of a syntax error, without the text around it.
pub(crate) fn explain(error: &serde_json::Error) -> String {
    // A message of serde's may quote the attacker's whole text.
    error.to_string().chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_strict_json_only() {
        for good in [
            "{}",
            "[]",
            "1",
            "\"a\"",
            r#"{"a":{"a":1},"b":[1,null,{"c":true}]}"#,
            r#"{"":1}"#,
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "{",
            "NaN",
            "[1,]",
            "{'a':1}",
            "{\"a\":1}x",
            "1e999",
            "[Infinity]",
            "\"\\ud800\"",
            "\u{feff}{}",
            "{a:1}",
            "01",
            "\"\u{1}\"",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refuses_a_repeated_name_anywhere() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"\u0061":2}}"#,
            r#"[{"a":1,"b":2,"a":3}]"#,
        ] {
            assert!(
                check(bad).unwrap_err().to_string().contains("repeated"),
                "{bad}"
            );
        }
        let mut many: Vec<String> = (0..500).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(check(&format!("{{{}}}", many.join(","))).is_ok());
        many.push("\"k499\":0".into());
        assert!(check(&format!("{{{}}}", many.join(","))).is_err());
    }

    #[test]
    fn bounds_the_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(usize::from(MAX_DEPTH))).is_ok());
        assert!(check(&nested(usize::from(MAX_DEPTH) + 1)).is_err());
        assert!(check(&nested(100_000)).is_err());
    }

    #[test]
    fn refuses_names_that_are_magic_elsewhere() {
        assert!(check(r#"{"$serde_json::private::RawValue":"1"}"#).is_err());
    }
}
