//! Metrics in the text format of Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use changefeed_cosmos::SourceName;
use changefeed_history::CaptureReport;
use changefeed_operations::{BackupLateness, BackupPolicies};
use changefeed_processor::{LeaseLag, ProcessorBuilder};
use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use tokio::time::Instant;

use crate::feed::Feed;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long the state of the leases and of the backup policy is remembered, because reading it costs request units.
const OBSERVED_LIFETIME: Duration = Duration::from_secs(10);

/// The leases of the feeds that could be read.
pub type Leases = Vec<(Feed, Vec<LeaseLag>)>;

/// The source of a metric; none if the app names no sources.
fn labels_of(source: Option<&SourceName>) -> Labels {
    source.map(|source| ("source".to_owned(), source.to_string())).into_iter().collect()
}

/// What is read of a source for the metrics.
pub struct Observed {
    /// The label of the source.
    source: Labels,
    /// The leases.
    pub leases: Leases,
    /// The backups of the policy; none if no policy is set, or if it could not be read.
    pub backups: Option<BackupLateness>,
}

impl Observed {
    /// The leases of a source, of which nothing else is read yet.
    pub fn of_leases(source: &SourceMetrics, leases: Leases) -> Self {
        Self { source: source.labels.clone(), leases, backups: None }
    }

    /// Reads how far the backups of the policy are behind, which is one item. Without it the other metrics are still there.
    pub async fn of(source: &SourceMetrics, leases: Leases, policies: &BackupPolicies) -> Self {
        let backups = policies.lateness(Utc::now()).await;
        let backups = backups.inspect_err(|error| log::warn!("could not read the backup policy: {error}"));
        Self { backups: backups.unwrap_or_default(), ..Self::of_leases(source, leases) }
    }
}

/// `source` if the app names sources, `feed` for metrics of a feed, and for metrics of a lease `mode` and `lease`.
type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge>;
type Counters = Family<Labels, Counter>;

/// Counters of this process, and the state of all leases.
pub struct Metrics {
    registry: Registry,
    /// What was read last.
    observed: tokio::sync::Mutex<Option<(Instant, Vec<Observed>)>>,
    batches: Counters,
    failed_batches: Counters,
    stored: Counters,
    already_stored: Counters,
    dead_lettered: Counters,
    erased: Counters,
    excluded: Counters,
    request_units: Family<Labels, Counter<f64, AtomicU64>>,
    lease_errors: Family<Labels, Counter>,
    leases_held: Gauges,
    lag: Gauges,
    lag_seconds: Gauges,
    stuck: Gauges,
    state: Gauges,
    backup_age: Gauges,
    backup_overdue: Gauges,
}

/// What this process has captured since it started.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    batches: u64,
    failed_batches: u64,
    versions: u64,
    dead_letters: u64,
    excluded: u64,
}

impl Metrics {
    /// Metrics of a process that has captured nothing yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("changefeed"),
            observed: tokio::sync::Mutex::default(),
            batches: Family::default(),
            failed_batches: Family::default(),
            stored: Family::default(),
            already_stored: Family::default(),
            dead_lettered: Family::default(),
            erased: Family::default(),
            excluded: Family::default(),
            request_units: Family::default(),
            lease_errors: Family::default(),
            leases_held: Family::default(),
            lag: Family::default(),
            lag_seconds: Family::default(),
            stuck: Family::default(),
            state: Family::default(),
            backup_age: Family::default(),
            backup_overdue: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("batches", "Captured batches", metrics.batches.clone());
        registry.register(
            "failed_batches",
            "Batches that failed and are delivered again",
            metrics.failed_batches.clone(),
        );
        registry.register("versions_stored", "Versions stored", metrics.stored.clone());
        registry.register(
            "versions_already_stored",
            "Versions delivered again that were already stored",
            metrics.already_stored.clone(),
        );
        registry.register("dead_letters", "Documents that could not be captured", metrics.dead_lettered.clone());
        registry.register(
            "erased_changes",
            "Changes of erased documents, which are not stored",
            metrics.erased.clone(),
        );
        registry.register(
            "excluded_changes",
            "Changes of documents that the capture filter excludes, which are not stored",
            metrics.excluded.clone(),
        );
        registry.register("request_units", "Request units used to capture versions", metrics.request_units.clone());
        registry.register("lease_errors", "Failures that delayed a lease", metrics.lease_errors.clone());
        registry.register("leases_held", "Leases that this instance holds", metrics.leases_held.clone());
        registry.register("lease_lag_transactions", "Transactions not captured yet, by lease", metrics.lag.clone());
        registry.register_with_unit(
            "lease_lag",
            "Age of the oldest change not captured yet, by lease",
            Unit::Seconds,
            metrics.lag_seconds.clone(),
        );
        registry.register(
            "lease_stuck",
            "1 if a lease has changes to capture and makes no progress",
            metrics.stuck.clone(),
        );
        registry.register("lease_state", "1 for the state of a lease, by lease and state", metrics.state.clone());
        registry.register_with_unit(
            "backup_age",
            "Age of the newest backup of the policy that has succeeded",
            Unit::Seconds,
            metrics.backup_age.clone(),
        );
        registry.register_with_unit(
            "backup_overdue",
            "Time since a backup of the policy was due that has not succeeded",
            Unit::Seconds,
            metrics.backup_overdue.clone(),
        );
        metrics
    }

    /// All metrics as text. `read` reads the leases and the backup policy of each source; it is not awaited if they were read a moment ago.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub async fn text(&self, read: impl Future<Output = Vec<Observed>>) -> Result<String, std::fmt::Error> {
        let mut known = self.observed.lock().await;
        let observed = match known.take().filter(|(read, _)| read.elapsed() < OBSERVED_LIFETIME) {
            Some(known) => known,
            None => (Instant::now(), read.await),
        };
        let (_, observed) = known.insert(observed);
        for family in [&self.lag, &self.lag_seconds, &self.stuck, &self.state, &self.backup_age, &self.backup_overdue] {
            family.clear();
        }
        observed.iter().for_each(|observed| self.set(observed));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(without_empty_labels(&text))
    }

    /// Sets what was read of a source.
    fn set(&self, Observed { source, leases, backups }: &Observed) {
        if let Some(backups) = backups {
            let age = |since: Option<DateTime<Utc>>| since.map(|since| (Utc::now() - since).num_seconds());
            if let Some(age) = age(backups.newest) {
                self.backup_age.get_or_create(source).set(age);
            }
            self.backup_overdue.get_or_create(source).set(age(backups.due_since).unwrap_or(0));
        }
        for (feed, lease) in leases.iter().flat_map(|(feed, leases)| leases.iter().map(move |lease| (*feed, lease))) {
            let mut labels = labels_of_feed(source, feed);
            labels.push(("mode".to_owned(), lease.mode.to_string()));
            labels.push(("lease".to_owned(), lease.lease_token.clone()));
            let set = |family: &Gauges, value: Option<i64>| {
                if let Some(value) = value {
                    family.get_or_create(&labels).set(value);
                }
            };
            set(&self.lag, lease.lag);
            set(&self.lag_seconds, lease.lag_seconds);
            set(&self.stuck, Some(i64::from(lease.is_stuck)));
            let state = ("state".to_owned(), lease.state.name().to_owned());
            self.state.get_or_create(&[labels.as_slice(), &[state]].concat()).set(1);
        }
    }
}

