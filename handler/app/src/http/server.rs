//! Listens where the Functions host calls.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use actix_web::web::{Data, PayloadConfig};
use actix_web::{App, HttpServer};
use anyhow::{Context, Result};

use super::body::MAX_BODY_BYTES;
use super::routes;
use crate::service::Service;

/// How long a connection may be silent, between two requests or within the head of one. Under load the host takes seconds to
/// send what it has begun, and it keeps connections in a pool: whoever closes them earlier gives it 408s and resets.
const SILENCE: Duration = Duration::from_secs(75);

/// Serves until the process is told to stop. The host dials 127.0.0.1 only.
pub async fn serve(service: Service, port: u16) -> Result<()> {
    let service = Data::new(service);
    let app = move || {
        App::new().app_data(service.clone()).app_data(PayloadConfig::new(MAX_BODY_BYTES)).configure(routes::configure)
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = HttpServer::new(app)
        .tcp_nodelay(true)
        .keep_alive(SILENCE)
        .client_request_timeout(SILENCE)
        .bind(address)
        .with_context(|| {
            format!("port {port} on 127.0.0.1 cannot be used (set FUNCTIONS_CUSTOMHANDLER_PORT to another)")
        })?;
    for address in server.addrs() {
        log::info!("listening on http://{address}");
    }
    server.run().await.context("the server ended")
}
