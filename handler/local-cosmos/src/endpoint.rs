//! Starting and stopping the endpoint.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use url::Url;

use crate::clock::Clock;
use crate::control::{self, ControlError, ItemScope, Partition};
use crate::etag;
use crate::expiry::sweep;
use crate::faults::ItemFault;
use crate::gateway::Gateway;
use crate::incoming::Incoming;
use crate::keys::EMULATOR_KEY;
use crate::limits::MAX_REQUEST_BYTES;
use crate::operation::ContainerName;
use crate::options::Options;
use crate::reply::Reply;
use crate::request::{Request, Response};
use crate::request_log::LoggedRequest;
use crate::usage::Usage;

/// An error that prevents an endpoint from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The endpoint cannot listen on the port.
    #[error("cannot listen on port {port} of 127.0.0.1: {source}")]
    Port {
        /// The requested port.
        port: u16,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Any other error.
    #[error("the embedded Cosmos DB endpoint could not start: {0}")]
    Other(String),
}

/// A running endpoint. It runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Endpoint {
    url: Url,
    gateway: Arc<Gateway>,
    server: Option<ServerHandle>,
    control: Option<Control>,
}

/// The control interface.
#[derive(Debug)]
struct Control {
    url: Url,
    server: ServerHandle,
}

impl Endpoint {
    /// Starts an endpoint on a loopback port, with HTTP/1.1 and cleartext HTTP/2.
    ///
    /// # Errors
    /// [`StartError::Port`] if a port is in use.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let (listener, url) = listen(port)?;
        let control_listener = options.control_port.map(listen).transpose()?;
        let gateway = Arc::new(Gateway::new(url.to_string(), &options, Clock::default()).map_err(StartError::Other)?);

