//! Metrics in the text format of Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

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

use crate::feed::Feed;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long the state of the leases and of the backup policy is remembered, because reading it costs request units.
const OBSERVED_LIFETIME: Duration = Duration::from_secs(10);

/// The leases of the feeds that could be read.
pub type Leases = Vec<(Feed, Vec<LeaseLag>)>;

/// What is read for the metrics.
pub struct Observed {
    /// The leases.
    pub leases: Leases,
    /// The backups of the policy; none if no policy is set, or if it could not be read.
    pub backups: Option<BackupLateness>,
}

impl Observed {
    /// Reads how far the backups of the policy are behind, which is one item. Without it the other metrics are still there.
    pub async fn of(leases: Leases, policies: &BackupPolicies) -> Self {
        let backups = policies.lateness(Utc::now()).await;
        let backups = backups.inspect_err(|error| log::warn!("could not read the backup policy: {error}"));
        Self { leases, backups: backups.unwrap_or_default() }
    }
}

/// `feed`, and for metrics of a lease `mode` and `lease`.
type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge>;

/// Counters of this process, and the state of all leases.
pub struct Metrics {
    registry: Registry,
    /// What was read last.
    observed: tokio::sync::Mutex<Option<(Instant, Observed)>>,
    batches: Counter,
    failed_batches: Counter,
    stored: Counter,
    already_stored: Counter,
    dead_lettered: Counter,
    erased: Counter,
    request_units: Counter<f64, AtomicU64>,
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
}

impl Metrics {
    /// Metrics of a process that has captured nothing yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("changefeed"),
            observed: tokio::sync::Mutex::default(),
            batches: Counter::default(),
            failed_batches: Counter::default(),
            stored: Counter::default(),
            already_stored: Counter::default(),
            dead_lettered: Counter::default(),
            erased: Counter::default(),
            request_units: Counter::default(),
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

    /// Counts a captured batch, or a failed one.
    pub fn batch(&self, captured: Option<&CaptureReport>) {
        let Some(report) = captured else {
            self.failed_batches.inc();
            return;
        };
        self.batches.inc();
        self.stored.inc_by(report.stored);
        self.already_stored.inc_by(report.already_stored);
        self.dead_lettered.inc_by(report.dead_lettered);
        self.erased.inc_by(report.erased);
        self.request_units.inc_by(report.request_charge);
    }

    /// What was captured.
    pub fn counts(&self) -> Counts {
        Counts {
            batches: self.batches.get() + self.failed_batches.get(),
            failed_batches: self.failed_batches.get(),
            versions: self.stored.get(),
            dead_letters: self.dead_lettered.get(),
        }
    }

    /// Counts the leases that a feed's processor acquires and releases, and its errors.
    pub fn watch(&self, feed: Feed, builder: ProcessorBuilder) -> ProcessorBuilder {
        let label = vec![label_of(feed)];
        let errors = self.lease_errors.get_or_create_owned(&label);
        let held = self.leases_held.get_or_create_owned(&label);
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

    /// All metrics as text. `read` reads the leases and the backup policy; it is not awaited if they were read a moment ago.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub async fn text(&self, read: impl Future<Output = Observed>) -> Result<String, std::fmt::Error> {
        let mut known = self.observed.lock().await;
        let observed = match known.take().filter(|(read, _)| read.elapsed() < OBSERVED_LIFETIME) {
            Some(known) => known,
            None => (Instant::now(), read.await),
        };
        let (_, Observed { leases, backups }) = known.insert(observed);
        for family in [&self.lag, &self.lag_seconds, &self.stuck, &self.state, &self.backup_age, &self.backup_overdue] {
            family.clear();
        }
        if let Some(backups) = backups {
            let age = |since: Option<DateTime<Utc>>| since.map(|since| (Utc::now() - since).num_seconds());
            if let Some(age) = age(backups.newest) {
                self.backup_age.get_or_create(&Labels::new()).set(age);
            }
            self.backup_overdue.get_or_create(&Labels::new()).set(age(backups.due_since).unwrap_or(0));
        }
        for (feed, lease) in leases.iter().flat_map(|(feed, leases)| leases.iter().map(move |lease| (*feed, lease))) {
            let labels = vec![
                label_of(feed),
                ("mode".to_owned(), lease.mode.to_string()),
                ("lease".to_owned(), lease.lease_token.clone()),
            ];
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
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn label_of(feed: Feed) -> (String, String) {
    ("feed".to_owned(), feed.name().to_owned())
}
