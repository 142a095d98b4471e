//! The promises, compared with what the observer at the store has seen.

use std::collections::{BTreeMap, BTreeSet};

use changefeed_history::{Role, VersionId};
use changefeed_jobs::JobState;
use changefeed_processor::ChangeFeedMode::AllVersionsAndDeletes;
use futures::TryStreamExt;
use serde_json::{Map, Value};

use super::observed::State;
use super::scenario::Scenario;

/// By how many seconds the record of a restore's delete may be early, on a network on which the clock cannot be measured in a second.
const MAX_LAG_SECONDS: i64 = 10;

/// What a job has restored.
#[derive(Clone, Debug)]
pub enum Restored {
    /// The documents as they were at the end of this second.
    AsOf {
        second: i64,
        /// The second in which it was requested.
        began: i64,
        /// Whether documents that did not exist then are deleted.
        deletes_created_after: bool,
        /// Whether everything up to then was captured before the restore began. Otherwise a restore warns, and its values cannot be predicted.
        is_complete: bool,
    },
    /// What this restore has overwritten.
    Undo(String),
}

/// The versions of the history: document, operation, etag.
async fn versions(scenario: &Scenario) -> Vec<(String, Value)> {
    let changes = scenario.changefeed.containers.of(Role::Changes).open().await.expect("changes");
    let query = "SELECT c.id, c.sourceId, c.operation, c.etag, c.lsn, c.sourceTs FROM c";
    let records = changes.select(query, &Map::new(), None).await.expect("query");
    let records: Vec<Value> = records.try_collect().await.expect("versions");
    let version = |record: Value| Some((record["sourceId"].as_str()?.to_owned(), record));
    records.into_iter().filter_map(version).collect()
}

fn etag(version: &Value) -> Option<String> {
    version["etag"].as_str().map(|etag| etag.trim_matches('"').to_owned())
}

/// The writes up to a second that have no version and must have one: in LatestVersion mode, the newest of each document.
pub async fn missing(scenario: &Scenario, until: i64) -> Vec<String> {
    let versions = versions(scenario).await;
    let stored: BTreeSet<String> = versions.iter().filter_map(|(_, version)| etag(version)).collect();
    let mut deletes: BTreeMap<&str, usize> = BTreeMap::new();
    let delivered = |version: &Value| version["operation"] == "delete" && !id_of(version).is_removal_by_a_restore();
    for (id, _) in versions.iter().filter(|(_, version)| delivered(version)) {
        *deletes.entry(id).or_default() += 1;
    }
    let is_complete = scenario.mode == AllVersionsAndDeletes;
    scenario.network.observed(|observed| {
        let mut missing = Vec::new();
        for (id, states) in &observed.0 {
            let considered = if is_complete { states.as_slice() } else { &states[states.len() - 1..] };
            for state in considered.iter().filter(|state| state.second <= until) {
                if state.etag.as_ref().is_some_and(|etag| !stored.contains(etag)) {
                    missing.push(format!("{id}: {state:?}"));
                }
            }
            let deleted = states.iter().filter(|state| state.second <= until && state.document.is_none()).count();
            let found = deletes.get(id.as_str()).copied().unwrap_or_default();
            if is_complete && found < deleted {
                missing.push(format!("{id}: {deleted} deletes, of which {found} are stored"));
            }
        }
        missing
    })
}

/// Every change could be captured.
pub async fn no_dead_letters(scenario: &Scenario) {
    let dead_letters = scenario.changefeed.containers.of(Role::DeadLetters).open().await.expect("dead letters");
    let found = dead_letters.select("SELECT TOP 3 * FROM c", &Map::new(), None).await.expect("query");
    let found: Vec<Value> = found.try_collect().await.expect("dead letters");
    assert!(found.is_empty(), "{found:#?}");
}

/// Each version is there once, and was written.
pub async fn history(scenario: &Scenario) {
    let versions = versions(scenario).await;
    let mut stored = BTreeSet::new();
    let mut deletes: BTreeMap<&str, usize> = BTreeMap::new();
    for (document, version) in &versions {
        match etag(version) {
            Some(etag) => {
                // Beside a version that is not exact there can be an exact record of it.
                let is_exact = version["id"].as_str().is_some_and(|id| id.ends_with("-exact"));
                let is_new = stored.insert((document.clone(), etag, is_exact));
                assert!(is_new, "{version} is there twice");
            }
            None if id_of(version).is_removal_by_a_restore() => {}
            None => *deletes.entry(document).or_default() += 1,
        }
    }
    scenario.network.observed(|observed| {
        for (document, etag, _) in &stored {
            let states = observed.0.get(document).map(Vec::as_slice).unwrap_or_default();
            let was_written = states.iter().any(|state| state.etag.as_ref() == Some(etag));
            assert!(was_written, "{document} {etag} was never written");
        }
        for (document, states) in &observed.0 {
            // LatestVersion mode does not deliver deletes.
            let is_delivered = |state: &&State| scenario.mode == AllVersionsAndDeletes && state.document.is_none();
            let deleted = states.iter().filter(is_delivered).count();
            assert_eq!(deletes.get(document.as_str()).copied().unwrap_or_default(), deleted, "deletes of {document}");
        }
    });
}

fn id_of(version: &Value) -> VersionId {
    VersionId::parse(version["id"].as_str().expect("an id")).expect("the id of a version")
}

