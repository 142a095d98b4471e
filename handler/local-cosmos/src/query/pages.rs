//! Pages of queries and of reads of all items.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use query_engine::{Document, Page, PageRequest, Query, Resume};
use serde_json::{Value, json};

use super::candidates::{self, Selection, Sorting};
use super::index_check;
use super::plan::{only_range, plan};
use super::query_metrics::QueryMetrics;
use super::request::{self, QueryBody};
use crate::charges;
use crate::container::Container;
use crate::continuation;
use crate::incoming::Incoming;
use crate::items::{Position, charge};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::partition_key::KeyRange;
use crate::reply::{Reply, header};
use crate::requested_range::{is_limited, requested_range};
use crate::store::Contents;

/// Bytes of a page that are reserved for the JSON around the items.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Sub-status of a 400: a query over several partitions, whose results the client has to merge by the plan in the body.
const CROSS_PARTITION_QUERY: &str = "1004";

/// Executes a query. With `refuses_unindexed`, one that filters or sorts by a path without an index is refused.
pub(crate) fn execute(container: &Container, incoming: &Incoming, refuses_unindexed: bool) -> Reply {
    answer(container, incoming, refuses_unindexed).unwrap_or_else(|refusal| refusal)
}

fn answer(container: &Container, incoming: &Incoming, refuses_unindexed: bool) -> Result<Reply, Reply> {
    let started = Instant::now();
    let (body, query) = request::read(container, incoming)?;
    if query.is_ranked() {
        return Err(needs_plan(container, &query)?);
    }
    let compilation = started.elapsed();
    if let Err(message) = index_check::check(container.id(), &container.index_policy(), &query, refuses_unindexed) {
        return Err(container.error(400, "BadRequest", &message));
    }
    let range = range(container, &container.store().read(), incoming, &query)?;
    let sorting = Sorting::of(&query, &range, &container.computed_properties());
    if let Some(sorting) = &sorting {
        sorting.prepare(container);
    }
    let selection = sorting.as_ref().and_then(|sorting| Selection::of(&query, sorting, container));
    if let Some(selection) = &selection {
        selection.prepare(container);
    }
    let contents = container.store().read();
    let partitions: Vec<_> = contents.overlapping(&range).map(|(_, partition)| partition).collect();
    if let [partition] = partitions.as_slice()
        && let Some(refusal) = container.session_refusal(&contents, partition, incoming)
    {
        return Err(refusal);
    }
    let scan = Scan { range, query, body, sorting, selection, loaded_bytes: Cell::new(0) };
    let page = run(container, &contents, &scan, incoming)?;
    let is_indexed = index_check::check(container.id(), &container.index_policy(), &scan.query, true).is_ok();
    // The service loads the documents that its index selects.
    let loaded = if is_indexed { page.bytes } else { scan.loaded_bytes.get() };
    let units = match incoming.has_query() {
        true => charges::query(loaded, page.rows.len(), page.bytes),
        false => charges::read_feed(page.rows.len(), page.bytes),
    };
    let mut reply = container
        .reply(200)
        .with(header::ITEM_COUNT, page.rows.len().to_string())
        .with(header::REQUEST_CHARGE, charge(units));
    if incoming.flag("x-ms-documentdb-populatequerymetrics") {
        let metrics = QueryMetrics {
            total: started.elapsed(),
            compilation,
            execution: started.elapsed() - compilation,
            retrieved_documents: usize::try_from(page.documents_read).unwrap_or(usize::MAX),
            retrieved_bytes: scan.loaded_bytes.get(),
            output_documents: page.rows.len(),
            output_bytes: page.bytes,
            index_utilization: if page.documents_read == 0 {
                0.0
            } else {
                page.rows.len() as f64 / page.documents_read as f64
            },
            ..QueryMetrics::default()
        };
        reply = reply.with("x-ms-documentdb-query-metrics", metrics.to_string());
    }
    let is_second_form = incoming.flag("x-ms-cosmos-populateindexmetrics-v2");
    if is_second_form || incoming.flag("x-ms-cosmos-populateindexmetrics") {
        let metrics = index_check::metrics(&container.index_policy(), &scan.query);
        let text = if is_second_form { metrics.to_percent_encoded() } else { metrics.to_base64() };
        reply = reply.with("x-ms-cosmos-index-utilization", text);
    }
    if let Some(resume) = &page.resume {
        let limit = incoming.header("x-ms-documentdb-responsecontinuationtokenlimitinkb").map(continuation::limit_kb);
        let token = limit
            .transpose()
            .and_then(|limit| continuation::write(&continuation_scope(container, &scan.query), resume, limit));
        let token = token.map_err(|message| container.error(400, "BadRequest", &message))?;
        reply = reply.with(header::CONTINUATION, token);
    }
    if let [partition] = partitions.as_slice() {
        reply = Position::of(partition).add_to(reply);
    }
    reply.body = format!(
        "{{\"_rid\":\"{}\",\"Documents\":[{}],\"_count\":{}}}",
        container.rid,
        page.rows.join(","),
        page.rows.len()
    )
    .into_bytes();
    Ok(reply)
}

