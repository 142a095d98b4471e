//! The source of settings: the environment, then a `local.settings.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Names and values of settings.
#[derive(Clone, Debug, Default)]
pub struct Source(BTreeMap<String, String>);

impl Source {
    /// The process's environment.
    pub fn environment() -> Self {
        // A variable that is not UTF-8 cannot be a setting.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Adds the `Values` of a settings file of Azure Functions Core Tools. The environment takes precedence.
    pub fn with_file(mut self, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "Values")]
            values: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("could not read settings file {}", path.display()))?;
        let file: File = serde_json::from_str(&text).with_context(|| {
            format!("invalid settings file {}; expected {{\"Values\":{{\"<name>\":\"<text>\"}}}}", path.display())
        })?;
        for (name, value) in file.values {
            self.0.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// The value of a setting. An empty value is the same as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a setting that may be empty on purpose.
    pub fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names that start with `prefix`.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}

impl From<BTreeMap<String, String>> for Source {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Source {
    fn from(values: [(&str, &str); N]) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
