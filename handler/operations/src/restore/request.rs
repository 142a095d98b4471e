//! What to restore.

use serde::{Deserialize, Serialize};

use changefeed_cosmos::DocumentName;
use changefeed_cosmos::{Error, Key};
use changefeed_history::TimeExpression;
use changefeed_history::{Filter, check_filter_count};
use changefeed_jobs::check_budget;

/// Documents that one request names.
const MAX_CANDIDATES: usize = 10_000;
/// Backups of a chain.
const MAX_CHAIN: usize = 1000;

/// A request for a restore. In JSON it is flat: one selection (`id` and `partitionKey`; `documents`; `partitionKey`;
/// `filter` and perhaps `filterOn`; `all`), one target (`asOf`, `before`, `version` or `from`), and the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub struct RestoreRequest {
    /// Which documents.
    pub selection: Selection,
    /// Back to what.
    pub target: Target,
    /// Only plan.
    pub dry_run: bool,
    /// Overwrite documents that have changed since the plan.
    pub force: bool,
    /// Delete documents that are known not to have existed at the target.
    pub delete_created_after: bool,
    /// Another container to write to, in place of the monitored one.
    pub into: Option<String>,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Who, for the record.
    pub requested_by: Option<String>,
    /// Make a job of it, however small it is.
    pub job: bool,
    /// The most request units to use in a second. It makes a job of it.
    pub ru_per_second: Option<f64>,
}

/// Which documents to restore.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// These.
    Documents(Vec<DocumentName>),
    /// Those of one partition key value.
    Partition(Key),
    /// Those that meet every condition.
    Filter {
        /// The conditions.
        filters: Vec<Filter>,
        /// In which state they are held against them.
        on: FilterOn,
    },
    /// Every document.
    All,
}

/// In which state a document must meet a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilterOn {
    /// As it was at the target.
    #[default]
    Target,
    /// As it is now.
    Live,
}

/// Back to what.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The newest version not after the moment.
    AsOf(TimeExpression),
    /// The newest version before the moment.
    Before(TimeExpression),
    /// This version, of one document.
    Version(String),
    /// What these places hold: a full backup and its increments in order, or files of documents.
    Backup(Vec<String>),
}

impl Target {
    /// The last second of changes that count, and the second at which the document is looked at.
    pub(crate) fn seconds(&self) -> Option<(i64, i64)> {
        match self {
            Self::AsOf(moment) => Some((moment.second(), moment.second())),
            Self::Before(moment) => Some((moment.second_before(), moment.second_before())),
            Self::Version(_) | Self::Backup(_) => None,
        }
    }
}

/// The request as it is in JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Flat {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<Vec<DocumentName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Vec<Filter>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_on: Option<FilterOn>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<TimeExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<TimeExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Places>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delete_created_after: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    job: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ru_per_second: Option<f64>,
}

/// A place, or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<Flat> for RestoreRequest {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        let selection = match (flat.id, flat.partition_key, flat.documents, flat.filter, flat.all) {
            (Some(id), Some(partition_key), None, None, false) => {
                Selection::Documents(vec![DocumentName { id, partition_key }])
            }
            (Some(_), None, None, None, false) => {
                return Err("id needs the document's partitionKey, the array of its components".into());
            }
            (None, None, Some(documents), None, false) if documents.is_empty() => {
                return Err("documents is empty".into());
            }
            (None, None, Some(documents), None, false) if documents.len() > MAX_CANDIDATES => {
                return Err(format!("{} documents; allowed are {MAX_CANDIDATES}", documents.len()));
            }
            (None, None, Some(documents), None, false) => Selection::Documents(documents),
            (None, Some(key), None, None, false) => Selection::Partition(key),
            (None, None, None, Some(filters), false) if filters.is_empty() => {
                return Err("filter is empty; for every document give all: true".into());
            }
            (None, None, None, Some(filters), false) => {
                check_filter_count(&filters)?;
                Selection::Filter { filters, on: flat.filter_on.unwrap_or_default() }
            }
            (None, None, None, None, true) => Selection::All,
            // A backup is restored whole unless something else is said.
            (None, None, None, None, false) if flat.from.is_some() => Selection::All,
            _ => {
                return Err(
                    "give exactly one of: id and partitionKey; documents; partitionKey; filter; all: true".into()
                );
            }
        };
        if flat.filter_on.is_some() && !matches!(selection, Selection::Filter { .. }) {
            return Err("filterOn goes with filter".into());
        }
        if flat.into.is_some() && flat.delete_created_after {
            return Err("deleteCreatedAfter does not go with into: what is in another container has no history".into());
        }
        check_budget(flat.ru_per_second)?;
        if flat.filter_on == Some(FilterOn::Live) && flat.from.is_some() {
            return Err(
                "filterOn is live; with from, documents are held against the filter as the backup has them".into()
            );
        }
        let target = match (flat.as_of, flat.before, flat.version) {
            (None, None, None) if let Some(from) = flat.from => match from {
                Places::One(place) => Target::Backup(vec![place]),
                Places::Several(places) if (1..=MAX_CHAIN).contains(&places.len()) => Target::Backup(places),
                Places::Several(places) => {
                    return Err(format!("from has {} places; allowed are 1 to {MAX_CHAIN}", places.len()));
                }
            },
            _ if flat.from.is_some() => return Err("from goes with none of: asOf, before, version".into()),
            (Some(moment), None, None) => Target::AsOf(moment),
            (None, Some(moment), None) => Target::Before(moment),
            (None, None, Some(version)) if matches!(&selection, Selection::Documents(documents) if documents.len() == 1) => {
                Target::Version(version)
            }
            (None, None, Some(_)) => return Err("version goes with one document: id and partitionKey".into()),
            _ => return Err("give exactly one of: asOf, before, version, from".into()),
        };
        Ok(Self {
            selection,
            target,
            dry_run: flat.dry_run,
            force: flat.force,
            delete_created_after: flat.delete_created_after,
            into: flat.into,
            reason: flat.reason,
            requested_by: flat.requested_by,
            job: flat.job,
            ru_per_second: flat.ru_per_second,
        })
    }
}

