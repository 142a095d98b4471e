//! Writes sample documents into the monitored container.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, Error, ErrorKind, Key, Written};
use changefeed_history::Role;
use chrono::Utc;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::documents::{Documents, Progress};
use crate::sample::{NOT_A_SAMPLE, Sample, has_no_time, set_time};
use crate::tryout_record::POPULATE;

/// Documents that are created before they are written: memory does not grow with their number.
const CHUNK: u64 = 10_000;
/// The rates that are allowed, in documents a second.
const RATES: RangeInclusive<f64> = 0.1..=1_000_000.0;
/// The most documents that one request writes.
const MAX_POPULATE: u64 = 10_000_000;

/// A request for sample documents.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PopulateRequest {
    /// The number of documents to upsert.
    pub count: u64,
    /// The seed: the same seed writes the same documents. Without one they are random.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<u64>,
    /// The most documents to write a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rate_per_second: Option<f64>,
    /// Whether to write into a container that holds other documents than samples.
    #[serde(default)]
    pub force: bool,
    /// Who requests it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
}

/// The outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulateReport {
    /// Documents written.
    pub upserted: u64,
    /// Documents that were created.
    pub created: u64,
    /// Documents that were replaced.
    pub replaced: u64,
    /// Request units.
    pub request_charge: f64,
    /// The duration in seconds.
    pub seconds: f64,
}

impl Documents {
    /// Upserts random sample documents. Most replace a document, because there are fewer ids than documents. Writes run
    /// concurrently; writes of one document keep their order.
    ///
    /// # Errors
    /// When the request is invalid, and when a write fails. Documents that were written before are not removed.
    pub async fn populate(&self, request: &PopulateRequest, progress: Progress<'_>) -> Result<PopulateReport, Error> {
        if !(1..=MAX_POPULATE).contains(&request.count) {
            return Err(Error::invalid(
                "populating",
                format!("count is {}; allowed are 1 to {MAX_POPULATE}", request.count),
            ));
        }
        if let Some(rate) = request.rate_per_second.filter(|rate| !RATES.contains(rate)) {
            let allowed = format!("allowed are {} to {}", RATES.start(), RATES.end());
            return Err(Error::invalid("populating", format!("ratePerSecond is {rate}; {allowed}")));
        }
        let container = self.containers.of(Role::Monitored).open().await?;
        if !request.force {
            refuse_other_documents(&container, &self.containers.names().monitored).await?;
        }
        let record = self.begin_record(POPULATE, request, request.requested_by.as_deref()).await?;
        let result = self.write_samples(&container, request, progress).await;
        self.end_record(record, result).await
    }

    async fn write_samples(
        &self,
        container: &Container,
        request: &PopulateRequest,
        progress: Progress<'_>,
    ) -> Result<PopulateReport, Error> {
        let start = Instant::now();
        let mut sample = Sample::new(request.seed)?;
        let mut report = PopulateReport::default();
        let done = AtomicU64::new(0);
        let report_item = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, request.count);
        for first in (0..request.count).step_by(CHUNK as usize) {
            let last = request.count.min(first + CHUNK);
            // A lane writes its documents in order, and has all writes of a document.
            let mut lanes: Vec<Vec<Sampled>> = Vec::new();
            lanes.resize_with(self.concurrency.max(1), Vec::new);
            for number in first..last {
                let (id, document) = sample.next();
                let due = request.rate_per_second.map(|rate| start + Duration::from_secs_f64(number as f64 / rate));
                let lane = lane_of(&id, lanes.len());
                lanes[lane].push(Sampled { id, document, due });
            }
            let lanes = lanes.into_iter().map(|lane| write_lane(container, lane, &report_item));
            for written in try_join_all(lanes).await?.concat() {
                report.upserted += 1;
                report.created += u64::from(written.created);
                report.request_charge += written.request_charge;
            }
        }
        report.replaced = report.upserted - report.created;
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }
}

/// Fails if the container holds a document that is not a sample: it is probably not one for trying out.
async fn refuse_other_documents(container: &Container, name: &str) -> Result<(), Error> {
    let query = format!("SELECT VALUE c.id FROM c WHERE {NOT_A_SAMPLE}");
    let mut continuation = None;
    loop {
        let page = container.query(&query, &Map::new(), None, NonZeroU32::MIN, continuation.as_deref()).await?;
        if let Some(id) = page.items.first() {
            return Err(Error::new(
                ErrorKind::Conflict,
                "populating",
                format!(
                    "container {name} holds documents that are not samples, such as {id}; to write samples into it anyway, use force"
                ),
            ));
        }
        if page.continuation.is_none() {
            return Ok(());
        }
        continuation = page.continuation;
    }
}

/// A sample document, and when it is written.
struct Sampled {
    id: String,
    document: Value,
    due: Option<Instant>,
}

async fn write_lane(
    container: &Container,
    lane: Vec<Sampled>,
    report_item: &(dyn Fn() + Sync),
) -> Result<Vec<Written>, Error> {
    let mut written = Vec::with_capacity(lane.len());
    for Sampled { id, mut document, due } in lane {
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        if has_no_time(&document) {
            set_time(&mut document, Utc::now());
        }
        let key = Key::of(&document, container.key_paths())?;
        written.push(container.upsert(&key, &id, &document).await?);
        report_item();
    }
    Ok(written)
}

fn lane_of(id: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    (hasher.finish() % lanes as u64) as usize
}
