//! Starting and stopping the endpoint.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use azure_core::http::Method;
use url::Url;

use crate::emulator::{Emulator, Incoming};
use crate::expiry::sweep;
use crate::faults::Fault;
use crate::gateway::Gateway;
use crate::keys::EMULATOR_KEY;
use crate::limits::MAX_REQUEST_BYTES;
use crate::reply::Reply;
use crate::usage::Usage;

/// How to start an [`Endpoint`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The loopback port to listen on; 0 for any that is free.
    pub port: u16,
    /// Whether requests must be signed with [`EMULATOR_KEY`].
    pub require_key: bool,
}

/// Why an endpoint could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be listened on.
    #[error("port {port} on 127.0.0.1 cannot be used: {source}")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// Anything else.
    #[error("the embedded Cosmos endpoint could not be started: {0}")]
    Other(String),
}

/// A running endpoint. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Endpoint {
    url: Url,
    gateway: Arc<Gateway>,
    server: ServerHandle,
}

impl Endpoint {
    /// Starts an endpoint on a loopback port. It speaks HTTP/1.1 and cleartext HTTP/2.
    ///
    /// # Errors
    /// [`StartError::Port`] when the port is in use.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|source| StartError::Port { port, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Port { port, source })?;
        let url = Url::parse(&format!("http://{address}/")).map_err(|error| StartError::Other(error.to_string()))?;
        let emulator = Emulator::new(url.clone()).map_err(StartError::Other)?;
        let key = options.require_key.then(|| EMULATOR_KEY.to_owned());
        let gateway = Arc::new(Gateway::new(emulator, key));

        let data = Data::from(Arc::clone(&gateway));
        let app = move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(MAX_REQUEST_BYTES))
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .workers(2)
            .disable_signals()
            .shutdown_timeout(0)
            .listen_auto_h2c(listener)
            .map_err(|source| StartError::Port { port, source })?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        tokio::spawn(sweep(Arc::downgrade(&gateway)));
        Ok(Self { url, gateway, server: handle })
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The connection string that SDKs and the Functions host take.
    pub fn connection_string(&self) -> String {
        format!("AccountEndpoint={};AccountKey={EMULATOR_KEY};", self.url)
    }

    /// Requests and request units so far.
    pub fn usage(&self) -> Usage {
        self.gateway.usage.read()
    }

    /// Lets requests fail.
    pub fn inject(&self, fault: Fault) {
        self.gateway.faults.add(fault);
    }

    /// How many failures are still to come.
    pub fn pending_faults(&self) -> u32 {
        self.gateway.faults.pending()
    }

    /// Closes the port and ends all connections.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Not awaited: the command is queued at once.
        drop(self.server.stop(false));
    }
}

async fn answer(gateway: Data<Gateway>, request: HttpRequest, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    let body = match body {
        Ok(body) => body,
        Err(error) if error.as_response_error().status_code().as_u16() == 413 => {
            return Reply::error(413, "RequestEntityTooLarge", "Request size is too large").into_http();
        }
        Err(error) => return Reply::error(400, "BadRequest", error.to_string()).into_http(),
    };
    let method = match request.method().as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        other => return Reply::error(405, "MethodNotAllowed", format!("{other} is not supported.")).into_http(),
    };
    // Some SDKs end paths with a slash.
    let mut url = gateway.emulator().url().clone();
    url.set_path(request.path().trim_end_matches('/'));
    url.set_query(Some(request.query_string()).filter(|query| !query.is_empty()));
    let mut incoming = Incoming::new(method, url);
    incoming.body = body.to_vec();
    for (name, value) in request.headers() {
        incoming.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    gateway.answer(incoming).await.into_http()
}
