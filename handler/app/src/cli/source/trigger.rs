//! The function.json of a source's trigger. It names the container and the prefix of the leases themselves: an app setting that a
//! function.json refers to, and that is missing, stops the function.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::config::SourceSettings;
use crate::feed::Feed;

/// The function.json of the source without a name, which the others are made of.
const LATEST_VERSION: &str = include_str!("../../../../../CosmosChangeFeed/function.json");
const ALL_VERSIONS: &str = include_str!("../../../../../CosmosChangeFeedAllVersions/function.json");

/// What a trigger reads.
pub struct TriggerOf<'s> {
    /// The container.
    pub monitored: &'s str,
    /// The prefix of its leases.
    pub lease_prefix: &'s str,
}

impl<'s> TriggerOf<'s> {
    /// The trigger of a source for a feed that is captured.
    pub fn of(settings: &'s SourceSettings, feed: Feed) -> Self {
        let lease_prefix = match feed {
            Feed::CaptureAllVersions => &settings.all_versions_lease_prefix,
            Feed::Capture | Feed::Jobs => &settings.lease_prefix,
        };
        Self { monitored: &settings.monitored, lease_prefix }
    }

    /// Writes the function.json into the folder of the app; its path. One that is there keeps what it says besides.
    ///
    /// # Errors
    /// When the folder is not that of an app, and when the file cannot be read or written.
    pub fn write(&self, app: &Path, function: &str) -> Result<PathBuf> {
        if !app.join("host.json").is_file() {
            bail!("{} has no host.json; name the folder of the function app with --script-root", app.display());
        }
        let (folder, file) = (app.join(function), app.join(function).join("function.json"));
        let template =
            if function.starts_with(Feed::CaptureAllVersions.function()) { ALL_VERSIONS } else { LATEST_VERSION };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => template.to_owned(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let mut definition: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
        let binding = &mut definition["bindings"][0];
        if !binding.is_object() {
            bail!("{} has no binding; remove the file, and run the command again", file.display());
        }
        binding["containerName"] = json!(self.monitored);
        binding["leaseContainerPrefix"] = json!(self.lease_prefix);
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let text = format!("{}\n", serde_json::to_string_pretty(&definition)?);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    /// How the function.json in the folder of an app differs from this one; `None` if it does not.
    pub fn differs_from(&self, app: &Path, function: &str) -> Option<String> {
        let file = app.join(function).join("function.json");
        let Ok(text) = std::fs::read_to_string(&file) else {
            return Some(format!("{} cannot be read", file.display()));
        };
        let definition: Value = serde_json::from_str(&text).unwrap_or_default();
        let binding = &definition["bindings"][0];
        let found = |name: &str| binding[name].as_str().unwrap_or_default().to_owned();
        let expected = [("containerName", self.monitored), ("leaseContainerPrefix", self.lease_prefix)];
        expected.into_iter().find(|(name, expected)| found(name) != *expected).map(|(name, expected)| {
            format!("{name} of {function}/function.json is {:?}; the settings say {expected:?}", found(name))
        })
    }
}
