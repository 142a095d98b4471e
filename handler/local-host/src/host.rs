//! The host, from start to stop: the app's files, the handler process, the HTTP port and the triggers.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use changefeed_processor::Change;
use futures::future::join_all;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::{FunctionApp, Settings, Trigger};
use crate::cosmos_deliverer::CosmosDeliverer;
use crate::cosmos_listener::CosmosListener;
use crate::error::{HostError, HostFailure};
use crate::handler::{Handler, HandlerCommand, HandlerSettings, OutputReader};
use crate::http::{Envelope, Gateway, HostKeys, HttpServer, Routes};
use crate::invocation::{Deliverer, Delivery, Invoker};
use crate::options::HostOptions;
use crate::timer::{StatusStore, Timer};

/// Starts hosts.
#[derive(Debug)]
pub struct Host;

/// A running host. Dropping it has the effect of [`RunningHost::stop`], without waiting.
pub struct RunningHost {
    address: SocketAddr,
    route_prefix: String,
    keys: Option<HostKeys>,
    handler: Handler,
    deliverers: BTreeMap<String, CosmosDeliverer>,
    listeners: Vec<CosmosListener>,
    timers: Vec<Timer>,
    stop_triggers: CancellationToken,
    server: HttpServer,
    _on_drop: [DropGuard; 2],
}

impl std::fmt::Debug for RunningHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RunningHost").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Host {
    /// Reads the app's files, starts the handler, listens on the port, and starts the triggers. Does not wait for the
    /// handler to become ready, nor for containers to exist.
    ///
    /// # Errors
    /// When a file is missing or invalid, a connection setting is unusable, the port is in use, or the handler's
    /// executable cannot be started.
    pub async fn start(options: HostOptions) -> Result<RunningHost, HostError> {
        let root = &options.script_root;
        let script_root = root.canonicalize().map_err(|source| HostError::Unreadable { file: root.clone(), source })?;
        let settings = Settings::new(options.settings.clone());
        let app = FunctionApp::read(&script_root, &settings)?;
        let routes = Routes::from_app(&app).map_err(|route| HostError::Configuration {
            file: script_root.join(&route.function).join("function.json"),
            field: "route".to_owned(),
            found: Value::from(route.route).to_string(),
            allowed: route.allowed.to_owned(),
        })?;
        let listener = listen(options.port)?;
        let handler_port = handler_port(app.host.handler_port)?;
        let command = HandlerCommand::new(&options, &app.host.description, &script_root, &settings, handler_port)?;
        let handler = Handler::start(HandlerSettings {
            command,
            output: OutputReader {
                destination: options.handler_output.clone(),
                stderr_for_errors_only: app.host.description.stderr_for_errors_only,
            },
            port: handler_port,
            initialization_timeout: app.host.initialization_timeout,
            restart_limit: options.restart_limit,
        })?;
        let stop_triggers = CancellationToken::new();
        let handler_guard = handler.stop_token().drop_guard();

        let timeout = options.function_timeout.or(app.host.function_timeout);
        let keys = options.require_keys.then(HostKeys::random);
        let invoker = Arc::new(Invoker::new(handler.clone(), options.framing, timeout));
        let as_json = || Envelope { invoker: Arc::clone(&invoker), zone: options.time_zone };
        let envelope = (!app.host.proxies_http).then(as_json);
        let gateway = Gateway::new(routes, keys.clone(), handler.clone(), timeout, &settings, envelope);
        let server =
            HttpServer::start(listener, gateway).map_err(|source| HostError::Listen { port: options.port, source })?;

        let route_prefix = app.host.route_prefix.clone();
        let (deliverers, listeners, timers) = start_triggers(app, &invoker, &stop_triggers, &options);
        let dropped = CancellationToken::new();
        tokio::spawn(shut_down_on_failure_or_drop(
            handler.clone(),
            stop_triggers.clone(),
            server.handle(),
            dropped.clone(),
        ));
        Ok(RunningHost {
            address: server.address(),
            route_prefix,
            keys,
            _on_drop: [dropped.drop_guard(), handler_guard],
            handler,
            deliverers,
            listeners,
            timers,
            stop_triggers,
            server,
        })
    }
}

impl RunningHost {
    /// The address that serves the functions.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that serves the functions.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of the functions, with the route prefix and without a trailing slash: `http://127.0.0.1:7071/api`.
    pub fn api_url(&self) -> String {
        let prefix = if self.route_prefix.is_empty() { String::new() } else { format!("/{}", self.route_prefix) };
        format!("http://{}{prefix}", self.address)
    }

    /// The host key, which opens functions of authorization level `function`, if functions require one.
    pub fn function_key(&self) -> Option<&str> {
        self.keys.as_ref().map(|keys| keys.host.as_str())
    }

