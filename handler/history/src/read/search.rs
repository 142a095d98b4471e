//! Live documents and versions together, in time order: the candidates of a restore.

use changefeed_cosmos::{Error, Key, page_items, page_token, read_page_token, without_system_properties};
use futures::stream::{BoxStream, Peekable};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::filter::{Filter, check_filter_count};
use crate::history::History;
use crate::record::read_version;
use crate::time_expression::TimeExpression;
use crate::version::Operation;
use crate::version_id::VersionId;

const DEFAULT_PAGE_ITEMS: usize = 100;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Conditions, all of which a document must meet.
    pub filters: Vec<Filter>,
    /// Only changes not before this moment.
    pub from: Option<TimeExpression>,
    /// Only changes not after this moment.
    pub to: Option<TimeExpression>,
    /// The most rows on a page, 1 to 1,000; 100 without.
    pub max_items: Option<u32>,
    /// From the page before.
    pub continuation: Option<String>,
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
    /// The document without the service's system properties.
    pub document: Value,
    #[serde(skip)]
    lsn: i64,
}

/// A page of rows, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchRows {
    /// In time order.
    pub items: Vec<SearchRow>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// The order of rows, and where a page ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position(i64, i64, String, String, String, String);

impl SearchRow {
    fn position(&self) -> Position {
        let key = self.partition_key.to_string();
        Position(self.source_ts, self.lsn, self.version_id.clone(), key, self.id.clone(), self.kind.to_owned())
    }
}

type Rows = Peekable<BoxStream<'static, Result<Vec<SearchRow>, Error>>>;

impl History {
    /// Searches live documents and versions by the values of their fields.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the containers cannot be read.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchRows, Error> {
        let refused = |message: String| Error::invalid("searching", message);
        check_filter_count(&request.filters).map_err(refused)?;
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "searching")?;
        let after: Option<Position> = read_page_token(request.continuation.as_deref(), "searching")?;
        let first = after
            .as_ref()
            .map_or(i64::MIN, |position| position.0)
            .max(request.from.map_or(i64::MIN, TimeExpression::second));
        let mut live = self.live_rows(request, first).await?;
        let mut versions = self.version_rows(request, first).await?;
        let mut items: Vec<SearchRow> = Vec::new();
        loop {
            // Both rows come second by second; those of the earlier second are next.
            let seconds = [second_of(&mut live).await?, second_of(&mut versions).await?];
            let Some(earliest) = seconds.iter().flatten().min().copied() else { break };
            let mut rows = Vec::new();
            for (source, second) in [&mut live, &mut versions].into_iter().zip(seconds) {
                if second == Some(earliest) {
                    rows.extend(source.try_next().await?.unwrap_or_default());
                }
            }
            rows.sort_by_key(SearchRow::position);
            rows.retain(|row| after.as_ref().is_none_or(|after| row.position() > *after));
            items.extend(rows);
            if items.len() > max_items {
                items.truncate(max_items);
                let continuation = items.last().map(|last| page_token(&last.position())).transpose()?;
                return Ok(SearchRows { items, continuation });
            }
        }
        Ok(SearchRows { items, continuation: None })
    }

    async fn live_rows(&self, request: &SearchRequest, first: i64) -> Result<Rows, Error> {
        let monitored = self.monitored.open().await?;
        let (mut parameters, mut conditions) = times(request, "c._ts", first);
        conditions.extend(request.filters.iter().map(|filter| filter.condition("c", &mut parameters)));
        let query = format!("SELECT * FROM c WHERE {} ORDER BY c._ts", conditions.join(" AND "));
        let documents: BoxStream<'static, Result<Value, Error>> = monitored.select(&query, &parameters, None).await?;
        let (name, key_paths, filters) =
            (self.monitored.name().to_owned(), monitored.key_paths().to_vec(), request.filters.clone());
        let row = move |document: Value| {
            let partition_key = Key::of(&document, &key_paths)?;
            let source_ts = document["_ts"].as_i64().unwrap_or_default();
            let etag = document["_etag"].as_str().unwrap_or_default();
            let row = SearchRow {
                kind: "live",
                source_ts,
                container: name.clone(),
                id: document["id"].as_str().unwrap_or_default().to_owned(),
                partition_key,
                version_id: VersionId::of_write(source_ts, etag).into(),
                operation: None,
                lsn: i64::MAX,
                document: without_system_properties(document),
            };
            Ok(filters.iter().all(|filter| filter.matches(&row.document)).then_some(row))
        };
        Ok(by_second(documents.map(move |document| document.and_then(&row)).boxed()))
    }

    async fn version_rows(&self, request: &SearchRequest, first: i64) -> Result<Rows, Error> {
        let changes = self.changes.open().await?;
        let (mut parameters, mut conditions) = times(request, "c.sourceTs", first);
        if !request.filters.is_empty() {
            let fields: Vec<String> =
                request.filters.iter().map(|filter| filter.condition("c.document", &mut parameters)).collect();
            // What is compressed can only be judged here.
            conditions.push(format!(
                "({} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))",
                fields.join(" AND ")
            ));
        }
        let query = format!("SELECT * FROM c WHERE {} ORDER BY c.sourceTs", conditions.join(" AND "));
        let records: BoxStream<'static, Result<Value, Error>> = changes.select(&query, &parameters, None).await?;
        let (name, filters) = (self.changes.name().to_owned(), request.filters.clone());
        let rows = records.and_then(move |record| {
            let (changes, name, filters) = (changes.clone(), name.clone(), filters.clone());
            async move {
                let version = read_version(&changes, record).await?;
                let document = version.document.unwrap_or_default();
                let row = SearchRow {
                    kind: "version",
                    source_ts: version.source_ts,
                    container: name,
                    id: version.source_id,
                    partition_key: version.partition_key,
                    version_id: version.id.into(),
                    operation: Some(version.operation),
                    lsn: version.lsn.unwrap_or_default(),
                    document,
                };
                Ok(filters.iter().all(|filter| filter.matches(&row.document)).then_some(row))
            }
        });
        Ok(by_second(rows.boxed()))
    }
}

