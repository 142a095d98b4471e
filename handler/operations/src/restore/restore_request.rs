//! A request for a restore.

use changefeed_cosmos::{DocumentName, Error, FieldPath, Key};
use changefeed_history::{
    Filter, LaterChanges, TimeExpression, VersionFilter, Window, check_filter_count, matches_all,
};
use changefeed_jobs::check_budget;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::capture_lag::CaptureLag;
use super::window_selection::WindowSelection;
use crate::named_key::{named_documents, named_key};

/// The most documents that one request names.
const MAX_DOCUMENTS: usize = 10_000;
/// The most backups in a chain.
const MAX_CHAIN: usize = 1000;

/// A request for a restore. In JSON it is one flat object: one selection (`id` and `partitionKey`, or `pk`; `documents`; `partitionKey`;
/// `filter` and perhaps `filterOn`; `all`), one target (`asOf`, `before`, `version` or `from`), and the rest. A selection by
/// `changedBetween` has its own target, the state before the window, and can be narrowed by `filter`, `partitionKey` and `actor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRestoreRequest", into = "RawRestoreRequest")]
pub struct RestoreRequest {
    /// The documents to restore.
    pub selection: Selection,
    /// The state to restore them to.
    pub target: Target,
    /// The only fields to restore; the rest of the live document stays. Empty: all.
    pub fields: Vec<FieldPath>,
    /// The fields not to restore.
    pub except_fields: Vec<FieldPath>,
    /// Only plan; write nothing.
    pub dry_run: bool,
    /// Overwrite documents that have changed since the plan, and write inexact versions.
    pub force: bool,
    /// Delete documents that are known not to have existed at the target.
    pub delete_created_after: bool,
    /// Another container to write to, instead of the monitored one.
    pub into: Option<String>,
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
    /// Run it as a job, even if it is small.
    pub job: bool,
    /// Store the plan of a dry run, so that it can be executed exactly as it was shown.
    pub store: bool,
    /// How far capture is behind, where that is known: a window is undone when it is captured to its end.
    pub capture_lag: Option<CaptureLag>,
    /// The budget: request units a second. With a budget it is a job.
    pub ru_per_second: Option<f64>,
}

/// The documents to restore.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// The documents with these names.
    Documents(Vec<DocumentName>),
    /// The documents with one partition key value.
    Partition(Key),
    /// The documents that meet all conditions.
    Filter {
        /// The conditions.
        filters: Vec<Filter>,
        /// The state of a document that must meet them.
        on: FilterOn,
    },
    /// The documents that changed in a time window.
    Window(Box<WindowSelection>),
    /// Every document.
    All,
}

impl Selection {
    /// Whether the selection includes a document of a backup. A deletion has no document and meets no filter.
    pub(super) fn includes(&self, name: &DocumentName, document: Option<&Value>) -> bool {
        match self {
            Self::All => true,
            Self::Documents(documents) => documents.contains(name),
            Self::Partition(key) => *key == name.partition_key,
            Self::Filter { filters, .. } => document.is_some_and(|document| matches_all(filters, document)),
            // Its target is the history.
            Self::Window(_) => false,
        }
    }
}

/// The state of a document that must meet a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilterOn {
    /// Its state at the target.
    #[default]
    Target,
    /// Its state now.
    Live,
}

/// The state to restore documents to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The newest version that is not after this time.
    AsOf(TimeExpression),
    /// The newest version before this time.
    Before(TimeExpression),
    /// The state before the versions of the window that is selected.
    BeforeWindow(Window),
    /// The version with this id, of one document.
    Version(String),
    /// The content of these locations: a full backup and its increments in order, or one location with JSON files.
    Backup(Vec<String>),
}

impl Target {
    /// The second since 1970 of the last change that counts, and the second whose state is restored; `None` where the target is no
    /// time.
    pub(crate) fn seconds(&self) -> Option<(i64, i64)> {
        match self {
            Self::AsOf(moment) => Some((moment.second(), moment.second())),
            Self::Before(moment) => Some((moment.second_before(), moment.second_before())),
            Self::BeforeWindow(window) => Some((window.from() - 1, window.from() - 1)),
            Self::Version(_) | Self::Backup(_) => None,
        }
    }
}

