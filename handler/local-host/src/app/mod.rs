//! A function app as its files describe it: host.json and a function.json in each function's folder.

mod fields;
mod function_json;
mod host_json;
mod retry_policy;
mod settings;
mod time_span;

use std::path::Path;

pub(crate) use function_json::{AuthLevel, CosmosTrigger, Function, Trigger};
pub(crate) use host_json::{Description, HostJson};
pub(crate) use retry_policy::{Delays, RetryPolicy};
pub(crate) use settings::Settings;

use crate::error::HostError;

/// Everything the files say that matters to this host.
#[derive(Debug)]
pub(crate) struct FunctionApp {
    pub host: HostJson,
    /// In the order of their names, which is also the precedence of their routes.
    pub functions: Vec<Function>,
}

impl FunctionApp {
    pub(crate) fn read(script_root: &Path, settings: &Settings) -> Result<Self, HostError> {
        let host = HostJson::read(&script_root.join("host.json"))?;
        let unreadable = |source| HostError::Unreadable { file: script_root.to_owned(), source };
        let mut functions = Vec::new();
        for entry in std::fs::read_dir(script_root).map_err(unreadable)? {
            let folder = entry.map_err(unreadable)?.path();
            let file = folder.join("function.json");
            if file.is_file() {
                functions.extend(Function::read(&folder, &file, settings)?);
            }
        }
        functions.sort_by_key(|function| function.name.to_lowercase());
        Ok(Self { host, functions })
    }
}