/// The part of the key space to read.
fn range(container: &Container, contents: &Contents, incoming: &Incoming, query: &Query) -> Result<KeyRange, Reply> {
    if is_limited(incoming) {
        return requested_range(container, contents, incoming);
    }
    if let Some(range) = only_range(container, query) {
        return Ok(range);
    }
    if incoming.has_query() && !incoming.flag("x-ms-documentdb-query-enablecrosspartition") {
        let message = "Cross partition query is required but disabled. Set x-ms-documentdb-query-enablecrosspartition to true, \
                       send x-ms-documentdb-partitionkey, or filter on the partition key.";
        return Err(container.error(400, "BadRequest", message));
    }
    if contents.partitions().len() > 1 && needs_merge(query) {
        return Err(needs_plan(container, query)?);
    }
    Ok(KeyRange::all())
}

/// The refusal of a query whose results the client has to merge. The error is another refusal.
fn needs_plan(container: &Container, query: &Query) -> Result<Reply, Reply> {
    let message = "The results of the partitions have to be merged by the client, by the plan in additionalErrorInfo.";
    let mut refusal = container.error(400, "BadRequest", message).with(header::SUBSTATUS, CROSS_PARTITION_QUERY);
    let plan = plan(container, query)?.to_string();
    refusal.body =
        json!({"code": "BadRequest", "message": message, "additionalErrorInfo": plan}).to_string().into_bytes();
    Ok(refusal)
}

/// Whether the results of several partitions are more than their union.
fn needs_merge(query: &Query) -> bool {
    query.plan().is_ok_and(|plan| {
        plan.distinct_type != "None"
            || plan.top.or(plan.limit).or(plan.offset).is_some()
            || plan.d_count_info.is_some()
            || !plan.order_by.is_empty()
            || !plan.aggregates.is_empty()
            || !plan.group_by_aliases.is_empty()
            || !plan.group_by_expressions.is_empty()
    })
}

/// What a page is read from.
struct Scan {
    range: KeyRange,
    query: Query,
    body: QueryBody,
    sorting: Option<Sorting>,
    selection: Option<Selection>,
    /// The bytes of the documents that were read.
    loaded_bytes: Cell<usize>,
}

/// What a continuation belongs to. The filter of a query is not a part of it: clients that resume a sort change it.
fn continuation_scope(container: &Container, query: &Query) -> String {
    format!("{} {}", container.rid, query.text_without_filter())
}

fn run(container: &Container, contents: &Contents, scan: &Scan, incoming: &Incoming) -> Result<Page, Reply> {
    let resume: Option<Resume> = match incoming.header(header::CONTINUATION).filter(|token| !token.is_empty()) {
        Some(token) => {
            let read = continuation::read(&continuation_scope(container, &scan.query), token);
            Some(read.map_err(|message| container.error(400, "BadRequest", &message))?)
        }
        None => None,
    };
    let after = resume.as_ref().and_then(Resume::scan_from).map_or(0, |position| position.saturating_sub(1));
    let asked: Option<usize> = incoming.header("x-ms-max-item-count").and_then(|count| count.trim().parse().ok());
    let computed = container.computed_properties();
    let selected = scan.selection.as_ref().and_then(|selection| selection.scan(contents, &scan.range));
    let sorted = scan
        .sorting
        .as_ref()
        .filter(|_| selected.is_none())
        .and_then(|sorting| sorting.scan(contents, &scan.range, &scan.query, resume.as_ref(), &scan.body));
    let prefilter = scan.query.prefilter(&computed);
    let reads_values = scan.query.reads_values();
    let request = PageRequest {
        max_items: asked.filter(|count| *count > 0).unwrap_or(MAX_PAGE_ITEMS).min(MAX_PAGE_ITEMS),
        max_bytes: MAX_PAGE_BYTES - ENVELOPE_BYTES,
        resume: resume.as_ref(),
        resume_filter: scan.body.resume_filter.as_ref(),
        is_sorted: sorted.is_some(),
        computed: &computed,
    };
    let entries =
        selected.or(sorted).unwrap_or_else(|| candidates::scan(container, contents, &scan.range, &scan.query, after));
    let mut documents = entries.filter_map(|entry| {
        scan.loaded_bytes.set(scan.loaded_bytes.get() + entry.body.len());
        if !std::str::from_utf8(&entry.body).is_ok_and(|text| prefilter.allows(text)) {
            return None;
        }
        let value = if reads_values { serde_json::from_slice(&entry.body).ok()? } else { Value::Null };
        Some(Document { value: Arc::new(value), position: entry.document })
    });
    scan.query.run(&mut documents, &request).map_err(|error| request::refusal(container, &error))
}
