//! Live documents and versions together, in time order: the candidates of a restore.
//!
//! A page costs what it holds, also where many rows have one second: seconds that a page of the query has whole are taken as
//! they are, and a second that it cuts off is read by id.

use std::collections::VecDeque;

use changefeed_cosmos::{Container, Error, Key, page_items, page_token, read_page_token, without_system_properties};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::filter::{Filter, check_filter_count, matches_all};
use crate::history::History;
use crate::record::read_version;
use crate::time_expression::TimeExpression;
use crate::version::Operation;
use crate::version_id::VersionId;
use crate::window::Window;

const DEFAULT_PAGE_ITEMS: usize = 100;
/// The kind of a row that is a live document.
const LIVE: &str = "live";
/// Stands for a sequence number that a row does not have. Those of the service are positive.
const NO_LSN: i64 = -1;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Conditions, all of which a document must meet.
    pub filters: Vec<Filter>,
    /// Only changes at this time or later.
    pub from: Option<TimeExpression>,
    /// Only changes at this time or earlier.
    pub to: Option<TimeExpression>,
    /// The maximum number of rows on a page, 1 to 1,000; 100 by default.
    pub max_items: Option<u32>,
    /// The continuation of the page before; `None` for the first page.
    pub continuation: Option<String>,
}

impl SearchRequest {
    /// The window of the search, and a warning, see [`Window::new`].
    ///
    /// # Errors
    /// When it is reversed or starts in the future.
    pub fn window(&self, now: DateTime<Utc>) -> Result<(Window, Option<String>), String> {
        Window::new(self.from, self.to, now)
    }
}

/// A live document or a version.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchRow {
    /// `live` or `version`.
    pub kind: &'static str,
    /// The time of the change in seconds since 1970.
    pub source_ts: i64,
    /// The container that the row is from.
    pub container: String,
    /// The id of the document.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// The id of the version; of the live document too, which has one as soon as it is captured.
    pub version_id: String,
    /// What happened; for versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Who wrote it, as the document claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The document without the service's system properties.
    pub document: Value,
    #[serde(skip)]
    lsn: i64,
}

/// A page of rows, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchRows {
    /// In time order; of one second, versions come before live documents.
    pub items: Vec<SearchRow>,
    /// The continuation for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// The order of rows, and the last row of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position {
    second: i64,
    /// Versions come first.
    is_live: bool,
    /// Of a version; [`NO_LSN`] without one.
    lsn: i64,
    /// The id of the item that the row is made of.
    item: String,
    key: String,
    document: String,
}

impl SearchRow {
    fn position(&self) -> Position {
        let is_live = self.kind == LIVE;
        Position {
            second: self.source_ts,
            is_live,
            lsn: self.lsn,
            item: if is_live { self.id.clone() } else { self.version_id.clone() },
            key: self.partition_key.to_string(),
            document: self.id.clone(),
        }
    }
}

impl History {
    /// Searches live documents and versions by the values of their fields.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the containers cannot be read.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchRows, Error> {
        check_filter_count(&request.filters).map_err(|message| Error::invalid("searching", message))?;
        request.window(Utc::now()).map_err(|message| Error::invalid("searching", message))?;
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "searching")?;
        let after: Option<Position> = read_page_token(request.continuation.as_deref(), "searching")?;
        let rows = |container, is_live| Rows::new(self, request, container, is_live, after.as_ref(), max_items + 1);
        let (mut versions, mut live) =
            (rows(self.changes.open().await?, false), rows(self.monitored.open().await?, true));
        let mut items: Vec<SearchRow> = Vec::new();
        loop {
            let next = match (versions.peek().await?, live.peek().await?) {
                (Some(version), Some(document)) if version.position() < document.position() => &mut versions,
                (Some(_), None) => &mut versions,
                (_, Some(_)) => &mut live,
                (None, None) => return Ok(SearchRows { items, continuation: None }),
            };
            if items.len() == max_items {
                let continuation = items.last().map(|last| page_token(&last.position())).transpose()?;
                return Ok(SearchRows { items, continuation });
            }
            items.extend(next.ready.pop_front());
        }
    }
}

/// The rows of one container, in their order.
struct Rows<'a> {
    history: &'a History,
    request: &'a SearchRequest,
    container: Container,
    is_live: bool,
    after: Option<Position>,
    page_items: usize,
    next: Option<Start>,
    ready: VecDeque<SearchRow>,
}

/// Where the next rows start. A second that a page cuts off is read by ids or by sequence numbers.
#[derive(Clone)]
enum Start {
    /// At a second.
    Second(i64),
    /// Within a second, at the item of this id; of versions, at those without a sequence number.
    Id(i64, String),
    /// Within a second, at this sequence number.
    Lsn(i64, i64),
}

impl<'a> Rows<'a> {
    fn new(
        history: &'a History,
        request: &'a SearchRequest,
        container: Container,
        is_live: bool,
        after: Option<&Position>,
        page_items: usize,
    ) -> Self {
        let first = request.from.map_or(0, TimeExpression::second).max(0);
        let next = match after {
            None => Start::Second(first),
            Some(after) if after.is_live != is_live => Start::Second(after.second + i64::from(!is_live)),
            Some(after) if is_live || after.lsn == NO_LSN => Start::Id(after.second, after.item.clone()),
            Some(after) => Start::Lsn(after.second, after.lsn),
        };
        let after = after.cloned();
        Self { history, request, container, is_live, after, page_items, next: Some(next), ready: VecDeque::new() }
    }