/// The request as it is in JSON, before it is checked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawRestoreRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing)]
    pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "named_documents")]
    documents: Option<Vec<DocumentName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Vec<Filter>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_on: Option<FilterOn>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_between: Option<ChangedBetween>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    later_changes: Option<LaterChanges>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<TimeExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<TimeExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Locations>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldPath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except_fields: Vec<FieldPath>,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ru_per_second: Option<f64>,
}

/// Both ends of a window; without `to` it ends now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedBetween {
    from: TimeExpression,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    to: Option<TimeExpression>,
}

/// A location, or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Locations {
    One(String),
    Several(Vec<String>),
}

impl RawRestoreRequest {
    /// The selection of a window, and its target.
    fn window(&mut self, changed: ChangedBetween) -> Result<(Selection, Target), String> {
        let others = [
            ("id", self.id.is_some()),
            ("documents", self.documents.is_some()),
            ("filterOn", self.filter_on.is_some()),
            ("all", self.all),
            ("asOf", self.as_of.is_some()),
            ("before", self.before.is_some()),
            ("version", self.version.is_some()),
            ("from", self.from.is_some()),
            ("into", self.into.is_some()),
        ];
        if let Some((name, _)) = others.iter().find(|(_, is_given)| *is_given) {
            return Err(format!(
                "{name} cannot be used with changedBetween, which may have filter, partitionKey, actor, laterChanges and strict"
            ));
        }
        let later_changes = self.later_changes.take().unwrap_or_default();
        if self.strict && later_changes != LaterChanges::Merge {
            return Err("strict needs laterChanges: \"merge\"".to_owned());
        }
        let filters = self.filter.take().unwrap_or_default();
        check_filter_count(&filters)?;
        let (window, warning) = Window::new(Some(changed.from), changed.to, Utc::now())
            .map_err(|message| format!("changedBetween: {message}"))?;
        let selection = WindowSelection {
            versions: VersionFilter { filters, actor: self.actor.take(), ..VersionFilter::all(window) },
            partition: self.partition_key.take(),
            later_changes,
            strict: self.strict,
            warning,
        };
        Ok((Selection::Window(Box::new(selection)), Target::BeforeWindow(window)))
    }

    /// The selection of the request.
    fn selection(&mut self) -> Result<Selection, String> {
        let (id, key, documents, filters) =
            (self.id.take(), self.partition_key.take(), self.documents.take(), self.filter.take());
        Ok(match (id, key, documents, filters, self.all) {
            (Some(id), Some(partition_key), None, None, false) => {
                Selection::Documents(vec![DocumentName { id, partition_key }])
            }
            (Some(_), None, None, None, false) => {
                return Err("id needs the document's pk, or partitionKey, the array of its key's components".into());
            }
            (None, None, Some(documents), None, false) if documents.is_empty() => {
                return Err(format!("documents is empty; allowed are 1 to {MAX_DOCUMENTS} documents"));
            }
            (None, None, Some(documents), None, false) if documents.len() > MAX_DOCUMENTS => {
                return Err(format!("documents has {} entries; allowed are 1 to {MAX_DOCUMENTS}", documents.len()));
            }
            (None, None, Some(documents), None, false) => Selection::Documents(documents),
            (None, Some(key), None, None, false) => Selection::Partition(key),
            (None, None, None, Some(filters), false) if filters.is_empty() => {
                return Err("filter is empty; to restore all documents, use all: true".into());
            }
            (None, None, None, Some(filters), false) => {
                check_filter_count(&filters)?;
                Selection::Filter { filters, on: self.filter_on.unwrap_or_default() }
            }
            (None, None, None, None, true) => Selection::All,
            // Without a selection, the whole backup is restored.
            (None, None, None, None, false) if self.from.is_some() => Selection::All,
            _ => {
                return Err(
                    "give exactly one of: id and partitionKey, or pk; documents; partitionKey, or pk; filter; all: true; changedBetween".into()
                );
            }
        })
    }