/// The text with metrics that have no label as they are usually written: `changefeed_batches_total 1`.
fn without_empty_labels(text: &str) -> String {
    let line = |line: &str| match line.split_once("{} ") {
        Some((name, value)) if !name.contains('{') && !name.starts_with('#') => format!("{name} {value}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The labels of a feed. All sources share that of the jobs.
fn labels_of_feed(source: &Labels, feed: Feed) -> Labels {
    let source = source.iter().filter(|_| feed.is_captured()).cloned();
    source.chain([("feed".to_owned(), feed.name().to_owned())]).collect()
}

/// The metrics of one source.
#[derive(Clone)]
pub struct SourceMetrics {
    labels: Labels,
    metrics: Arc<Metrics>,
}

impl SourceMetrics {
    /// The metrics of a source, with its name if the app names sources. The counters begin at 0.
    pub fn new(metrics: &Arc<Metrics>, source: Option<&SourceName>) -> Self {
        let of_source = Self { labels: labels_of(source), metrics: Arc::clone(metrics) };
        for counters in [&metrics.batches, &metrics.failed_batches, &metrics.stored, &metrics.already_stored] {
            of_source.of(counters);
        }
        for counters in [&metrics.dead_lettered, &metrics.erased, &metrics.excluded] {
            of_source.of(counters);
        }
        drop(metrics.request_units.get_or_create(&of_source.labels));
        of_source
    }

    fn of(&self, counters: &Counters) -> Counter {
        counters.get_or_create_owned(&self.labels)
    }

    /// Counts a captured batch, or a failed one.
    pub fn batch(&self, captured: Option<&CaptureReport>) {
        let Some(report) = captured else {
            self.of(&self.metrics.failed_batches).inc();
            return;
        };
        self.of(&self.metrics.batches).inc();
        self.of(&self.metrics.stored).inc_by(report.stored);
        self.of(&self.metrics.already_stored).inc_by(report.already_stored);
        self.of(&self.metrics.dead_lettered).inc_by(report.dead_lettered);
        self.of(&self.metrics.erased).inc_by(report.erased);
        self.of(&self.metrics.excluded).inc_by(report.excluded);
        self.metrics.request_units.get_or_create(&self.labels).inc_by(report.request_charge);
    }

    /// What was captured.
    pub fn counts(&self) -> Counts {
        Counts {
            batches: self.of(&self.metrics.batches).get() + self.of(&self.metrics.failed_batches).get(),
            failed_batches: self.of(&self.metrics.failed_batches).get(),
            versions: self.of(&self.metrics.stored).get(),
            dead_letters: self.of(&self.metrics.dead_lettered).get(),
            excluded: self.of(&self.metrics.excluded).get(),
        }
    }

    /// Counts the leases that a feed's processor acquires and releases, and its errors.
    pub fn watch(&self, feed: Feed, builder: ProcessorBuilder) -> ProcessorBuilder {
        let labels = labels_of_feed(&self.labels, feed);
        let errors = self.metrics.lease_errors.get_or_create_owned(&labels);
        let held = self.metrics.leases_held.get_or_create_owned(&labels);
        let released = held.clone();
        builder
            .on_lease_acquired(move |_| {
                held.inc();
            })
            .on_lease_released(move |_| {
                released.dec();
            })
            .on_error(move |_, _| {
                errors.inc();
            })
    }
}
