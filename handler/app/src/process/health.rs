//! `GET /live`, `/ready` and `/metrics`, for orchestrators and monitoring. They are served before the instance is ready.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use changefeed_processor::{ChangeFeedEstimator, LeaseLag, LeaseObservation};

use super::metrics::Metrics;
use crate::feed::Feed;

/// How long the state of the leases is cached, because reading it costs request units.
const LAG_CACHE_TIME: Duration = Duration::from_secs(10);
/// Time limit for reading the state of the leases. Without it the counters are still served.
const LAG_TIMEOUT: Duration = Duration::from_secs(3);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The health of an instance.
#[derive(Clone)]
pub struct Health(Arc<State>);

struct State {
    stage: Mutex<Stage>,
    metrics: Arc<Metrics>,
    estimators: Mutex<Vec<(Feed, ChangeFeedEstimator)>>,
    leases: tokio::sync::Mutex<Option<(Instant, Leases)>>,
    looked: Mutex<Looked>,
}

/// What the last look at the leases has shown.
#[derive(Default)]
struct Looked {
    observations: Vec<LeaseObservation>,
    problems: Vec<String>,
}

/// The leases of the feeds that could be read.
type Leases = Vec<(Feed, Vec<LeaseLag>)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Stopping,
}

impl Health {
    /// The health of an instance that is starting.
    pub fn new() -> Self {
        Self(Arc::new(State {
            stage: Mutex::new(Stage::Starting),
            metrics: Arc::new(Metrics::new()),
            estimators: Mutex::default(),
            leases: tokio::sync::Mutex::default(),
            looked: Mutex::default(),
        }))
    }

    /// The metrics of the instance.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    /// Adds the lag of a feed's leases to the metrics.
    pub fn watch(&self, feed: Feed, estimator: ChangeFeedEstimator) {
        lock(&self.0.estimators).push((feed, estimator));
    }

    /// The instance captures.
    pub fn set_ready(&self) {
        *lock(&self.0.stage) = Stage::Ready;
    }

    /// The instance has stopped capturing.
    pub fn set_stopping(&self) {
        *lock(&self.0.stage) = Stage::Stopping;
    }

    /// Stores what a look at the leases has shown.
    pub fn set_looked(&self, observations: Vec<LeaseObservation>, problems: Vec<String>) {
        *lock(&self.0.looked) = Looked { observations, problems };
    }

    /// The leases, from the cache or read now.
    async fn leases(&self) -> Leases {
        let mut known = self.0.leases.lock().await;
        if let Some((_, leases)) = known.as_ref().filter(|(read, _)| read.elapsed() < LAG_CACHE_TIME) {
            return leases.clone();
        }
        let estimators = lock(&self.0.estimators).clone();
        let observations = lock(&self.0.looked).observations.clone();
        let mut leases = Leases::new();
        for (feed, estimator) in estimators {
            match tokio::time::timeout(LAG_TIMEOUT, estimator.estimate_with(&observations)).await {
                Ok(Ok(estimated)) => leases.push((feed, estimated)),
                Ok(Err(error)) => log::warn!("could not read the lag of the leases of {}: {error}", feed.name()),
                Err(_) => log::warn!("reading the lag of the leases of {} timed out", feed.name()),
            }
        }
        *known = Some((Instant::now(), leases.clone()));
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
    let stage = *lock(&health.0.stage);
    match stage {
        Stage::Ready => {
            let problems: String =
                lock(&health.0.looked).problems.iter().map(|problem| format!("{problem}\n")).collect();
            HttpResponse::Ok().body(format!("ready\n{problems}"))
        }
        Stage::Starting => not_ready("starting\n"),
        Stage::Stopping => not_ready("stopping\n"),
    }
}

fn not_ready(stage: &'static str) -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 1)).body(stage)
}

async fn metrics(health: Data<Health>) -> HttpResponse {
    match health.0.metrics.text(&health.leases().await) {
        Ok(text) => HttpResponse::Ok().content_type(METRICS_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