    /// The selection and the target of a request without a window.
    fn selection_and_target(&mut self) -> Result<(Selection, Target), String> {
        let needs_window =
            [("actor", self.actor.is_some()), ("laterChanges", self.later_changes.is_some()), ("strict", self.strict)];
        if let Some((name, _)) = needs_window.iter().find(|(_, is_given)| *is_given) {
            return Err(format!("{name} needs changedBetween"));
        }
        let selection = self.selection()?;
        if self.filter_on.is_some() && !matches!(selection, Selection::Filter { .. }) {
            return Err("filterOn needs filter".into());
        }
        if self.filter_on == Some(FilterOn::Live) && self.from.is_some() {
            let message =
                "filterOn is live; with from only target is allowed: the filter applies to the backup's documents";
            return Err(message.into());
        }
        let target = self.target(&selection)?;
        Ok((selection, target))
    }

    /// Refuses `fields` and `exceptFields` with what they cannot be combined with.
    fn check_fields(&self) -> Result<(), String> {
        let name = match (self.fields.is_empty(), self.except_fields.is_empty()) {
            (true, true) => return Ok(()),
            (false, false) => return Err("give fields or exceptFields, not both".to_owned()),
            (false, true) => "fields",
            (true, false) => "exceptFields",
        };
        let others = [("deleteCreatedAfter", self.delete_created_after), ("into", self.into.is_some())];
        match others.iter().find(|(_, is_given)| *is_given) {
            Some((other, _)) => Err(format!("{name} cannot be used with {other}: the rest of the live document stays")),
            None => Ok(()),
        }
    }

    /// The target of the request.
    fn target(&mut self, selection: &Selection) -> Result<Target, String> {
        let from = self.from.take();
        Ok(match (self.as_of.take(), self.before.take(), self.version.take(), from) {
            (None, None, None, Some(from)) => match from {
                Locations::One(location) => Target::Backup(vec![location]),
                Locations::Several(locations) if (1..=MAX_CHAIN).contains(&locations.len()) => {
                    Target::Backup(locations)
                }
                Locations::Several(locations) => {
                    return Err(format!("from has {} locations; allowed are 1 to {MAX_CHAIN}", locations.len()));
                }
            },
            (_, _, _, Some(_)) => return Err("from cannot be used with asOf, before or version".into()),
            (Some(time), None, None, None) => Target::AsOf(time),
            (None, Some(time), None, None) => Target::Before(time),
            (None, None, Some(version), None) => match selection {
                Selection::Documents(documents) if documents.len() == 1 => Target::Version(version),
                _ => return Err("version needs one document: give its id and partitionKey".into()),
            },
            _ => return Err("give exactly one of: asOf, before, version, from".into()),
        })
    }
}

impl TryFrom<RawRestoreRequest> for RestoreRequest {
    type Error = String;

    fn try_from(mut raw: RawRestoreRequest) -> Result<Self, String> {
        raw.partition_key = named_key(raw.pk.take(), raw.partition_key.take())?;
        let (selection, target) = match raw.changed_between.take() {
            Some(changed) => raw.window(changed)?,
            None => raw.selection_and_target()?,
        };
        if raw.into.is_some() && raw.delete_created_after {
            let message =
                "deleteCreatedAfter cannot be used with into: the documents of another container have no history";
            return Err(message.into());
        }
        raw.check_fields()?;
        if raw.store && !raw.dry_run {
            return Err("store needs dryRun: true; it stores the plan of a dry run".into());
        }
        check_budget(raw.ru_per_second)?;
        Ok(Self {
            selection,
            target,
            fields: raw.fields,
            except_fields: raw.except_fields,
            dry_run: raw.dry_run,
            force: raw.force,
            delete_created_after: raw.delete_created_after,
            into: raw.into,
            reason: raw.reason,
            requested_by: raw.requested_by,
            job: raw.job,
            store: raw.store,
            capture_lag: None,
            ru_per_second: raw.ru_per_second,
        })
    }
}

