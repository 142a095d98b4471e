//! The port that clients call.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, web};
use tokio::task::JoinHandle;

use super::forward::Forwarder;
use super::route::Routes;
use super::upload::content_length;
use crate::app::{AuthLevel, Settings};
use crate::handler::Handler;

const WORKERS: usize = 2;
/// In bytes, unless `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT` says otherwise.
const DEFAULT_BODY_LIMIT: u64 = 100 * 1024 * 1024;

pub(crate) struct Gateway {
    routes: Routes,
    /// What a function of level `function` or `admin` must be called with.
    key: Option<String>,
    forwarder: Forwarder,
}

impl Gateway {
    /// `client` follows no redirects.
    pub(crate) fn new(
        routes: Routes,
        key: Option<String>,
        handler: Handler,
        client: reqwest::Client,
        timeout: Option<Duration>,
        settings: &Settings,
    ) -> Self {
        let limit = settings.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT").and_then(|limit| limit.parse().ok());
        let body_limit = limit.unwrap_or(DEFAULT_BODY_LIMIT);
        Self { routes, key, forwarder: Forwarder { handler, client, timeout, body_limit } }
    }

    async fn answer(&self, request: HttpRequest, payload: Payload) -> HttpResponse {
        let Some(route) = self.routes.find(request.method().as_str(), request.path()) else {
            return match request.path() {
                "/" => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("The function app is up.\n"),
                _ => HttpResponse::NotFound().finish(),
            };
        };
        if route.auth_level == AuthLevel::Key && !self.admits(&request) {
            return HttpResponse::Unauthorized().finish();
        }
        if content_length(&request).is_some_and(|length| length > self.forwarder.body_limit) {
            return HttpResponse::PayloadTooLarge().finish();
        }
        self.forwarder.forward(&route.function, &request, payload).await
    }

    /// Whether the request bears the key; a header goes before the query.
    fn admits(&self, request: &HttpRequest) -> bool {
        let Some(key) = &self.key else { return true };
        if let Some(header) = request.headers().get("x-functions-key") {
            return header.as_bytes() == key.as_bytes();
        }
        let parameters = request.query_string().split('&');
        let code = parameters.filter_map(|parameter| parameter.split_once('=')).find(|(name, _)| *name == "code");
        code.is_some_and(|(_, value)| value == key)
    }
}

/// The running HTTP server.
pub(crate) struct HttpServer {
    address: SocketAddr,
    server: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

impl HttpServer {
    pub(crate) fn start(listener: TcpListener, gateway: Gateway) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let gateway = Data::new(gateway);
        let server = actix_web::HttpServer::new(move || {
            App::new().app_data(gateway.clone()).default_service(web::to(
                |gateway: Data<Gateway>, request: HttpRequest, payload: Payload| async move {
                    gateway.answer(request, payload).await
                },
            ))
        })
        .workers(WORKERS)
        .disable_signals()
        .listen(listener)?
        .run();
        Ok(Self { address, server: server.handle(), task: tokio::spawn(server) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn handle(&self) -> ServerHandle {
        self.server.clone()
    }

    /// Closes the port and every connection.
    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
        if let Ok(Err(error)) = self.task.await {
            log::warn!("the HTTP server ended with an error: {error}");
        }
    }
}
