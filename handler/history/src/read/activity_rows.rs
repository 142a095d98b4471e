//! The versions of a window without their bodies.

use std::collections::{HashMap, HashSet};

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, FieldPath, Key, printable};
use chrono::{DateTime, SecondsFormat};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::restore_deletes::{NumberedVersion, recorded_twice};
use super::version_filter::VersionSelector;
use crate::history::History;
use crate::record::read_version;
use crate::version::Operation;
use crate::version_id::VersionId;
use crate::window::Window;

/// Rows on a page of the query: the service's limit.
const PAGE_ROWS: usize = 1000;
/// The most bodies that are read because a filter cannot be judged without them: those of versions that are compressed.
const MAX_JUDGED_BODIES: usize = 1000;

/// A version without its body.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityRow {
    pub version: VersionId,
    pub id: String,
    pub partition_key: Key,
    pub source_ts: i64,
    #[serde(default)]
    pub lsn: Option<i64>,
    pub operation: Operation,
    #[serde(default)]
    pub actor: Option<String>,
    #[serde(default)]
    is_compressed: bool,
    /// The values that the filters test, if the document has any.
    #[serde(flatten)]
    tested: Map<String, Value>,
}

impl ActivityRow {
    pub(super) fn name(&self) -> DocumentName {
        DocumentName { id: self.id.clone(), partition_key: self.partition_key.clone() }
    }
}

/// A field that filters test, and its places in a query, at most one of which has a value.
struct TestedField {
    path: FieldPath,
    places: Vec<(String, String)>,
}

/// Reads the selected versions of a window, oldest first, at most `most`.
///
/// # Errors
/// [`ErrorKind::TooWide`] when there are more; the message has a window that fits. And when the container cannot be read.
pub(super) async fn activity_rows(
    history: &History,
    changes: &Container,
    selector: &VersionSelector,
    most: usize,
) -> Result<Vec<ActivityRow>, Error> {
    let window = selector.select.window;
    let fields = tested_fields(selector);
    let mut parameters =
        Map::from_iter([("@first".to_owned(), json!(window.from())), ("@last".to_owned(), json!(window.to()))]);
    let mut conditions = vec!["c.sourceTs >= @first AND c.sourceTs <= @last".to_owned()];
    conditions.extend(selector.conditions(&mut parameters));
    let places = fields.iter().flat_map(|field| &field.places);
    let selected: Vec<String> = places.map(|(name, place)| format!("{name}: c.document{place}")).collect();
    let query = format!(
        "SELECT VALUE {{version: c.id, id: c.sourceId, partitionKey: c.partitionKey, sourceTs: c.sourceTs, lsn: c.lsn, \
         operation: c.operation, actor: c.actor, \
         isCompressed: (IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts)){}{}}} FROM c WHERE {} ORDER BY c.sourceTs ASC",
        if selected.is_empty() { "" } else { ", " },
        selected.join(", "),
        conditions.join(" AND ")
    );
    let mut found = changes.select_few::<Value>(&query, &parameters, None, PAGE_ROWS).await?;
    let mut rows = Vec::new();
    let (mut read, mut judged_bodies) = (0, 0);
    while let Some(row) = found.try_next().await? {
        let row = ActivityRow::deserialize(&row).map_err(|error| {
            Error::corrupt("reading the versions of a window", format!("version {}: {error}", row["version"]))
        })?;
        if read == most {
            return Err(too_wide(window, row.source_ts, most));
        }
        read += 1;
        let is_selected = if selector.select.filters.is_empty() {
            true
        } else if row.operation.is_removal() {
            selector.matches_removal(&row.id, &row.partition_key)
        } else if row.is_compressed {
            if judged_bodies == MAX_JUDGED_BODIES {
                return Err(Error::new(
                    ErrorKind::TooWide,
                    "reading a window",
                    format!(
                        "more than {MAX_JUDGED_BODIES} versions of the window are compressed, so that a filter has to read their \
                         bodies; use a narrower window: to={}",
                        utc(row.source_ts - 1)
                    ),
                ));
            }
            judged_bodies += 1;
            is_selected_by_body(history, changes, selector, &row).await?
        } else {
            selector.matches_body(&tested_values(&row, &fields))
        };
        if is_selected {
            rows.push(ActivityRow { tested: Map::new(), ..row });
        }
    }
    Ok(each_delete_once(each_version_once(rows)))
}