    /// The master key, which opens functions of authorization level `admin` too, if functions require one.
    pub fn master_key(&self) -> Option<&str> {
        self.keys.as_ref().map(|keys| keys.master.as_str())
    }

    /// The process id of the handler; `None` during a restart and after the handler has ended for good.
    pub fn handler_pid(&self) -> Option<u32> {
        self.handler.pid()
    }

    /// Waits until the handler accepts requests, as an invocation does.
    ///
    /// # Errors
    /// When the host has shut itself down. A wait that exceeds the limit of an invocation shuts it down too.
    pub async fn wait_until_handler_ready(&self) -> Result<(), HostFailure> {
        self.handler.ready().await
    }

    /// Waits until the handler accepts requests and every Cosmos DB trigger reads its container. Every change made after
    /// that is delivered. Waits for containers that do not exist yet.
    ///
    /// # Errors
    /// When the host has shut itself down.
    pub async fn wait_until_ready(&self) -> Result<(), HostFailure> {
        self.handler.ready().await?;
        tokio::select! {
            _ = join_all(self.listeners.iter().map(CosmosListener::listening)) => Ok(()),
            failure = self.handler.failed() => Err(failure),
        }
    }

    /// Waits until the host has shut itself down, because the handler failed too often or did not become ready.
    pub async fn failed(&self) -> HostFailure {
        self.handler.failed().await
    }

    /// Delivers a batch to a function as its Cosmos DB trigger does, with retries. Needs no container.
    ///
    /// # Errors
    /// When no function of this name has a Cosmos DB trigger.
    pub async fn deliver(&self, function: &str, changes: &[Change]) -> Result<Delivery, HostError> {
        let deliverer = self.deliverers.get(function).ok_or_else(|| HostError::UnknownFunction(function.to_owned()))?;
        Ok(deliverer.deliver("0", changes).await)
    }

    /// Stops the triggers, waits for their calls in progress without checkpointing them, kills the handler, and closes the port.
    pub async fn stop(self) {
        self.stop_triggers.cancel();
        join_all(self.listeners.into_iter().map(CosmosListener::stopped)).await;
        join_all(self.timers.into_iter().map(Timer::stopped)).await;
        self.handler.stop().await;
        self.server.stop().await;
    }
}

/// Listens on a loopback port; 0 is any free one.
fn listen(port: u16) -> Result<TcpListener, HostError> {
    TcpListener::bind(("127.0.0.1", port)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => HostError::PortInUse { port },
        _ => HostError::Listen { port, source },
    })
}

/// The port for the handler to listen on: the configured one, which must be free, or any free one.
fn handler_port(configured: Option<u16>) -> Result<u16, HostError> {
    let port = configured.unwrap_or(0);
    let address = listen(port)?.local_addr().map_err(|source| HostError::Listen { port, source })?;
    Ok(address.port())
}

fn start_triggers(
    app: FunctionApp,
    invoker: &Arc<Invoker>,
    stop: &CancellationToken,
    options: &HostOptions,
) -> (BTreeMap<String, CosmosDeliverer>, Vec<CosmosListener>, Vec<Timer>) {
    let (mut deliverers, mut listeners, mut timers) = (BTreeMap::new(), Vec::new(), Vec::new());
    let zone = options.time_zone;
    for function in app.functions {
        let deliverer = |binding: &str| Deliverer {
            invoker: Arc::clone(invoker),
            function: function.name.clone(),
            binding: binding.to_owned(),
            retry: function.retry.or(app.host.retry),
            stop: stop.clone(),
            shutdown_timeout: options.shutdown_timeout,
        };
        match function.trigger {
            Trigger::Cosmos(trigger) => {
                let deliverer = CosmosDeliverer { deliverer: deliverer(&trigger.name), mode: trigger.mode, zone };
                listeners.push(CosmosListener::start(*trigger, deliverer.clone()));
                deliverers.insert(function.name, deliverer);
            }
            Trigger::Timer(trigger) => {
                let deliverer = deliverer(&trigger.name);
                let status = StatusStore::new(options.timer_status_folder.as_deref(), &function.name);
                timers.push(Timer::start(trigger, deliverer, zone, status));
            }
            Trigger::Http(_) => {}
        }
    }
    (deliverers, listeners, timers)
}

async fn shut_down_on_failure_or_drop(
    handler: Handler,
    stop_triggers: CancellationToken,
    server: ServerHandle,
    dropped: CancellationToken,
) {
    tokio::select! {
        _ = handler.failed() => {}
        () = dropped.cancelled() => {}
    }
    stop_triggers.cancel();
    server.stop(false).await;
}