fn content(state: Option<&State>) -> Option<Value> {
    let mut document = state?.document.clone()?;
    document.as_object_mut().expect("an object").shift_remove("restoreId");
    Some(document)
}

fn is_of(state: &State, restore: &str) -> bool {
    state.document.as_ref().is_some_and(|document| document["restoreId"] == restore)
}

/// Whether a document that a restore has not written was as the restore had to make it, at some time since the restore began.
fn is_as_restored(restored: &Restored, states: &[State], removals: &[i64]) -> bool {
    let Restored::AsOf { second, began, deletes_created_after, is_complete: true } = restored else { return true };
    let Some(at) = states.iter().rposition(|state| state.second < *began) else { return true };
    let is_possible = |expected: Option<Value>| {
        expected.is_none() && !deletes_created_after
            || states[at..].iter().any(|state| content(Some(state)) == expected)
    };
    is_possible(content(states.iter().rev().find(|state| state.second <= *second)))
        || is_removed_early(*second, states, removals) && is_possible(None)
}

/// Whether a restore has deleted the document soon after this second, and may have recorded that in it: the clock of the service, as far as
/// it is known, is behind. `removals`: the seconds of such records.
fn is_removed_early(second: i64, states: &[State], removals: &[i64]) -> bool {
    let is_soon = |state: &State| state.document.is_none() && (1..=MAX_LAG_SECONDS).contains(&(state.second - second));
    let is_recorded = |removal: &i64| (0..MAX_LAG_SECONDS).contains(&(second - removal));
    states.iter().any(is_soon) && removals.iter().any(is_recorded)
}

/// The state of a document that a restore has deleted. The record of the delete has the number after that of the state.
fn deleted_by<'s>(
    restore: &str,
    document: &str,
    versions: &[(String, Value)],
    states: &'s [State],
) -> Option<&'s State> {
    let mut of_document = versions.iter().filter(|(of, _)| of == document).map(|(_, version)| version);
    let removal = of_document.clone().find(|version| id_of(version).is_removal_by(restore))?;
    let number = removal["lsn"].as_i64()? - 1;
    let deleted = etag(of_document.find(|version| version["lsn"] == number && etag(version).is_some())?);
    states.iter().find(|state| state.etag == deleted)
}

/// A restore has ended, has counted each of its writes once, has written only values that were there, and has overwritten only what is in
/// the history.
pub async fn restore(scenario: &Scenario, id: &str, restored: &Restored) {
    let record = scenario.changefeed.restores.record(id).await.expect("record");
    // What was created after the restore began has perhaps no version yet: that is unknown, and left as it is.
    let has_ended = matches!(record.state, JobState::Done | JobState::Unknowns | JobState::Conflicts);
    assert!(has_ended, "{id}: {:?} {:?}", record.state, record.job);
    assert_eq!(record.counts.failed, 0, "{id}: {:?}", record.counts);
    let versions = versions(scenario).await;
    let stored: BTreeSet<String> = versions.iter().filter_map(|(_, version)| etag(version)).collect();
    let written = scenario.network.observed(|observed| {
        let mut written = 0;
        for (document, states) in &observed.0 {
            let positions: Vec<usize> = (0..states.len()).filter(|index| is_of(&states[*index], id)).collect();
            assert!(positions.len() <= 1, "{id} has written {document} {} times", positions.len());
            let Some(position) = positions.first().copied() else {
                let is_done = record.state == JobState::Done && scenario.mode == AllVersionsAndDeletes;
                let of_document =
                    versions.iter().filter(|(of, version)| of == document && id_of(version).is_removal_by_a_restore());
                let removals: Vec<i64> = of_document.filter_map(|(_, version)| version["sourceTs"].as_i64()).collect();
                let of_document: Vec<_> = versions.iter().filter(|(of, _)| of == document).collect();
                assert!(
                    !is_done || is_as_restored(restored, states, &removals),
                    "{id} has not written {document}, {restored:?}: {of_document:#?} {states:#?}"
                );
                continue;
            };
            written += 1;
            let overwritten = position.checked_sub(1).and_then(|before| states[before].etag.as_ref());
            assert!(
                overwritten.is_none_or(|etag| stored.contains(etag)),
                "{id} has overwritten {overwritten:?} of {document}"
            );
            let expected = match restored {
                Restored::AsOf { second, .. } => states.iter().rev().find(|state| state.second <= *second),
                Restored::Undo(undone) => match states.iter().position(|state| is_of(state, undone)) {
                    Some(overwritten) => overwritten.checked_sub(1).and_then(|before| states.get(before)),
                    None => deleted_by(undone, document, &versions, states),
                },
            };
            let is_predictable = match restored {
                Restored::AsOf { is_complete, .. } => *is_complete && scenario.mode == AllVersionsAndDeletes,
                Restored::Undo(_) => true,
            };
            if is_predictable {
                assert_eq!(content(Some(&states[position])), content(expected), "{id} of {document}: {states:#?}");
            } else {
                let was_there =
                    states[..position].iter().any(|state| content(Some(state)) == content(Some(&states[position])));
                assert!(was_there, "{id} of {document}: {states:#?}");
            }
        }
        written
    });
    let counts = &record.counts;
    let deleted = versions.iter().filter(|(_, version)| id_of(version).is_removal_by(id)).count();
    assert_eq!(counts.delete, deleted as u64, "{id}: {counts:?}");
    assert_eq!(counts.create + counts.replace + counts.merge, written, "{id}: {counts:?}");
}
