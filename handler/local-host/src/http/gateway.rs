//! The HTTP server that clients call: routing, keys, limits.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, web};
use subtle::ConstantTimeEq;
use tokio::task::JoinHandle;

use super::envelope_request::trigger_data;
use super::envelope_response;
use super::forward::{Forwarder, SERVER, failed};
use super::keys::HostKeys;
use super::path::RequestPath;
use super::route::{Parameters, Route, Routes};
use super::upload::content_length;
use crate::app::{AuthLevel, Settings};
use crate::handler::Handler;
use crate::invocation::{Invoker, invoke};
use crate::newtonsoft::TimeZone;

const WORKERS: usize = 2;
/// The setting for the largest request body, in bytes.
const BODY_LIMIT_SETTING: &str = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const DEFAULT_BODY_LIMIT_BYTES: u64 = 100 * 1024 * 1024;
const MOST_PATH_BYTES: usize = 8 * 1024;
const MOST_HEADER_BYTES: usize = 32 * 1024;

pub(crate) struct Gateway {
    routes: Routes,
    /// Required by functions of authorization level `function` and `admin`.
    keys: Option<HostKeys>,
    forwarder: Forwarder,
    /// For functions whose requests are not proxied.
    envelope: Option<Envelope>,
}

/// Sends requests to the handler as JSON.
pub(crate) struct Envelope {
    pub invoker: Arc<Invoker>,
    pub zone: TimeZone,
}

impl Gateway {
    /// Requests are proxied unless there is an envelope.
    pub(crate) fn new(
        routes: Routes,
        keys: Option<HostKeys>,
        handler: Handler,
        timeout: Option<Duration>,
        settings: &Settings,
        envelope: Option<Envelope>,
    ) -> Self {
        let body_limit_bytes = body_limit_bytes(settings);
        Self { routes, keys, forwarder: Forwarder { handler, timeout, body_limit_bytes }, envelope }
    }

    async fn respond(&self, request: HttpRequest, payload: Payload) -> HttpResponse {
        let mut response = self.response(request, payload).await;
        response.head_mut().set_camel_case_headers(true);
        response
    }

    async fn response(&self, request: HttpRequest, payload: Payload) -> HttpResponse {
        if let Err(refused) = loopback::check(&request) {
            log::warn!("refused {} {}: {refused}", request.method(), request.path());
            return HttpResponse::Forbidden().content_type(PLAIN_TEXT).body(format!("{refused}\n"));
        }
        if let Some(status) = too_long(&request) {
            return HttpResponse::build(status).insert_header(SERVER).force_close().finish();
        }
        let Some(path) = RequestPath::parse(request.uri().path()) else {
            return not_found();
        };
        let Some((route, parameters)) = self.routes.find(request.method().as_str(), &path) else {
            return match path.decoded() {
                "/" => HttpResponse::Ok().content_type(PLAIN_TEXT).body("The function app is up.\n"),
                _ => not_found(),
            };
        };
        if !self.is_authorized(route.auth_level, &request) {
            return HttpResponse::Unauthorized().insert_header(SERVER).finish();
        }
        if content_length(&request).is_some_and(|length| length > self.forwarder.body_limit_bytes) {
            log::error!("a request to {} has more than {} bytes", route.function, self.forwarder.body_limit_bytes);
            return failed();
        }
        match &self.envelope {
            None => self.forwarder.forward(&route.function, &path, &request, payload).await,
            Some(envelope) => {
                let Ok(limit) = usize::try_from(self.forwarder.body_limit_bytes) else { return failed() };
                match payload.to_bytes_limited(limit).await {
                    Ok(Ok(body)) => envelope.respond(&request, &path, route, &parameters, &body).await,
                    Ok(Err(_)) | Err(_) => failed(),
                }
            }
        }
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

impl Envelope {
    async fn respond(
        &self,
        request: &HttpRequest,
        path: &RequestPath,
        route: &Route,
        parameters: &Parameters,
        body: &[u8],
    ) -> HttpResponse {
        let data = trigger_data(request, path, parameters, body, self.zone);
        let (input, output) = &route.bindings;
        match invoke(&self.invoker, &route.function, input, &data).await {
            Ok(result) => envelope_response::response(request, &route.function, output, &result, self.zone),
            Err(_) => failed(),
        }
    }
}

fn not_found() -> HttpResponse {
    HttpResponse::NotFound().insert_header(SERVER).finish()
}

/// The limits of the real host's HTTP server.
fn too_long(request: &HttpRequest) -> Option<StatusCode> {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    match (path > MOST_PATH_BYTES, headers > MOST_HEADER_BYTES) {
        (true, _) => Some(StatusCode::URI_TOO_LONG),
        (_, true) => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        _ => None,
    }
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
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_default_limit_of_a_body_is_that_of_the_real_host() {
        let recording: Value =
            serde_json::from_str(include_str!("../../tests/it/recordings/http-proxy.json")).expect("JSON");
        let limit = body_limit_bytes(&Settings::new(BTreeMap::new()));
        for row in recording["bodyLimit"].as_array().expect("rows") {
            let is_accepted = row["bytes"].as_u64().expect("a number") <= limit;
            assert_eq!(is_accepted, row["status"] == 200, "{row}, the limit is {limit}");
        }
    }
}
