//! `GET /live`, `/ready` and `/metrics`, for whoever keeps the process running.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use changefeed_processor::{ChangeFeedEstimator, LeaseLag};
use tokio::sync::Mutex;

use super::Processing;
use super::metrics::Metrics;

/// How long the state of the leases is taken for current: reading it costs request units.
const LAG_AGE: Duration = Duration::from_secs(10);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Health {
    ready: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    estimator: ChangeFeedEstimator,
    leases: Mutex<Option<(Instant, Vec<LeaseLag>)>>,
}

/// Where health is asked for.
pub struct HealthPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl HealthPort {
    /// Takes the port. Who asks before [`Self::serve`] waits.
    pub fn bind(address: IpAddr, port: u16) -> Result<Self> {
        let address = SocketAddr::from((address, port));
        let listener = TcpListener::bind(address)
            .with_context(|| format!("{address} cannot be used for health (choose another --health-port)"))?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the handle is told to stop.
    pub fn serve(self, processing: &Processing) -> Result<ServerHandle> {
        let health = Data::new(Health {
            ready: processing.readiness(),
            metrics: Arc::clone(&processing.metrics),
            estimator: processing.estimator.clone(),
            leases: Mutex::default(),
        });
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
            .listen(self.listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(handle)
    }
}

/// That this answers is the answer.
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("live\n")
}

async fn ready(health: Data<Health>) -> HttpResponse {
    if health.ready.load(Ordering::SeqCst) {
        HttpResponse::Ok().body("ready\n")
    } else {
        HttpResponse::ServiceUnavailable().body("stopping\n")
    }
}

async fn metrics(health: Data<Health>) -> HttpResponse {
    let mut leases = health.leases.lock().await;
    if leases.as_ref().is_none_or(|(read, _)| read.elapsed() > LAG_AGE) {
        match health.estimator.estimate().await {
            Ok(estimated) => *leases = Some((Instant::now(), estimated)),
            // The counters are worth having without it.
            Err(error) => {
                log::warn!("the lag of the leases cannot be told: {error}");
                *leases = None;
            }
        }
    }
    let known = leases.as_ref().map_or(&[][..], |(_, leases)| leases);
    match health.metrics.text(known) {
        Ok(text) => HttpResponse::Ok().content_type(METRICS_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