        let data = Data::from(Arc::clone(&gateway));
        let app = move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(MAX_REQUEST_BYTES))
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .tcp_nodelay(true)
            .workers(2)
            .disable_signals()
            .shutdown_timeout(0)
            .listen_auto_h2c(listener)
            .map_err(|source| StartError::Port { port, source })?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        let control = control_listener.map(|(listener, url)| {
            let port = url.port().unwrap_or_default();
            let server = control::serve(&gateway, listener).map_err(|source| StartError::Port { port, source })?;
            Ok(Control { url, server })
        });
        let control = control.transpose()?;
        tokio::spawn(sweep(Arc::downgrade(&gateway)));
        Ok(Self { url, gateway, server: Some(handle), control })
    }

    /// An endpoint without a port, for a simulation: requests are given to [`Self::answer`]. Its clock shows `now` and advances with the
    /// clock of the runtime. Etags are numbered from 1, for all such endpoints of the thread. Items expire only by [`Self::expire_now`].
    ///
    /// # Errors
    /// [`StartError::Other`] when the stored data cannot be read.
    pub fn without_port(options: &Options, now: DateTime<Utc>) -> Result<Self, StartError> {
        etag::simulate();
        let url = Url::parse("http://127.0.0.1/").map_err(|error| StartError::Other(error.to_string()))?;
        let gateway = Gateway::new(url.to_string(), options, Clock::of_runtime(now)).map_err(StartError::Other)?;
        Ok(Self { url, gateway: Arc::new(gateway), server: None, control: None })
    }

    /// Answers a request that did not arrive at the port.
    pub async fn answer(&self, request: Request) -> Response {
        self.gateway.answer(request.into_incoming()).await.into()
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The address of the control interface, `http://127.0.0.1:<port>/`; `None` if it is off.
    pub fn control_url(&self) -> Option<&str> {
        self.control.as_ref().map(|control| control.url.as_str())
    }

    /// The connection string for SDKs and the Functions host.
    pub fn connection_string(&self) -> String {
        format!("AccountEndpoint={};AccountKey={EMULATOR_KEY};", self.url)
    }

    /// Requests and request units since the start.
    pub fn usage(&self) -> Usage {
        self.gateway.usage.read()
    }

    /// The number of requests that are being answered.
    pub fn requests_under_way(&self) -> u64 {
        self.gateway.requests_under_way()
    }

    /// Adds a fault: a [`Fault`](crate::Fault), or one that is limited to an item by [`Fault::on_item`](crate::Fault::on_item).
    pub fn inject(&self, fault: impl Into<ItemFault>) {
        self.gateway.faults.add(fault.into());
    }

    /// The newest requests that were answered, up to 20,000, in the order of their replies.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.gateway.requests.list()
    }

    /// The same as [`Endpoint::requests`], and clears the log.
    pub fn take_requests(&self) -> Vec<LoggedRequest> {
        self.gateway.requests.take()
    }

    /// Sets whether a query that filters or sorts by a path without an index is answered with 400; see
    /// [`Options::refuse_unindexed_queries`].
    pub fn refuse_unindexed_queries(&self, enabled: bool) {
        self.gateway.refuse_unindexed_queries(enabled);
    }

    /// The number of requests that faults are still to affect.
    pub fn pending_faults(&self) -> u32 {
        self.gateway.faults.pending()
    }

    /// The physical partitions of a container, in the order of their keys.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`].
    pub async fn partitions(&self, database: &str, container: &str) -> Result<Vec<Partition>, ControlError> {
        control::list_partitions(&self.gateway, &ContainerName::new(database, container))
    }

    /// Splits or merges physical partitions until the container has `count` of them, and returns them in the order of their
    /// keys.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`], [`ControlError::Invalid`] for a count that is 0 or over 1,000, [`ControlError::Busy`].
    pub async fn set_partition_count(
        &self,
        database: &str,
        container: &str,
        count: usize,
    ) -> Result<Vec<Partition>, ControlError> {
        control::set_partition_count(&self.gateway, &ContainerName::new(database, container), count).await
    }

    /// Splits a physical partition in the middle of its key range; `None` selects the partition with the most items. During the
    /// split, which takes at least `duration`, requests for the partition wait; afterwards those that name it are answered 410
    /// with sub-status 1002. Returns the two new partitions.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`], [`ControlError::NoPartition`], [`ControlError::Busy`].
    pub async fn split(
        &self,
        database: &str,
        container: &str,
        partition: Option<&str>,
        duration: Duration,
    ) -> Result<Vec<Partition>, ControlError> {
        control::split(&self.gateway, &ContainerName::new(database, container), partition, duration).await
    }

    /// Merges two adjacent physical partitions. During the merge, which takes at least `duration`, requests for them wait; afterwards
    /// those that name them are answered 410 with sub-status 1002. Returns the new partition.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`], [`ControlError::NoPartition`], [`ControlError::NotAdjacent`], [`ControlError::Busy`].
    pub async fn merge(
        &self,
        database: &str,
        container: &str,
        partitions: [&str; 2],
        duration: Duration,
    ) -> Result<Partition, ControlError> {
        control::merge(&self.gateway, &ContainerName::new(database, container), partitions, duration).await
    }

    /// Limits a container's request units a second. Requests over the limit are answered 429. `None` or 0 lifts the limit.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`], [`ControlError::Invalid`].
    pub async fn throttle(
        &self,
        database: &str,
        container: &str,
        request_units_per_second: Option<f64>,
    ) -> Result<(), ControlError> {
        let name = ContainerName::new(database, container);
        control::throttle(&self.gateway, &name, request_units_per_second)
    }

    /// Expires the selected items that have a time to live now, and returns their number.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`], [`ControlError::NoItem`] if the scope has an id, [`ControlError::Invalid`] for the
    /// partition key, [`ControlError::Busy`] during a split or merge.
    pub async fn expire_now(&self, database: &str, container: &str, scope: ItemScope) -> Result<usize, ControlError> {
        control::expire_now(&self.gateway, &ContainerName::new(database, container), scope)
    }

    /// Sets how many seconds the endpoint's clock is ahead of this machine's; a negative number is behind. Items get their `_ts` and
    /// expire by that clock, and it is the `Date` of replies.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for more than a hundred years.
    pub fn set_clock(&self, offset_seconds: i64) -> Result<(), ControlError> {
        control::set_clock(&self.gateway, offset_seconds)
    }

    /// Sets whether the container's AllVersionsAndDeletes mode includes the replaced or deleted item from now on.
    ///
    /// # Errors
    /// [`ControlError::NoContainer`].
    pub async fn keep_previous_images(
        &self,
        database: &str,
        container: &str,
        enabled: bool,
    ) -> Result<(), ControlError> {
        control::keep_previous_images(&self.gateway, &ContainerName::new(database, container), enabled)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.gateway.faults.clear();
    }

    /// Closes the ports and ends all connections.
    pub async fn stop(self) {
        if let Some(control) = &self.control {
            control.server.stop(false).await;
        }
        if let Some(server) = &self.server {
            server.stop(false).await;
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Calling it queues the command; awaiting it is not necessary.
        drop(self.server.as_ref().map(|server| server.stop(false)));
        drop(self.control.as_ref().map(|control| control.server.stop(false)));
    }
}

fn listen(port: u16) -> Result<(TcpListener, Url), StartError> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|source| StartError::Port { port, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Port { port, source })?;
    let url = Url::parse(&format!("http://{address}/")).map_err(|error| StartError::Other(error.to_string()))?;
    Ok((listener, url))
}

async fn answer(gateway: Data<Gateway>, request: HttpRequest, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    if let Err(refused) = loopback::check(&request) {
        return Reply::error(403, "Forbidden", refused.to_string()).into_http();
    }
    let body = match body {
        Ok(body) => body,
        Err(error) if error.as_response_error().status_code().as_u16() == 413 => {
            return Reply::error(413, "RequestEntityTooLarge", "Request size is too large").into_http();
        }
        Err(error) => return Reply::error(400, "BadRequest", error.to_string()).into_http(),
    };
    let mut incoming = Incoming::new(request.method().clone(), request.path());
    incoming.host = request.connection_info().host().to_owned();
    incoming.body = body.to_vec();
    for (name, value) in request.headers() {
        incoming.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    // A query can compute for seconds. It runs on another thread, so that the connection answers other requests and pings meanwhile.
    let runtime = Handle::current();
    match web::block(move || runtime.block_on(gateway.answer(incoming))).await {
        Ok(reply) => reply.into_http(),
        Err(error) => Reply::error(503, "ServiceUnavailable", error.to_string()).into_http(),
    }
}
