//! Writes sample documents into the monitored container.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, Error, Key, Written};
use changefeed_history::Role;
use chrono::Utc;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::documents::{Documents, Progress};
use crate::sample::{Sample, has_no_time, set_time};

/// Documents that are created before they are written: memory does not grow with their number.
const CHUNK: u64 = 10_000;
/// The rates that are allowed, in documents a second.
const RATES: RangeInclusive<f64> = 0.1..=1_000_000.0;
/// The most documents that one request writes.
const MAX_POPULATE: u64 = 10_000_000;

/// A request for sample documents.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PopulateRequest {
    /// The number of documents to upsert.
    pub count: u64,
    /// The seed: the same seed writes the same documents. Without one they are random.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The most documents to write a second.
    #[serde(default)]
    pub rate_per_second: Option<f64>,
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
            let lanes = lanes.into_iter().map(|lane| write_lane(&container, lane, &report_item));
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