impl RestoreRequest {
    /// Whether a job is asked for, or it takes one.
    pub fn is_job(&self) -> bool {
        matches!(self.target, Target::Backup(_)) || self.job || self.ru_per_second.is_some()
    }

    /// The request as it is recorded.
    pub(super) fn recorded(&self) -> Result<serde_json::Value, Error> {
        serde_json::to_value(self.clone()).map_err(|error| Error::invalid("recording a restore", error.to_string()))
    }
}

impl From<RestoreRequest> for Flat {
    fn from(request: RestoreRequest) -> Self {
        let mut flat = Self {
            dry_run: request.dry_run,
            force: request.force,
            delete_created_after: request.delete_created_after,
            into: request.into,
            reason: request.reason,
            requested_by: request.requested_by,
            job: request.job,
            ru_per_second: request.ru_per_second,
            ..Self::default()
        };
        match request.selection {
            Selection::Documents(documents) => match <[DocumentName; 1]>::try_from(documents) {
                Ok([DocumentName { id, partition_key }]) => {
                    (flat.id, flat.partition_key) = (Some(id), Some(partition_key))
                }
                Err(documents) => flat.documents = Some(documents),
            },
            Selection::Partition(key) => flat.partition_key = Some(key),
            Selection::Filter { filters, on } => (flat.filter, flat.filter_on) = (Some(filters), Some(on)),
            Selection::All => flat.all = true,
        }
        match request.target {
            Target::AsOf(moment) => flat.as_of = Some(moment),
            Target::Before(moment) => flat.before = Some(moment),
            Target::Version(version) => flat.version = Some(version),
            Target::Backup(places) => {
                flat.from = Some(match <[String; 1]>::try_from(places) {
                    Ok([place]) => Places::One(place),
                    Err(places) => Places::Several(places),
                });
            }
        }
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_one_selection_and_one_target() {
        for request in [
            json!({"id": "1", "partitionKey": ["a"], "version": "v"}),
            json!({"documents": [{"id": "1", "partitionKey": ["a"]}, {"id": "2", "partitionKey": [null]}], "asOf": "2026-11-20T10:30:00Z"}),
            json!({"partitionKey": ["a", 1], "before": "2026-11-20T10:30:00Z", "force": true}),
            json!({"filter": ["city_name=Davidson"], "filterOn": "live", "before": "2026-11-20T10:30:00Z", "reason": "x"}),
            json!({"all": true, "asOf": "2026-11-20T10:30:00Z", "dryRun": true, "into": "look"}),
            json!({"all": true, "asOf": "2026-11-20T10:30:00Z", "job": true, "ruPerSecond": 400.0}),
            json!({"all": true, "from": "/backups/b"}),
            json!({"filter": ["city_name=Davidson"], "filterOn": "target", "from": ["https://a/b", "https://a/c"]}),
        ] {
            let read: RestoreRequest = serde_json::from_value(request.clone()).expect("request");
            assert_eq!(serde_json::to_value(read).expect("json"), request);
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let refused = |request: serde_json::Value| {
            serde_json::from_value::<RestoreRequest>(request).expect_err("refused").to_string()
        };
        assert!(refused(json!({"asOf": 1})).contains("exactly one of: id and partitionKey"));
        assert!(refused(json!({"id": "1", "asOf": 1})).contains("partitionKey"));
        assert!(refused(json!({"all": true, "filter": ["a=1"], "asOf": 1})).contains("exactly one of"));
        assert!(refused(json!({"all": true})).contains("asOf, before, version"));
        assert!(refused(json!({"all": true, "version": "v"})).contains("one document"));
        assert!(refused(json!({"from": "/b", "asOf": 1})).contains("from goes with none"));
        assert!(refused(json!({"from": []})).contains("1 to"));
        assert!(refused(json!({"filter": [], "asOf": 1})).contains("all: true"));
        assert!(refused(json!({"filter": ["a; DROP=1"], "asOf": 1})).contains("invalid field"));
        assert!(refused(json!({"all": true, "asOf": 1, "ruPerSecond": 1})).contains("allowed are 10 to"));
        assert!(refused(json!({"all": true, "asOf": "noon"})).contains("RFC 3339"));
        assert!(refused(json!({"all": true, "asOf": 1, "colour": 2})).contains("colour"));
    }
}