    async fn peek(&mut self) -> Result<Option<&SearchRow>, Error> {
        while self.ready.is_empty() {
            let Some(start) = self.next.take() else { break };
            let mut rows = self.read(&start, self.page_items).await?;
            let last = rows.last().map(SearchRow::position).filter(|_| rows.len() == self.page_items);
            self.next = match (start, last) {
                (Start::Second(_), None) => None,
                (Start::Second(_), Some(last)) => {
                    rows.retain(|row| row.source_ts < last.second);
                    Some(Start::Id(last.second, String::new()))
                }
                // The rows of one id or one sequence number are never cut: those of the last one are left to the next page,
                // or read together if there are no others.
                (Start::Id(second, _), Some(last)) => {
                    let others = rows.iter().any(|row| row.position().item != last.item);
                    if !others {
                        rows = self.read(&Start::Id(second, last.item.clone()), usize::MAX).await?;
                    }
                    rows.retain(|row| (row.position().item == last.item) != others);
                    Some(Start::Id(second, if others { last.item } else { format!("{}\u{0}", last.item) }))
                }
                (Start::Lsn(second, _), Some(last)) => {
                    let others = rows.iter().any(|row| row.lsn != last.lsn);
                    if !others {
                        rows = self.read(&Start::Lsn(second, last.lsn), usize::MAX).await?;
                    }
                    rows.retain(|row| (row.lsn == last.lsn) != others);
                    Some(Start::Lsn(second, last.lsn + i64::from(!others)))
                }
                (Start::Id(second, _), None) if !self.is_live => Some(Start::Lsn(second, NO_LSN)),
                (Start::Id(second, _) | Start::Lsn(second, _), None) => Some(Start::Second(second + 1)),
            };
            let (after, filters) = (self.after.as_ref(), &self.request.filters);
            rows.retain(|row| after.is_none_or(|after| row.position() > *after) && matches_all(filters, &row.document));
            rows.sort_by_cached_key(SearchRow::position);
            self.ready = rows.into();
        }
        Ok(self.ready.front())
    }

    /// Up to so many rows, as the query orders them.
    async fn read(&self, start: &Start, most: usize) -> Result<Vec<SearchRow>, Error> {
        let (time, root) = if self.is_live { ("c._ts", "c") } else { ("c.sourceTs", "c.document") };
        let mut parameters = Map::new();
        let (mut conditions, order) = match start {
            Start::Second(second) => {
                parameters.insert("@second".to_owned(), json!(second));
                (vec![format!("{time} >= @second")], time)
            }
            Start::Id(second, id) => {
                parameters.extend([("@second".to_owned(), json!(second)), ("@id".to_owned(), json!(id))]);
                let without_lsn = if self.is_live { "" } else { " AND NOT IS_DEFINED(c.lsn)" };
                (vec![format!("{time} = @second AND c.id >= @id{without_lsn}")], "c.id")
            }
            Start::Lsn(second, lsn) => {
                parameters.extend([("@second".to_owned(), json!(second)), ("@lsn".to_owned(), json!(lsn))]);
                (vec![format!("{time} = @second AND c.lsn >= @lsn")], "c.lsn")
            }
        };
        if let Some(to) = self.request.to {
            parameters.insert("@last".to_owned(), json!(to.second()));
            conditions.push(format!("{time} <= @last"));
        }
        if !self.request.filters.is_empty() {
            let fields: Vec<String> =
                self.request.filters.iter().map(|filter| filter.condition(root, &mut parameters)).collect();
            let fields = fields.join(" AND ");
            // The fields of a compressed version can only be judged here.
            let compressed = " OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts)";
            conditions.push(format!("({fields}{})", if self.is_live { "" } else { compressed }));
        }
        let query = format!("SELECT * FROM c WHERE {} ORDER BY {order}", conditions.join(" AND "));
        let page_items = most.min(self.page_items);
        let mut found = self.container.select_few::<Value>(&query, &parameters, None, page_items).await?;
        let mut rows = Vec::new();
        while rows.len() < most
            && let Some(item) = found.try_next().await?
        {
            let row = self.row(item).await?;
            // All rows of one id or one sequence number are asked for without a limit, and end where the next begins.
            let is_other = match start {
                _ if most != usize::MAX => false,
                Start::Id(_, id) => row.position().item != *id,
                Start::Lsn(_, lsn) => row.lsn != *lsn,
                Start::Second(_) => false,
            };
            if is_other {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    async fn row(&self, item: Value) -> Result<SearchRow, Error> {
        let container = self.container.name().to_owned();
        if !self.is_live {
            let version = read_version(&self.container, item).await?;
            return Ok(SearchRow {
                kind: "version",
                source_ts: version.source_ts,
                container,
                id: version.source_id,
                partition_key: version.partition_key,
                version_id: version.id.into(),
                operation: Some(version.operation),
                actor: version.actor,
                document: version.document.unwrap_or_default(),
                lsn: version.lsn.unwrap_or(NO_LSN),
            });
        }
        let source_ts = item["_ts"].as_i64().unwrap_or_default();
        Ok(SearchRow {
            kind: LIVE,
            source_ts,
            container,
            id: item["id"].as_str().unwrap_or_default().to_owned(),
            partition_key: Key::of(&item, self.container.key_paths())
                .map_err(|error| Error::corrupt("searching", error))?,
            version_id: VersionId::of_write(source_ts, item["_etag"].as_str().unwrap_or_default()).into(),
            operation: None,
            actor: self.history.actor_fields().actor_of(&item),
            document: without_system_properties(item),
            lsn: NO_LSN,
        })
    }
}
