//! A request to move a history.

use changefeed_cosmos::SourceName;
use changefeed_history::FlatFields;
use changefeed_jobs::check_budget;
use serde::{Deserialize, Serialize};

/// Where the other history is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RehomeSource {
    /// The name of the settings with the connection to its account; without one, the account of this history.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connection: Option<String>,
    /// Its database; without one, that of this history.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub database: Option<String>,
    /// The container of its versions, or of the copies of changes.
    pub changes: String,
    /// Its source there, which distinguishes its dead letters and jobs from those of others; without one, `default`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourceName>,
    /// The container of its dead letters; without one, none are copied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_letters: Option<String>,
    /// The container of its jobs, which says what the retention has deleted and what is erased.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jobs: Option<String>,
}

/// A request to move a history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RehomeRequest {
    /// Where it is.
    pub from: RehomeSource,
    /// What copies of changes look like; without it, the items are versions of this program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub flat: Option<FlatFields>,
    /// Whether the documents had another partition key.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub new_key: bool,
    /// Whether to move although the erased documents of the other history cannot be recorded here.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub without_erased: bool,
    /// Whether only to count what would be stored.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dry_run: bool,
    /// Who requests it, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The budget: request units a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ru_per_second: Option<f64>,
}

impl RehomeRequest {
    /// Checks the values.
    ///
    /// # Errors
    /// The name of the value that is not allowed, and what is.
    pub(super) fn check(&self) -> Result<(), String> {
        check_budget(self.ru_per_second)?;
        let Some(flat) = &self.flat else { return Ok(()) };
        flat.check()?;
        let others = [
            ("newKey", self.new_key),
            ("withoutErased", self.without_erased),
            ("deadLetters", self.from.dead_letters.is_some()),
            ("jobs", self.from.jobs.is_some()),
        ];
        match others.into_iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(format!("flat and {name} exclude each other: copies of changes are moved without")),
            None => Ok(()),
        }
    }
}
