//! Writes sample documents into the monitored container.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use changefeed_cosmos::{Container, Error, ErrorKind, Item};
use changefeed_history::Role;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::documents::{Documents, Progress};
use crate::sample::{NOT_A_SAMPLE, Sample, has_no_time, set_time};
use crate::tryout_record::POPULATE;

/// Documents that are created before they are written: memory does not grow with their number.
const CHUNK: u64 = 10_000;
/// With a rate, documents that are due within this time are written together.
const TOGETHER: Duration = Duration::from_millis(100);
/// For how long the writes of documents are repeated that the service refuses for want of throughput, or while it splits a partition.
const TIMEOUT: Duration = Duration::from_secs(300);
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
    /// Upserts random sample documents. Most replace a document, because there are fewer ids than documents. Documents are written
    /// in bulk; writes of one document keep their order.
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
        let due = |number: u64, rate: f64| start + Duration::from_secs_f64(number as f64 / rate);
        let mut next = 0;
        while next < request.count {
            let first = next;
            let mut chunk = CHUNK;
            if let Some(rate) = request.rate_per_second {
                let until_then = (start.elapsed() + TOGETHER).as_secs_f64() * rate;
                chunk = (until_then as u64).saturating_sub(first).clamp(1, CHUNK);
                tokio::time::sleep_until(due(first + chunk.min(request.count - first) - 1, rate)).await;
            }
            next = request.count.min(first + chunk);
            for documents in rounds((first..next).map(|_| sample.next())) {
                self.write_round(container, documents, &mut report).await?;
                progress(report.upserted, request.count);
            }
        }
        report.replaced = report.upserted - report.created;
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Writes documents of different ids.
    async fn write_round(
        &self,
        container: &Container,
        documents: Vec<(String, Value)>,
        report: &mut PopulateReport,
    ) -> Result<(), Error> {
        let now = Utc::now();
        let mut items = Vec::with_capacity(documents.len());
        for (id, mut document) in documents {
            if has_no_time(&document) {
                set_time(&mut document, now);
            }
            items.push(Item::new(id, &document)?);
        }
        for written in container.upsert_many(&items, self.concurrency, Instant::now() + TIMEOUT).await {
            let written = written?;
            report.upserted += 1;
            report.created += u64::from(written.created);
            report.request_charge += written.request_charge;
        }
        Ok(())
    }
}

/// Documents in rounds, of which each has an id once. One after the other, they write the documents of an id in their order.
fn rounds(documents: impl Iterator<Item = (String, Value)>) -> Vec<Vec<(String, Value)>> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut rounds: Vec<Vec<(String, Value)>> = Vec::new();
    for (id, document) in documents {
        let round = seen.entry(id.clone()).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push((id, document));
        *round += 1;
    }
    rounds
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