impl RestoreRequest {
    /// Whether the restore is a job however small it is.
    pub fn is_job(&self) -> bool {
        matches!(self.target, Target::Backup(_)) || self.job || self.store || self.ru_per_second.is_some()
    }

    /// The window whose versions are undone, if the request has one.
    pub fn window(&self) -> Option<&WindowSelection> {
        match &self.selection {
            Selection::Window(selection) => Some(selection),
            _ => None,
        }
    }

    /// The request as it is stored in the record.
    pub(super) fn recorded(&self) -> Result<Value, Error> {
        serde_json::to_value(self.clone()).map_err(|error| Error::internal("storing the request of a restore", error))
    }
}

impl From<RestoreRequest> for RawRestoreRequest {
    fn from(request: RestoreRequest) -> Self {
        let mut raw = Self {
            fields: request.fields,
            except_fields: request.except_fields,
            dry_run: request.dry_run,
            force: request.force,
            delete_created_after: request.delete_created_after,
            into: request.into,
            reason: request.reason,
            requested_by: request.requested_by,
            job: request.job,
            store: request.store,
            ru_per_second: request.ru_per_second,
            ..Self::default()
        };
        match request.selection {
            Selection::Documents(documents) => match <[DocumentName; 1]>::try_from(documents) {
                Ok([DocumentName { id, partition_key }]) => {
                    (raw.id, raw.partition_key) = (Some(id), Some(partition_key))
                }
                Err(documents) => raw.documents = Some(documents),
            },
            Selection::Partition(key) => raw.partition_key = Some(key),
            Selection::Filter { filters, on } => (raw.filter, raw.filter_on) = (Some(filters), Some(on)),
            Selection::Window(selection) => {
                let (from, to) = selection.versions.window.times();
                raw.changed_between = Some(ChangedBetween { from, to: Some(to) });
                raw.filter = Some(selection.versions.filters).filter(|filters| !filters.is_empty());
                (raw.partition_key, raw.actor) = (selection.partition, selection.versions.actor);
                (raw.later_changes, raw.strict) = (Some(selection.later_changes), selection.strict);
            }
            Selection::All => raw.all = true,
        }
        match request.target {
            Target::AsOf(moment) => raw.as_of = Some(moment),
            Target::Before(moment) => raw.before = Some(moment),
            Target::BeforeWindow(_) => {}
            Target::Version(version) => raw.version = Some(version),
            Target::Backup(locations) => {
                raw.from = Some(match <[String; 1]>::try_from(locations) {
                    Ok([location]) => Locations::One(location),
                    Err(locations) => Locations::Several(locations),
                });
            }
        }
        raw
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
    fn an_error_says_what_is_missing_or_too_much() {
        let refused = |request: serde_json::Value| {
            serde_json::from_value::<RestoreRequest>(request).expect_err("refused").to_string()
        };
        assert!(refused(json!({"asOf": 1})).contains("exactly one of: id and partitionKey"));
        assert!(refused(json!({"id": "1", "asOf": 1})).contains("partitionKey"));
        assert!(refused(json!({"all": true, "filter": ["a=1"], "asOf": 1})).contains("exactly one of"));
        assert!(refused(json!({"all": true})).contains("asOf, before, version"));
        assert!(refused(json!({"all": true, "version": "v"})).contains("one document"));
        assert!(refused(json!({"from": "/b", "asOf": 1})).contains("from cannot be used with"));
        assert!(refused(json!({"from": []})).contains("1 to"));
        assert!(refused(json!({"filter": [], "asOf": 1})).contains("all: true"));
        assert!(refused(json!({"filter": ["a; DROP=1"], "asOf": 1})).contains("invalid field"));
        assert!(refused(json!({"all": true, "asOf": 1, "ruPerSecond": 1})).contains("allowed are 10 to"));
        assert!(refused(json!({"all": true, "asOf": "noon"})).contains("RFC 3339"));
        assert!(refused(json!({"all": true, "asOf": 1, "colour": 2})).contains("colour"));
    }
}
