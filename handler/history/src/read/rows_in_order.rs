//! The records of versions in their total order, page by page.
//!
//! A query sorts by one column. A page reads the versions sorted by time. If it ends within a second, it reads that second sorted by the
//! next column, and so on: however many versions have one second, a page costs what it holds.

use changefeed_cosmos::{Container, DocumentName, Error, Key};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::total_order::{COLUMNS, ChangeOrder, DOCUMENT_COLUMNS, Place, TIME};
use super::version_filter::VersionSelector;
use super::versions::scope;

/// Rows that are read beyond a page, so that it seldom ends within a group of equal values.
const ROWS_BEYOND_PAGE: usize = 8;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PageEnd {
    /// The place of the last row.
    pub place: Place,
    /// The column that the rows were sorted by. Rows that are equal in the columns before it probably follow.
    pub column: usize,
}

/// A record and its place.
#[derive(Debug)]
pub(super) struct Row {
    pub place: Place,
    pub record: Value,
}

impl Row {
    fn is_exact(&self) -> bool {
        self.record["exact"] != false
    }
}

/// The rows of a page.
#[derive(Debug)]
pub(super) struct Rows {
    /// In order.
    pub rows: Vec<Row>,
    /// The column that the last rows were sorted by; `None` if no rows follow.
    pub column: Option<usize>,
}

/// A query for the versions that have the same values as a place in the first columns, sorted by the next one.
struct Level {
    column: usize,
    start: Option<Place>,
    /// Only versions after this place.
    after: Option<After>,
}

enum After {
    /// By the column of the level and the ones behind it.
    Place(Place),
    /// By the column of the level alone: its group was read by another level.
    Group(Place),
}

/// Reads rows after a place: about `wanted`, if there are as many. Of two records of one version, of which one is exact, the rows have the
/// exact one alone, even if a page ends between them.
pub(super) async fn rows_in_order(
    changes: &Container,
    selector: &VersionSelector,
    order: ChangeOrder,
    after: Option<&PageEnd>,
    wanted: usize,
) -> Result<Rows, Error> {
    // Of two records one row may be left.
    let found = records_in_order(changes, selector, order, after, wanted.max(2)).await?;
    let has_more = found.column.is_some();
    let before = after.map(|after| &after.place);
    Ok(Rows { rows: without_twins(found.rows, order, before, has_more), ..found })
}

/// Leaves out each record that is not exact and stands beside the exact one of its version. `before` is the place before the first row.
fn without_twins(mut rows: Vec<Row>, order: ChangeOrder, before: Option<&Place>, has_more: bool) -> Vec<Row> {
    if order == ChangeOrder::Oldest && has_more && rows.len() > 1 && rows.last().is_some_and(|last| !last.is_exact()) {
        // Its exact record may be the next row, so the next page begins with it.
        rows.pop();
    }
    let is_twin: Vec<bool> = (0..rows.len())
        .map(|number| {
            let beside = match order {
                ChangeOrder::Oldest => rows.get(number + 1).map(|row| &row.place),
                ChangeOrder::Newest => {
                    number.checked_sub(1).and_then(|number| rows.get(number)).map(|row| &row.place).or(before)
                }
            };
            beside.is_some_and(|beside| beside.is_exact_record_of(&rows[number].place))
        })
        .collect();
    let mut is_twin = is_twin.into_iter();
    rows.retain(|_| !is_twin.next().unwrap_or_default());
    rows
}

