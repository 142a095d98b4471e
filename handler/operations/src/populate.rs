//! Writes sample documents into the monitored container.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, Error, Key, Written};
use changefeed_history::Role;
use chrono::Utc;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Progress;
use crate::documents::Documents;
use crate::sample::{Sample, is_timeless, set_time};

/// How many documents are made before they are written, so that memory does not grow with their number.
const CHUNK: u64 = 10_000;
/// Documents a second that can be asked for.
const RATES: std::ops::RangeInclusive<f64> = 0.1..=1_000_000.0;

/// Sample documents that one request writes.
const MAX_POPULATE: u64 = 10_000_000;
/// What to write.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PopulateRequest {
    /// How many documents to upsert.
    pub count: u64,
    /// The same seed writes the same documents; without one they are random.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The most documents a second.
    #[serde(default)]
    pub rate_per_second: Option<f64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PopulateReport {
    /// Documents written.
    pub upserted: u64,
    /// Those that are new.
    pub created: u64,
    /// Those that were there.
    pub replaced: u64,
    /// Request units.
    pub request_charge: f64,
    /// How long it took.
    pub seconds: f64,
}

impl Documents {
    /// Upserts random sample documents; most hit a document that is there already. Writes run concurrently, those of one
    /// document in their order.
    ///
    /// # Errors
    /// When the request is out of bounds, and when a write fails; what was written stays.
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
            // A lane writes its documents one after the other; all writes of a document are in one lane.
            let mut lanes: Vec<Vec<Sampled>> = Vec::new();
            lanes.resize_with(self.concurrency.max(1), Vec::new);
            for number in first..last {
                let (id, document) = sample.next();
                let due = request.rate_per_second.map(|rate| start + Duration::from_secs_f64(number as f64 / rate));
                let lane = lane_of(&id, lanes.len());
                lanes[lane].push(Sampled { id, document, due });
            }
            for written in
                try_join_all(lanes.into_iter().map(|lane| write_lane(&container, lane, &report_item))).await?.concat()
            {
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
        if is_timeless(&document) {
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
