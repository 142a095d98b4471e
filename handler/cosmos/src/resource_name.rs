//! The names of databases and containers, which are segments of URL paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_NAME_CHARACTERS: usize = 255;

/// What the name of a database or a container can be, for messages.
pub const NAME_GRAMMAR: &str = "a name has 1 to 255 characters, none of them / \\ ? # or a control character, does not end in a space, and \
     is not . or ..";

/// The name of a database or a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

/// A text that is not the name of a database or a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name {0:?} of a database or a container; {NAME_GRAMMAR}")]
pub struct InvalidName(String);

impl ResourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ResourceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        if is_name(&text) { Ok(Self(text)) } else { Err(InvalidName(text)) }
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether the service allows the name. Such a name is one segment of the URL path that the SDK makes.
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count())
        && !matches!(text, "." | "..")
        && !text.contains(['/', '\\', '?', '#'])
        && !text.contains(char::is_control)
        && text.trim_end() == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::Url;
    use proptest::prelude::*;

    fn names() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("..".to_owned()),
            "[a-z./\\\\?#% \t\r\n\\x00é]{1,3}",
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_name_is_one_segment_of_a_path(name in names()) {
            if name.parse::<ResourceName>().is_ok() {
                let mut url: Url = "https://account.documents.azure.com/".parse().expect("url");
                url.set_path(&format!("/dbs/d/colls/{name}/docs").replace('%', "%25"));
                let segments: Vec<&str> = url.path().split('/').collect();
                prop_assert!(segments.len() == 6 && segments[3] == "colls" && segments[5] == "docs", "{}", url);
                let mut expected = url.clone();
                expected.path_segments_mut().expect("path").clear().extend(["dbs", "d", "colls", &name, "docs"]);
                prop_assert_eq!(url, expected);
            }
        }
    }

    #[test]
    fn names_that_would_be_another_path_are_refused_with_the_grammar() {
        let long = "x".repeat(256);
        for name in
            ["", ".", "..", "events/", "./jobs", "../../other/colls/x", "a\\b", "a?", "a#", "a ", "a\n", "a\tb", &long]
        {
            let message = name.parse::<ResourceName>().expect_err(name).to_string();
            assert!(message.contains("1 to 255 characters"), "{message}");
        }
        for name in ["events", "my events", "ü", "50%", "...", &long[1..]] {
            assert_eq!(name.parse::<ResourceName>().expect(name).as_str(), name);
        }
    }
}
