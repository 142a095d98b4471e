//! Where settings come from: the environment, and a `local.settings.json` for what the environment lacks.

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
        // A variable that is not UTF-8 is none of ours.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Adds the `Values` of a settings file of Azure Functions Core Tools; the environment's own win.
    pub fn with_file(mut self, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "Values")]
            values: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let file: File = serde_json::from_str(&text).with_context(|| {
            format!("{} is not a settings file: {{\"Values\":{{\"<name>\":\"<text>\"}}}}", path.display())
        })?;
        for (name, value) in file.values {
            self.0.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// The value of a setting; an empty one counts as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a setting for which an empty one has a meaning.
    pub fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names that begin with `prefix`.
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
