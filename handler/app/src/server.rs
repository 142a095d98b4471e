//! The HTTP server that the Functions host calls.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use actix_web::dev::Service as _;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::{Context, Result};
use futures::future::{Either, ready};

use crate::http::{check_site, invocation_id};
use crate::routes;
use crate::sources::Sources;
use crate::telemetry::Invocation;

/// How long a connection may be idle, between requests or within the head of one. Under load the host takes seconds to
/// send a request, and it pools connections: closing them earlier answers it with 408 or a reset.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Serves until the process receives a signal to stop. The host connects to 127.0.0.1 only.
pub async fn serve(sources: Sources, port: u16) -> Result<()> {
    let sources = Data::new(sources);
    let app = move || {
        App::new()
            .app_data(sources.clone())
            .wrap(DefaultHeaders::new().add(("Cache-Control", "no-store")).add(("X-Content-Type-Options", "nosniff")))
            .wrap_fn(|mut request, app| {
                routes::use_declared_spelling(&mut request);
                let invocation = Invocation::of(&request, invocation_id(request.request()));
                invocation.around(match check_site(&request) {
                    Ok(()) => Either::Left(app.call(request)),
                    Err(error) => Either::Right(ready(Ok(request.error_response(error)))),
                })
            })
            .configure(routes::configure)
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = HttpServer::new(app)
        .tcp_nodelay(true)
        .keep_alive(IDLE_TIMEOUT)
        .client_request_timeout(IDLE_TIMEOUT)
        .bind(address)
        .with_context(|| {
            format!(
                "could not listen on 127.0.0.1 port {port}; set FUNCTIONS_CUSTOMHANDLER_PORT or --port to a free port"
            )
        })?;
    for address in server.addrs() {
        log::info!("listening on http://{address}");
    }
    server.run().await.context("running the server")
}
