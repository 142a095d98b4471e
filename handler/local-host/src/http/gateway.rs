//! The HTTP server that clients call: routing, keys, limits.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, web};
use subtle::ConstantTimeEq;
use tokio::task::JoinHandle;

use super::forward::Forwarder;
use super::keys::HostKeys;
use super::route::Routes;
use super::upload::content_length;
use crate::app::{AuthLevel, Settings};
use crate::handler::Handler;

const WORKERS: usize = 2;
/// The setting for the largest request body, in bytes.
const BODY_LIMIT_SETTING: &str = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const DEFAULT_BODY_LIMIT_BYTES: u64 = 100 * 1024 * 1024;

pub(crate) struct Gateway {
    routes: Routes,
    /// Required by functions of authorization level `function` and `admin`.
    keys: Option<HostKeys>,
    forwarder: Forwarder,
}

impl Gateway {
    /// `client` does not follow redirects.
    pub(crate) fn new(
        routes: Routes,
        keys: Option<HostKeys>,
        handler: Handler,
        client: reqwest::Client,
        timeout: Option<Duration>,
        settings: &Settings,
    ) -> Self {
        let body_limit_bytes = body_limit_bytes(settings);
        Self { routes, keys, forwarder: Forwarder { handler, client, timeout, body_limit_bytes } }
    }

    async fn respond(&self, request: HttpRequest, payload: Payload) -> HttpResponse {
        if let Err(refused) = loopback::check(&request) {
            log::warn!("refused {} {}: {refused}", request.method(), request.path());
            return HttpResponse::Forbidden().content_type(PLAIN_TEXT).body(format!("{refused}\n"));
        }
        if has_dot_segment(request.path()) {
            return HttpResponse::NotFound().finish();
        }
        let Some(route) = self.routes.find(request.method().as_str(), request.path()) else {
            return match request.path() {
                "/" => HttpResponse::Ok().content_type(PLAIN_TEXT).body("The function app is up.\n"),
                _ => HttpResponse::NotFound().finish(),
            };
        };
        if !self.is_authorized(route.auth_level, &request) {
            return HttpResponse::Unauthorized().finish();
        }
        if content_length(&request).is_some_and(|length| length > self.forwarder.body_limit_bytes) {
            return HttpResponse::PayloadTooLarge().finish();
        }
        self.forwarder.forward(&route.function, &request, payload).await
    }

    /// A key in the header takes precedence over one in the query.
    fn is_authorized(&self, level: AuthLevel, request: &HttpRequest) -> bool {
        let Some(keys) = &self.keys else { return true };
        let accepted: &[&str] = match level {
            AuthLevel::Anonymous => return true,
            AuthLevel::Function => &[&keys.host, &keys.master],
            AuthLevel::Admin => &[&keys.master],
        };
        let is_accepted = |found: &[u8]| accepted.iter().any(|key| is_equal(found, key));
        if let Some(header) = request.headers().get("x-functions-key") {
            return is_accepted(header.as_bytes());
        }
        let parameters = request.query_string().split('&');
        let code = parameters.filter_map(|parameter| parameter.split_once('=')).find(|(name, _)| *name == "code");
        code.is_some_and(|(_, value)| is_accepted(value.as_bytes()))
    }
}

/// Compares in a time that does not depend on where the two differ.
fn is_equal(found: &[u8], key: &str) -> bool {
    found.ct_eq(key.as_bytes()).into()
}

/// Whether a path has a segment `.` or `..`, encoded or not. The request to the handler would have the path that remains when
/// such segments are resolved: that of another function, perhaps one that needs a key.
fn has_dot_segment(path: &str) -> bool {
    let mut segments = path.split(['/', '\\']);
    segments.any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// An invalid setting is ignored, as in the real host.
fn body_limit_bytes(settings: &Settings) -> u64 {
    let Some(text) = settings.get(BODY_LIMIT_SETTING) else { return DEFAULT_BODY_LIMIT_BYTES };
    text.parse().unwrap_or_else(|_| {
        log::warn!("{BODY_LIMIT_SETTING} is not a number of bytes; using {DEFAULT_BODY_LIMIT_BYTES}");
        DEFAULT_BODY_LIMIT_BYTES
    })
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
                    gateway.respond(request, payload).await
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
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("the HTTP server ended with an error: {error}"),
            Err(error) => log::error!("the HTTP server ended unexpectedly: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_dot_segment;

    #[test]
    fn a_path_that_would_be_resolved_to_another_one_is_recognized() {
        for path in ["/api/dead-letters/..", "/api/a/%2e%2E/truncate", "/api/./status", "/api/a/.%2e", "/api/a\\..\\b"]
        {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/", "/api/dead-letters/..%2f..", "/api/a.b/...", "/api/%252e%252e"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
