//! The source of settings: a `local.settings.json`, then the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use super::setting_value::SettingValue;

/// Names and values of settings.
#[derive(Clone, Default)]
pub struct RawSettings(BTreeMap<String, String>);

impl RawSettings {
    /// The process's environment.
    pub fn environment() -> Self {
        // A variable that is not UTF-8 cannot be a setting.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Adds the `Values` of a settings file of Azure Functions Core Tools. A value of the file takes precedence, unless it is empty.
    pub fn with_file(mut self, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "Values")]
            values: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("could not read settings file {}", path.display()))?;
        // The parser's message may have a value.
        let file: File = serde_json::from_str(&text).map_err(|error| {
            anyhow!(
                "invalid settings file {}, at line {} column {}; expected {{\"Values\":{{\"<name>\":\"<text>\"}}}}",
                path.display(),
                error.line(),
                error.column()
            )
        })?;
        for (name, value) in file.values {
            if value.is_empty() {
                self.0.entry(name).or_insert(value);
            } else {
                self.0.insert(name, value);
            }
        }
        Ok(self)
    }

    /// Sets a setting that an argument names.
    pub fn with(mut self, name: &str, value: Option<&String>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.clone());
        }
        self
    }

    /// The value of a setting. An empty value is the same as none.
    pub fn get(&self, name: &str) -> Option<SettingValue<'_>> {
        self.get_even_empty(name).filter(|value| !value.expose().is_empty())
    }

    /// The value of a setting that may be empty on purpose.
    pub fn get_even_empty(&self, name: &str) -> Option<SettingValue<'_>> {
        self.0.get(name).map(|value| SettingValue::new(value))
    }

    /// The names that start with `prefix`.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}

impl fmt::Debug for RawSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl From<BTreeMap<String, String>> for RawSettings {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for RawSettings {
    fn from(values: [(&str, &str); N]) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
