//! Typed access to the properties of a JSON object. Every error names the file, the property, its value and what is
//! allowed.
//!
//! As in the real host, names ignore case, unknown properties are ignored, and numbers and booleans may be strings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::time_span;
use crate::error::HostError;

pub(crate) struct Fields {
    file: PathBuf,
    path: String,
    object: Map<String, Value>,
    /// The values as they are in the file, of those that [`Fields::map_strings`] has replaced. Errors show these: the value of an app
    /// setting could be a secret.
    replaced: Map<String, Value>,
}

impl Fields {
    /// Reads a file that holds a JSON object.
    pub(crate) fn read(file: &Path) -> Result<Self, HostError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| HostError::Unreadable { file: file.to_owned(), source })?;
        let json = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|source| HostError::NotJson { file: file.to_owned(), source })?;
        Self::from_value(file, String::new(), json)
    }

    fn from_value(file: &Path, path: String, value: Value) -> Result<Self, HostError> {
        match value {
            Value::Object(object) => Ok(Self { file: file.to_owned(), path, object, replaced: Map::new() }),
            other => Err(HostError::Configuration {
                file: file.to_owned(),
                field: if path.is_empty() { "the file".to_owned() } else { path },
                found: other.to_string(),
                allowed: "an object".to_owned(),
            }),
        }
    }

    /// Replaces the values that are strings. `None` from `change` means that an app setting is missing.
    pub(crate) fn map_strings(mut self, change: impl Fn(&str) -> Option<String>) -> Result<Self, HostError> {
        let names: Vec<String> = self.object.keys().cloned().collect();
        for name in names {
            if let Some(Value::String(text)) = self.object.get(&name) {
                let changed =
                    change(text).ok_or_else(|| self.invalid(&name, "the name of an app setting that exists"))?;
                if changed != *text {
                    self.replaced.insert(name.clone(), Value::String(text.clone()));
                }
                self.object.insert(name, Value::String(changed));
            }
        }
        Ok(self)
    }

    pub(crate) fn section(&self, name: &str) -> Result<Option<Self>, HostError> {
        self.get(name).map(|value| Self::from_value(&self.file, self.path_of(name), value.clone())).transpose()
    }

    pub(crate) fn sections(&self, name: &str) -> Result<Vec<Self>, HostError> {
        let section = |(index, value): (usize, &Value)| {
            Self::from_value(&self.file, format!("{}[{index}]", self.path_of(name)), value.clone())
        };
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().enumerate().map(section).collect(),
            Some(_) => Err(self.invalid(name, "an array of objects")),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, HostError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.invalid(name, "a string")),
        }
    }

    pub(crate) fn required_string(&self, name: &str) -> Result<String, HostError> {
        self.string(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.invalid(name, "a non-empty string"))
    }

    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, HostError> {
        let allowed = || self.invalid(name, "an array of strings");
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let strings = values.iter().map(|value| value.as_str().map(str::to_owned));
                strings.collect::<Option<Vec<_>>>().map(Some).ok_or_else(allowed)
            }
            Some(_) => Err(allowed()),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, HostError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(self.invalid(name, "true or false")),
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, HostError> {
        let value = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        value.map(Some).ok_or_else(|| self.invalid(name, "an integer"))
    }

    pub(crate) fn time_span(&self, name: &str) -> Result<Option<Duration>, HostError> {
        let span = |text: &str| time_span::parse(text).ok_or_else(|| self.invalid(name, time_span::SYNTAX));
        self.string(name)?.as_deref().map(span).transpose()
    }

    /// `allowed` pairs each string, ignoring case, with its meaning.
    pub(crate) fn choice<T: Copy>(&self, name: &str, allowed: &[(&str, T)]) -> Result<Option<T>, HostError> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let chosen = allowed.iter().find(|(value, _)| value.eq_ignore_ascii_case(&text)).map(|(_, meaning)| *meaning);
        let values: Vec<&str> = allowed.iter().map(|(value, _)| *value).collect();
        chosen.map(Some).ok_or_else(|| self.invalid(name, &values.join(", ")))
    }

    /// Whether the value comes from an app setting.
    pub(crate) fn is_replaced(&self, name: &str) -> bool {
        find(&self.replaced, name).is_some()
    }

    pub(crate) fn invalid(&self, name: &str, allowed: &str) -> HostError {
        HostError::Configuration {
            file: self.file.clone(),
            field: self.path_of(name),
            found: self.shown(name).map_or_else(|| "missing".to_owned(), Value::to_string),
            allowed: allowed.to_owned(),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        find(&self.object, name)
    }

    /// The value as it is in the file.
    fn shown(&self, name: &str) -> Option<&Value> {
        find(&self.replaced, name).or_else(|| self.get(name))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let ignoring_case = || object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    object.get(name).or_else(ignoring_case).filter(|value| !value.is_null())
}