fn times(request: &SearchRequest, field: &str, first: i64) -> (Map<String, Value>, Vec<String>) {
    // Every record has a time; parts of records have none.
    let mut parameters = Map::from_iter([("@first".to_owned(), json!(first.max(0)))]);
    let mut conditions = vec![format!("{field} >= @first")];
    if let Some(to) = request.to {
        parameters.insert("@last".to_owned(), json!(to.second()));
        conditions.push(format!("{field} <= @last"));
    }
    (parameters, conditions)
}

/// Puts the rows of one second together; they come in the order of seconds.
fn by_second(rows: BoxStream<'static, Result<Option<SearchRow>, Error>>) -> Rows {
    let start = (rows.try_filter_map(|row| async move { Ok(row) }).boxed(), None::<SearchRow>);
    let grouped = futures::stream::try_unfold(start, |(mut rows, ahead)| async move {
        let first = match ahead {
            Some(row) => row,
            None => match rows.try_next().await? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        let second = first.source_ts;
        let mut group = vec![first];
        let mut ahead = None;
        while let Some(row) = rows.try_next().await? {
            if row.source_ts != second {
                ahead = Some(row);
                break;
            }
            group.push(row);
        }
        Ok(Some((group, (rows, ahead))))
    });
    grouped.boxed().peekable()
}

async fn second_of(rows: &mut Rows) -> Result<Option<i64>, Error> {
    match std::pin::Pin::new(&mut *rows).peek().await {
        Some(Ok(group)) => Ok(group.first().map(|row| row.source_ts)),
        // The error is taken out of the row itself.
        Some(Err(_)) => rows.try_next().await.map(|_| None),
        None => Ok(None),
    }
}
