//! Listens where the Functions host calls.

use std::net::{Ipv4Addr, SocketAddr};

use actix_web::web::{Data, PayloadConfig};
use actix_web::{App, HttpServer};
use anyhow::{Context, Result};

use super::body::MAX_BODY_BYTES;
use super::routes;
use crate::service::Service;

/// Serves until the process is told to stop. The host dials 127.0.0.1 only.
pub async fn serve(service: Service, port: u16) -> Result<()> {
    let service = Data::new(service);
    let app = move || {
        App::new().app_data(service.clone()).app_data(PayloadConfig::new(MAX_BODY_BYTES)).configure(routes::configure)
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = HttpServer::new(app).tcp_nodelay(true).bind(address).with_context(|| {
        format!("port {port} on 127.0.0.1 cannot be used (set FUNCTIONS_CUSTOMHANDLER_PORT to another)")
    })?;
    for address in server.addrs() {
        log::info!("listening on http://{address}");
    }
    server.run().await.context("the server ended")
}
