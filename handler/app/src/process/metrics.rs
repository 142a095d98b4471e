//! What a monitoring system asks for, as Prometheus text.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use changefeed_history::CaptureReport;
use changefeed_processor::LeaseLag;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type ByLease = Family<Vec<(String, String)>, Gauge>;

/// Counters of this instance, and the state of all leases.
pub struct Metrics {
    registry: Registry,
    batches: Counter,
    failed_batches: Counter,
    stored: Counter,
    already_stored: Counter,
    dead_lettered: Counter,
    request_units: Counter<f64, AtomicU64>,
    lease_errors: Counter,
    held: Mutex<BTreeSet<String>>,
    leases_held: Gauge,
    lag: ByLease,
    lag_seconds: ByLease,
    stuck: ByLease,
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("changefeed"),
            batches: Counter::default(),
            failed_batches: Counter::default(),
            stored: Counter::default(),
            already_stored: Counter::default(),
            dead_lettered: Counter::default(),
            request_units: Counter::default(),
            lease_errors: Counter::default(),
            held: Mutex::default(),
            leases_held: Gauge::default(),
            lag: Family::default(),
            lag_seconds: Family::default(),
            stuck: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("batches", "Batches that were captured", metrics.batches.clone());
        registry.register("failed_batches", "Batches that failed, and come again", metrics.failed_batches.clone());
        registry.register("versions_stored", "Versions that were new", metrics.stored.clone());
        registry.register("versions_already_stored", "Versions that came again", metrics.already_stored.clone());
        registry.register("dead_letters", "Documents that cannot be kept as versions", metrics.dead_lettered.clone());
        registry.register("request_units", "Request units of captured versions", metrics.request_units.clone());
        registry.register("lease_errors", "Failures that held up a lease", metrics.lease_errors.clone());
        registry.register("leases_held", "Leases that this instance holds", metrics.leases_held.clone());
        registry.register("lease_lag_transactions", "Transactions not captured yet, by lease", metrics.lag.clone());
        registry.register_with_unit(
            "lease_lag",
            "Age of the oldest change not captured yet, by lease",
            Unit::Seconds,
            metrics.lag_seconds.clone(),
        );
        registry.register("lease_stuck", "1 where nobody gets on with a lease", metrics.stuck.clone());
        metrics
    }

    /// Counts a batch: what became of it, or that it failed.
    pub fn batch(&self, captured: Option<&CaptureReport>) {
        let Some(report) = captured else {
            self.failed_batches.inc();
            return;
        };
        self.batches.inc();
        self.stored.inc_by(report.stored);
        self.already_stored.inc_by(report.already_stored);
        self.dead_lettered.inc_by(report.dead_lettered);
        self.request_units.inc_by(report.request_charge);
    }

    pub fn lease_acquired(&self, token: &str) {
        self.change_held(|held| held.insert(token.to_owned()));
    }

    pub fn lease_released(&self, token: &str) {
        self.change_held(|held| held.remove(token));
    }

    pub fn lease_failed(&self) {
        self.lease_errors.inc();
    }

    fn change_held(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut held);
        self.leases_held.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
    }

    /// All metrics as Prometheus text, the leases as they are now.
    pub fn text(&self, leases: &[LeaseLag]) -> Result<String, std::fmt::Error> {
        for family in [&self.lag, &self.lag_seconds, &self.stuck] {
            family.clear();
        }
        for lease in leases {
            let label = vec![("lease".to_owned(), lease.lease_token.clone())];
            let set = |family: &ByLease, value: Option<i64>| {
                if let Some(value) = value {
                    family.get_or_create(&label).set(value);
                }
            };
            set(&self.lag, lease.lag);
            set(&self.lag_seconds, lease.lag_seconds);
            set(&self.stuck, Some(i64::from(lease.is_stuck)));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
