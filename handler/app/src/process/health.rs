//! `GET /live`, `/ready` and `/metrics`, for orchestrators and monitoring. They are served before the instance is ready.
//!
//! An instance that has started is not ready while a container is missing, and while its leases cannot be read or created: then
//! changes are not captured.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use changefeed_cosmos::{Error, SourceName};
use changefeed_processor::{ChangeFeedEstimator, LeaseObservation, ProcessorBuilder};
use futures::future::join_all;
use tokio::time::Instant;

use super::containers::check_containers;
use crate::feed::Feed;
use crate::metrics::{CONTENT_TYPE, Leases, Metrics, Observed};
use crate::service::Service;
use crate::sources::Sources;

/// How long the state of the containers is cached.
const CONTAINERS_CACHE_TIME: Duration = Duration::from_secs(10);
/// Time limit for reading the state of the leases. Without it the counters are still served.
const LAG_TIMEOUT: Duration = Duration::from_secs(3);

/// The health of an instance.
#[derive(Clone)]
pub struct Health(Arc<State>);

struct State {
    stage: Mutex<Stage>,
    /// Why the leases of a feed of a source cannot be read or created.
    failures: Mutex<BTreeMap<(SourceName, Feed), String>>,
    containers: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
    metrics: Arc<Metrics>,
    estimators: Mutex<Vec<Watched>>,
    looked: Mutex<BTreeMap<SourceName, Looked>>,
}

/// A feed of a source whose lag is measured.
#[derive(Clone)]
struct Watched {
    service: Arc<Service>,
    feed: Feed,
    estimator: ChangeFeedEstimator,
}

/// What the last look at the leases of a source has shown.
#[derive(Clone, Default)]
struct Looked {
    observations: Vec<LeaseObservation>,
    problems: Vec<String>,
}

#[derive(Clone)]
enum Stage {
    /// With the reason why it could not start yet.
    Starting(Option<String>),
    Ready(Sources),
    Stopping,
}

impl Health {
    /// The health of an instance that is starting.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(State {
            stage: Mutex::new(Stage::Starting(None)),
            failures: Mutex::default(),
            containers: tokio::sync::Mutex::default(),
            metrics,
            estimators: Mutex::default(),
            looked: Mutex::default(),
        }))
    }

    /// Adds the lag of a feed's leases to the metrics.
    pub fn watch(&self, service: &Arc<Service>, feed: Feed, estimator: ChangeFeedEstimator) {
        let mut estimators = lock(&self.0.estimators);
        // A start that is retried watches its feed again.
        estimators.retain(|watched| (watched.service.source(), watched.feed) != (service.source(), feed));
        estimators.push(Watched { service: Arc::clone(service), feed, estimator });
    }

    /// The instance could not start yet.
    pub fn set_starting(&self, failure: String) {
        *lock(&self.0.stage) = Stage::Starting(Some(failure));
    }

    /// Observes whether the leases of a feed can be read and created.
    pub fn observe(&self, service: &Service, feed: Feed, builder: ProcessorBuilder) -> ProcessorBuilder {
        let (state, key) = (Arc::clone(&self.0), (service.source().clone(), feed));
        builder.on_leases_checked(move |checked| {
            let mut failures = lock(&state.failures);
            match checked {
                Ok(()) => failures.remove(&key),
                Err(error) => failures.insert(key.clone(), error.to_string()),
            };
        })
    }

    /// The instance captures.
    pub fn set_ready(&self, sources: &Sources) {
        *lock(&self.0.stage) = Stage::Ready(sources.clone());
    }

    /// The instance has stopped capturing.
    pub fn set_stopping(&self) {
        *lock(&self.0.stage) = Stage::Stopping;
    }

    /// Why an instance that has started does not capture everything; `None` if it does.
    async fn failure(&self, sources: &Sources) -> Option<String> {
        if let Some(((source, feed), failure)) = lock(&self.0.failures).first_key_value() {
            let source = if sources.are_several() { format!(" of source {source}") } else { String::new() };
            return Some(format!("the leases of {}{source} cannot be used: {failure}", feed.name()));
        }
        let mut known = self.0.containers.lock().await;
        if let Some((_, failure)) = known.as_ref().filter(|(read, _)| read.elapsed() < CONTAINERS_CACHE_TIME) {
            return failure.clone();
        }
        // A request that failed for a moment says nothing about the containers.
        let is_permanent = |error: &anyhow::Error| !error.downcast_ref::<Error>().is_some_and(Error::is_transient);
        let checked = join_all(sources.all().map(|service| check_containers(service))).await;
        let failure = checked.into_iter().find_map(|checked| checked.err().filter(is_permanent));
        let failure = failure.map(|error| format!("{error:#}"));
        *known = Some((Instant::now(), failure.clone()));
        failure
    }

    /// Stores what a look at the leases of a source has shown.
    pub fn set_looked(&self, service: &Service, observations: Vec<LeaseObservation>, problems: Vec<String>) {
        lock(&self.0.looked).insert(service.source().clone(), Looked { observations, problems });
    }

    async fn observed(&self) -> Vec<Observed> {
        let mut leases = self.leases().await;
        let stage = lock(&self.0.stage).clone();
        let Stage::Ready(sources) = stage else {
            return leases
                .into_values()
                .map(|(service, leases)| Observed::of_leases(service.metrics(), leases))
                .collect();
        };
        let observed = sources.all().map(|service| {
            let leases = leases.remove(service.source()).map(|(_, leases)| leases).unwrap_or_default();
            Observed::of(service.metrics(), leases, &service.changefeed.backup_policy)
        });
        join_all(observed.collect::<Vec<_>>()).await
    }

    /// The leases of each source.
    async fn leases(&self) -> BTreeMap<SourceName, (Arc<Service>, Leases)> {
        let estimators = lock(&self.0.estimators).clone();
        let looked = lock(&self.0.looked).clone();
        let estimated = join_all(estimators.into_iter().map(async |Watched { service, feed, estimator }| {
            let observations = looked.get(service.source()).map(|looked| looked.observations.as_slice());
            let estimate = estimator.estimate_with(observations.unwrap_or_default());
            let estimated = match tokio::time::timeout(LAG_TIMEOUT, estimate).await {
                Ok(Ok(estimated)) => Some(estimated),
                Ok(Err(error)) => {
                    log::warn!("could not read the lag of the leases of {}: {error}", feed.name());
                    None
                }
                Err(_) => {
                    log::warn!("reading the lag of the leases of {} timed out", feed.name());
                    None
                }
            };
            (service, feed, estimated)
        }));
        let mut leases: BTreeMap<SourceName, (Arc<Service>, Leases)> = BTreeMap::new();
        for (service, feed, estimated) in estimated.await {
            let of_source = leases.entry(service.source().clone()).or_insert_with(|| (service, Leases::new()));
            of_source.1.extend(estimated.map(|estimated| (feed, estimated)));
        }
        leases
    }
}

