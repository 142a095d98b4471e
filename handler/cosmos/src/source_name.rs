//! The name of a source: a monitored container and its history, of which an app may have several.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::Error;

/// The names that a source may have.
pub const SOURCE_NAME_GRAMMAR: &str = "1 to 32 lowercase letters and digits, the first of them a letter";
/// The most characters of a name.
const MAX_CHARACTERS: usize = 32;
/// The property of an item that names its source.
pub(crate) const SOURCE: &str = "source";

/// The name of a source. Its grammar is that of function names, settings and ids alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(Arc<str>);

/// A text that no source can have as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a source has {SOURCE_NAME_GRAMMAR}")]
pub struct InvalidSourceName;

impl SourceName {
    /// The source of an app that names none.
    pub const DEFAULT: &str = "default";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the source of an app that names none. Its items do not name their source.
    pub fn is_default(&self) -> bool {
        &*self.0 == Self::DEFAULT
    }

    /// The source of a stored item.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when the item has a text there that is no name.
    pub fn of_item(item: &Value) -> Result<Self, Error> {
        let Some(name) = item.get(SOURCE) else { return Ok(Self::default()) };
        let name = name.as_str().and_then(|name| name.parse().ok());
        name.ok_or_else(|| Error::corrupt("reading the source of an item", InvalidSourceName))
    }

    /// The name that [`Self::item_id`] has made an id of; `None` for another id.
    pub(crate) fn name_of_item<'i>(&self, id: &'i str) -> Option<&'i str> {
        id.strip_prefix(self.as_str())?.strip_prefix('.')
    }

    /// The id of an item of which every source has its own one: that of the source `default` is the name alone.
    pub fn item_id(&self, name: &str) -> String {
        if self.is_default() { name.to_owned() } else { format!("{self}.{name}") }
    }
}

impl Default for SourceName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for SourceName {
    type Err = InvalidSourceName;

    fn from_str(text: &str) -> Result<Self, InvalidSourceName> {
        let is_allowed = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
        let is_name = (1..=MAX_CHARACTERS).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.chars().all(is_allowed);
        if is_name { Ok(Self(text.into())) } else { Err(InvalidSourceName) }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for SourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_has_lowercase_letters_and_digits() {
        for name in ["default", "orders", "a", "a1", &"a".repeat(32)] {
            assert_eq!(name.parse::<SourceName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for wrong in ["", "Orders", "1a", "a-b", "a_b", "a.b", "a b", "ä", &"a".repeat(33)] {
            assert_eq!(wrong.parse::<SourceName>(), Err(InvalidSourceName), "{wrong:?}");
        }
    }

    #[test]
    fn an_item_without_a_source_is_of_the_default_one_whose_ids_are_short() {
        let orders: SourceName = "orders".parse().expect("a name");
        assert_eq!(SourceName::of_item(&json!({"id": "1"})).expect("a source"), SourceName::default());
        assert_eq!(SourceName::of_item(&json!({"source": "orders"})).expect("a source"), orders);
        for damaged in [json!({"source": "Orders!"}), json!({"source": 1})] {
            assert_eq!(SourceName::of_item(&damaged).expect_err("damaged").kind(), crate::ErrorKind::Corrupt);
        }
        assert_eq!(
            (SourceName::default().item_id("sizes"), orders.item_id("sizes")),
            ("sizes".into(), "orders.sizes".into())
        );
    }
}
