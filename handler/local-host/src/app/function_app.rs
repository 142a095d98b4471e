//! Reads all files of an app.

use std::path::Path;

use super::function_json::Function;
use super::host_json::HostJson;
use super::settings::Settings;
use crate::error::HostError;

/// The parts of the files that this host uses.
#[derive(Debug)]
pub(crate) struct FunctionApp {
    pub host: HostJson,
    /// Those that are not disabled, sorted by name, which is also the precedence of their routes.
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
                functions.extend(Function::read(&folder, &file, settings)?.filter(|function| {
                    let is_disabled = settings.is_disabled(&function.name);
                    if is_disabled {
                        log::info!("function {} is disabled", function.name);
                    }
                    !is_disabled
                }));
            }
        }
        functions.sort_by_key(|function| function.name.to_lowercase());
        Ok(Self { host, functions })
    }
}
