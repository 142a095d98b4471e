//! The form of a request for a restore in JSON: in bodies of requests, and in the records of restores.
//!
//! It is one flat object: one selection (`id` and `partitionKey`, or `pk`; `documents`; `partitionKey`; `filter` and perhaps `filterOn`;
//! `all`), one target (`asOf`, `before`, `version` or `from`), and the rest. A selection by `changedBetween` has its own target, the state
//! before the window, and can be narrowed by `filter`, `partitionKey` and `actor`.

use changefeed_cosmos::{DocumentName, FieldPath, Key};
use changefeed_history::{Filter, LaterChanges, TimeExpression, VersionFilter, Window, check_filter_count};
use changefeed_jobs::check_budget;
use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::restore_request::{FilterOn, RestoreRequest, Selection, Target};
use super::window_selection::WindowSelection;
use crate::named_key::{named_documents, named_key};

/// The most documents that one request names.
const MAX_DOCUMENTS: usize = 10_000;
/// The most backups in a chain.
const MAX_CHAIN: usize = 1000;

/// The request as it is in JSON, before it is checked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WrittenRequest {
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

impl WrittenRequest {
    /// The selection of a window, and its target.
    fn window(&mut self, changed: ChangedBetween, now: Option<DateTime<Utc>>) -> Result<(Selection, Target), String> {
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
        let (window, warning) = match (now, changed.to) {
            (None, Some(to)) => Window::of_stored(changed.from, to).map(|window| (window, None)),
            (now, to) => Window::new(Some(changed.from), to, now.unwrap_or_else(Utc::now)),
        }
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

    /// The request, if it is valid. `now` is the time at which it was made; `None` for a request that was checked and then stored, whose
    /// window is as it was then.
    fn checked(mut self, now: Option<DateTime<Utc>>) -> Result<RestoreRequest, String> {
        self.partition_key = named_key(self.pk.take(), self.partition_key.take())?;
        let (selection, target) = match self.changed_between.take() {
            Some(changed) => self.window(changed, now)?,
            None => self.selection_and_target()?,
        };
        if self.into.is_some() && self.delete_created_after {
            let message =
                "deleteCreatedAfter cannot be used with into: the documents of another container have no history";
            return Err(message.into());
        }
        self.check_fields()?;
        if self.store && !self.dry_run {
            return Err("store needs dryRun: true; it stores the plan of a dry run".into());
        }
        check_budget(self.ru_per_second)?;
        Ok(RestoreRequest {
            selection,
            target,
            fields: self.fields,
            except_fields: self.except_fields,
            dry_run: self.dry_run,
            force: self.force,
            delete_created_after: self.delete_created_after,
            into: self.into,
            reason: self.reason,
            requested_by: self.requested_by,
            job: self.job,
            store: self.store,
            capture_lag: None,
            ru_per_second: self.ru_per_second,
        })
    }
}

impl<'de> Deserialize<'de> for RestoreRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WrittenRequest::deserialize(deserializer)?.checked(Some(Utc::now())).map_err(D::Error::custom)
    }
}

impl Serialize for RestoreRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenRequest::from(self.clone()).serialize(serializer)
    }
}

impl RestoreRequest {
    /// The request in the record of a restore. Its window is as it was stored, by whichever clock.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_record(recorded: Value) -> serde_json::Result<Self> {
        WrittenRequest::deserialize(recorded)?.checked(None).map_err(serde_json::Error::custom)
    }
}

impl From<RestoreRequest> for WrittenRequest {
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
    fn a_window_of_a_record_is_read_as_it_was_stored_whatever_the_clock_of_the_reader() {
        let time = |second: i64| TimeExpression::from_second(Utc::now().timestamp() + second);
        let stored = json!({"changedBetween": {"from": time(-60), "to": time(60)}, "laterChanges": "conflict"});
        let read = RestoreRequest::of_record(stored.clone()).expect("request");
        assert_eq!(serde_json::to_value(&read).expect("json"), stored);
        assert_eq!(read.window().expect("a window").warning, None);
        let ahead = json!({"changedBetween": {"from": time(60), "to": time(120)}});
        assert!(RestoreRequest::of_record(ahead).is_ok());
        // The window of a new request ends now.
        let new: RestoreRequest = serde_json::from_value(stored).expect("request");
        let selection = new.window().expect("a window");
        assert!(selection.versions.window.to() <= Utc::now().timestamp() && selection.warning.is_some());
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