/// Reads at least `wanted` records after a place, if there are as many.
async fn records_in_order(
    changes: &Container,
    selector: &VersionSelector,
    order: ChangeOrder,
    after: Option<&PageEnd>,
    wanted: usize,
) -> Result<Rows, Error> {
    let mut levels: Vec<Level> = match after {
        None => vec![Level { column: TIME, start: None, after: None }],
        Some(PageEnd { place, column }) => {
            let deepest = (*column).min(COLUMNS.len() - 1);
            let level = |column: usize| {
                let after = if column == deepest { After::Place } else { After::Group };
                Level { column, start: Some(place.clone()), after: Some(after(place.clone())) }
            };
            (0..=deepest).map(level).collect()
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    while let Some(level) = levels.pop() {
        if rows.len() >= wanted {
            return Ok(Rows { rows, column: Some(level.column) });
        }
        let missing = wanted - rows.len();
        let (mut found, is_complete) = level.read(changes, selector, order, missing).await?;
        if is_complete {
            found.sort_by(|one, other| one.place.compare(&other.place, order));
            rows.extend(found);
            continue;
        }
        let last = found.last().map(|row| row.place.clone());
        let column = level.column;
        let Some(last) = last.filter(|_| column + 1 < COLUMNS.len()) else {
            rows.extend(found);
            return Ok(Rows { rows, column: Some(column) });
        };
        // The last group may have more rows than were read.
        found.retain(|row| !row.place.has_same_start(&last, column + 1));
        found.sort_by(|one, other| one.place.compare(&other.place, order));
        rows.extend(found);
        let after = match level.after {
            Some(After::Place(place)) if place.has_same_start(&last, column + 1) => Some(After::Place(place)),
            _ => None,
        };
        levels.push(Level { column, start: level.start, after: Some(After::Group(last.clone())) });
        if rows.len() >= wanted {
            return Ok(Rows { rows, column: Some(column) });
        }
        levels.push(Level { column: column + 1, start: Some(last), after });
    }
    Ok(Rows { rows, column: None })
}

impl Level {
    /// Reads rows until `missing` are found and a group ends. The second value is false if others may follow.
    async fn read(
        &self,
        changes: &Container,
        selector: &VersionSelector,
        order: ChangeOrder,
        missing: usize,
    ) -> Result<(Vec<Row>, bool), Error> {
        let (query, parameters) = self.query(selector, order);
        let most = missing + ROWS_BEYOND_PAGE;
        let mut records = changes.select_few::<Value>(&query, &parameters, self.scope(changes).as_ref(), most).await?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(record) = records.try_next().await? {
            let row = Row { place: Place::of(&record), record };
            let begins_group = rows.last().is_some_and(|last| !last.place.has_same_start(&row.place, self.column + 1));
            rows.push(row);
            // One row of the next group shows that the groups before it are whole.
            if rows.len() >= most || (begins_group && rows.len() > missing) {
                return Ok((rows, false));
            }
        }
        Ok((rows, true))
    }

    fn query(&self, selector: &VersionSelector, order: ChangeOrder) -> (String, Map<String, Value>) {
        let (mut first, mut last) = (selector.select.window.from(), selector.select.window.to());
        let mut parameters = Map::new();
        let mut conditions = Vec::new();
        if let Some(start) = &self.start {
            conditions.extend((0..self.column).map(|column| start.same(column, &mut parameters)));
        }
        match &self.after {
            Some(After::Place(place)) => {
                let columns: Vec<usize> = (self.column..COLUMNS.len()).collect();
                conditions.push(place.after(&columns, order, &mut parameters));
            }
            Some(After::Group(place)) => conditions.push(place.after(&[self.column], order, &mut parameters)),
            None => {}
        }
        if self.column == TIME {
            // These bounds follow from the conditions. They let the index start at the place.
            match (&self.after, order) {
                (Some(After::Place(place) | After::Group(place)), ChangeOrder::Oldest) => {
                    first = first.max(place.second());
                }
                (Some(After::Place(place) | After::Group(place)), ChangeOrder::Newest) => {
                    last = last.min(place.second());
                }
                (None, _) => {}
            }
            parameters.extend([("@first".to_owned(), json!(first)), ("@last".to_owned(), json!(last))]);
            conditions.push("c.sourceTs >= @first AND c.sourceTs <= @last".to_owned());
        }
        conditions.extend(selector.conditions(&mut parameters));
        let (conditions, column) = (conditions.join(" AND "), COLUMNS[self.column]);
        (format!("SELECT * FROM c WHERE {conditions} ORDER BY c.{column} {}", order.keyword()), parameters)
    }

    /// The partition key value of the records, if the level has those of one document.
    fn scope(&self, changes: &Container) -> Option<Key> {
        let start = self.start.as_ref().filter(|_| self.column >= DOCUMENT_COLUMNS)?;
        let id = start.column(2).as_str()?.to_owned();
        let key = match start.column(1) {
            // Of a key of several components, the record has the text too.
            Value::String(text) => Key::text(text.clone()),
            value => serde_json::from_value(json!([value])).ok()?,
        };
        scope(changes, &DocumentName { id, partition_key: key })
    }
}