/// Leaves out the deletes that the change feed delivered and that restores recorded too.
fn each_delete_once(mut rows: Vec<ActivityRow>) -> Vec<ActivityRow> {
    let name = |row: &ActivityRow| (row.id.clone(), row.partition_key.to_string());
    let of_restores = rows.iter().filter(|row| row.version.is_removal_by_a_restore());
    let mut documents: HashMap<_, Vec<NumberedVersion>> = of_restores.map(|row| (name(row), Vec::new())).collect();
    if documents.is_empty() {
        return rows;
    }
    for row in &rows {
        if let Some(versions) = documents.get_mut(&name(row)) {
            versions.push(NumberedVersion {
                id: row.version.clone(),
                source_ts: row.source_ts,
                lsn: row.lsn,
                partition_key: row.partition_key.clone(),
            });
        }
    }
    rows.retain(|row| {
        let versions = documents.get(&name(row));
        versions.is_none_or(|versions| !recorded_twice(versions).contains(&&row.version))
    });
    rows
}

/// Leaves out the record of a version that is not exact, if there is an exact one too.
fn each_version_once(mut rows: Vec<ActivityRow>) -> Vec<ActivityRow> {
    let name = |row: &ActivityRow| (row.version.plain().to_owned(), row.id.clone(), row.partition_key.to_string());
    let is_twin = |row: &ActivityRow| row.version != *row.version.plain();
    let exact: HashSet<_> = rows.iter().filter(|row| is_twin(row)).map(name).collect();
    if !exact.is_empty() {
        rows.retain(|row| is_twin(row) || !exact.contains(&name(row)));
    }
    rows
}

async fn is_selected_by_body(
    history: &History,
    changes: &Container,
    selector: &VersionSelector,
    row: &ActivityRow,
) -> Result<bool, Error> {
    let Some(record) = history.record_of(&row.name(), &row.version).await? else { return Ok(false) };
    let version = read_version(changes, record).await?;
    Ok(selector.matches(&version))
}

/// The fields that the filters test. A field within another one is left out: the other one has it.
fn tested_fields(selector: &VersionSelector) -> Vec<TestedField> {
    let mut paths: Vec<&FieldPath> = selector.select.filters.iter().flat_map(|filter| filter.fields()).collect();
    paths.sort_by_key(|path| path.segments().len());
    let mut fields: Vec<TestedField> = Vec::new();
    for path in paths {
        if fields.iter().any(|field| path.segments().starts_with(field.path.segments())) {
            continue;
        }
        let number = fields.len();
        let places = path.query_properties().into_iter().enumerate();
        let places = places.map(|(alternative, place)| (format!("field{number}x{alternative}"), place)).collect();
        fields.push(TestedField { path: path.clone(), places });
    }
    fields
}

/// A document with the tested fields alone. A whole number in a path is the name of a property here, which filters read like an element.
fn tested_values(row: &ActivityRow, fields: &[TestedField]) -> Value {
    let mut document = json!({});
    for field in fields {
        let Some(value) = field.places.iter().find_map(|(name, _)| row.tested.get(name)) else { continue };
        let mut place = &mut document;
        for name in field.path.segments() {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name.as_str()];
        }
        *place = value.clone();
    }
    document
}

/// The refusal of a window of which the first `most` versions are before or within `second`.
fn too_wide(window: Window, second: i64, most: usize) -> Error {
    let hint = if second > window.from() {
        format!("use a narrower window: to={}", utc(second - 1))
    } else {
        format!("its first second, {}, has as many: use a filter or an actor", utc(second))
    };
    let message = format!("the window has more than {most} versions; {hint}");
    Error::new(ErrorKind::TooWide, "reading a window", printable(&message))
}

pub(super) fn utc(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .map_or_else(|| second.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
