//! The value of a setting. Any setting can hold a secret, if only by mistake: a connection string in the wrong setting, a password in a
//! URL. So a value cannot be printed, and an error about one names the setting and what is allowed. What is printed on purpose, such as
//! the name of a container, was checked first: it does not look like a secret.

use std::fmt;

use anyhow::{Error, anyhow};

/// The value of a setting. It has no `Display`, and its `Debug` has no part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SettingValue<'a>(&'a str);

/// Account keys and the signatures of SAS tokens have more characters of base64 in a row. Names and numbers have fewer.
const KEY_CHARACTERS: usize = 40;
/// The lengths of the secrets of applications in Entra ID, which have a `~`.
const CLIENT_SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=64;
/// What is in connection strings and in SAS tokens before the secret.
const BEFORE_SECRETS: [&str; 6] =
    ["accountkey=", "sharedaccesskey=", "sharedaccesssignature=", "sig=", "password=", "secret="];

impl<'a> SettingValue<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text, to be parsed. It must not become part of an error.
    pub fn expose(self) -> &'a str {
        self.0
    }

    /// The text of a setting that is printed, such as a name.
    ///
    /// # Errors
    /// When it looks like a secret that belongs into another setting.
    pub fn printable(self, setting: &str) -> Result<&'a str, Error> {
        if looks_like_a_secret(self.0) {
            return Err(anyhow!(
                "setting {setting} holds what looks like a key, a password, a SAS or a URL, which belongs into another setting; its value is not shown"
            ));
        }
        Ok(self.0)
    }
}

impl fmt::Debug for SettingValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SettingValue(…)")
    }
}

/// The error for a wrong value of a setting.
pub fn invalid(setting: &str, allowed: &str) -> Error {
    anyhow!("setting {setting} has an invalid value (not shown, because it could be a secret); allowed are {allowed}")
}

fn looks_like_a_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_key_character = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '/');
    BEFORE_SECRETS.iter().any(|before| lower.contains(before))
        || text.contains("://")
        || text.split(|character| !is_key_character(character)).any(|run| run.len() >= KEY_CHARACTERS)
        || text.contains('~') && CLIENT_SECRET_CHARACTERS.contains(&text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_printed() {
        let value = SettingValue::new("c2VjcmV0");
        assert_eq!(format!("{value:?} {:?}", Some(value)), "SettingValue(…) Some(SettingValue(…))");
        let key = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";
        let message = SettingValue::new(key).printable("CHANGEFEED_DATABASE").expect_err("refused").to_string();
        assert!(message.contains("CHANGEFEED_DATABASE") && !message.contains("C2y6"), "{message}");
    }

    #[test]
    fn secrets_are_recognized_and_names_are_not() {
        for secret in [
            "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
            "AccountEndpoint=https://a.documents.azure.com/;AccountKey=eA==;",
            "https://me:hunter2@example.com/",
            "https://a.blob.core.windows.net/c?sv=1&sig=abc",
            "Endpoint=sb://a;SharedAccessKey=abc",
            "aBc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789-",
        ] {
            assert!(looks_like_a_secret(secret), "{secret}");
        }
        for name in [
            "dev",
            "events",
            "my-container-with-a-rather-long-name-of-a-customer",
            "6f1c7c1e-5b3c-4a53-9d51-0d6a4d8f6f10",
            "a~b",
            "city_name,address.city",
        ] {
            assert!(!looks_like_a_secret(name), "{name}");
        }
    }
}