/// The server of the health port.
pub struct HealthPort {
    address: SocketAddr,
    handle: ServerHandle,
}

impl HealthPort {
    /// Serves until it is closed.
    ///
    /// # Errors
    /// When the port is in use.
    pub fn serve(address: IpAddr, port: u16, health: &Health) -> Result<Self> {
        let address = SocketAddr::from((address, port));
        let listener = TcpListener::bind(address).with_context(|| {
            format!("could not listen on {address}; choose another --health-port or --health-address")
        })?;
        let address = listener.local_addr()?;
        let health = Data::new(health.clone());
        let app = move || {
            App::new()
                .app_data(health.clone())
                .route("/live", web::get().to(live))
                .route("/ready", web::get().to(ready))
                .route("/metrics", web::get().to(metrics))
        };
        let server = HttpServer::new(app)
            .tcp_nodelay(true)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { address, handle })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops serving.
    pub async fn close(self) {
        self.handle.stop(false).await;
    }
}

/// Any answer means that the process is alive.
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("live\n")
}

/// An instance that captures is ready. Leases without progress, of any owner, are listed: another instance does not cure them.
async fn ready(health: Data<Health>) -> HttpResponse {
    let stage = lock(&health.0.stage).clone();
    match stage {
        Stage::Ready(sources) => match health.failure(&sources).await {
            None => {
                let looked = lock(&health.0.looked).clone();
                let problems = looked.iter().flat_map(|(source, looked)| {
                    let source = if sources.are_several() { format!("source {source}: ") } else { String::new() };
                    looked.problems.iter().map(move |problem| format!("{source}{problem}\n"))
                });
                let problems: String = problems.collect();
                HttpResponse::Ok().body(format!("ready\n{problems}"))
            }
            Some(failure) => not_ready(format!("not capturing: {failure}\n")),
        },
        Stage::Starting(None) => not_ready("starting\n".to_owned()),
        Stage::Starting(Some(failure)) => not_ready(format!("starting: {failure}\n")),
        Stage::Stopping => not_ready("stopping\n".to_owned()),
    }
}

fn not_ready(stage: String) -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 1)).body(stage)
}

async fn metrics(health: Data<Health>) -> HttpResponse {
    match health.0.metrics.text(health.observed()).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
