//! The host: the app, its handler, its triggers and its port, from start to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use futures::future::join_all;
use rand::distr::{Alphanumeric, SampleString};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::{FunctionApp, Settings, Trigger};
use crate::error::{HostError, HostFailure};
use crate::handler::{Handler, HandlerCommand, HandlerSettings, OutputReader};
use crate::http::{Gateway, HttpServer, Routes};
use crate::invocation::{Deliverer, Delivery, Invoker};
use crate::options::HostOptions;
use crate::port;
use crate::timer::Timer;
use crate::trigger::Listener;

/// How long a proxied connection may be silent.
const ACTIVITY_TIMEOUT: Duration = Duration::from_secs(240);
const MOST_REDIRECTS: usize = 50;
const KEY_LENGTH: usize = 56;

/// Starts hosts.
#[derive(Debug)]
pub struct Host;

/// A running host. Dropping it does what [`RunningHost::stop`] does, without waiting.
pub struct RunningHost {
    address: SocketAddr,
    route_prefix: String,
    key: Option<String>,
    handler: Handler,
    deliverers: BTreeMap<String, Deliverer>,
    listeners: Vec<Listener>,
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
    /// Reads the app's files, starts the handler, listens on the port, and starts the triggers. The handler need not be
    /// ready yet, nor any container exist.
    ///
    /// # Errors
    /// When a file is missing or wrong, a connection is not usable, the port is taken, or the handler's executable
    /// cannot be started.
    pub async fn start(options: HostOptions) -> Result<RunningHost, HostError> {
        let root = &options.script_root;
        let script_root = root.canonicalize().map_err(|source| HostError::Unreadable { file: root.clone(), source })?;
        let settings = Settings::new(options.settings.clone());
        let app = FunctionApp::read(&script_root, &settings)?;
        let routes = Routes::of(&app).map_err(|route| HostError::Configuration {
            file: script_root.join(&route.function).join("function.json"),
            field: "route".to_owned(),
            found: Value::from(route.route).to_string(),
            allowed: route.problem.to_owned(),
        })?;
        let listener = port::listen(options.port)?;
        let handler_port = port::free(app.host.handler_port)?;
        let command = HandlerCommand::new(&options, &app.host.description, &script_root, &settings, handler_port)?;
        let client = client(reqwest::redirect::Policy::limited(MOST_REDIRECTS)).build()?;
        let handler = Handler::start(HandlerSettings {
            command,
            output: OutputReader {
                destination: options.handler_output.clone(),
                stderr_for_errors_only: app.host.description.stderr_for_errors_only,
            },
            port: handler_port,
            initialization_timeout: app.host.initialization_timeout,
            restart_limit: options.restart_limit,
            client: client.clone(),
        })?;
        let stop_triggers = CancellationToken::new();
        let handler_guard = handler.stop_token().drop_guard();

        let timeout = options.function_timeout.or(app.host.function_timeout);
        let key = options.require_keys.then(|| Alphanumeric.sample_string(&mut rand::rng(), KEY_LENGTH));
        let proxy = self::client(reqwest::redirect::Policy::none()).read_timeout(ACTIVITY_TIMEOUT).build()?;
        let gateway = Gateway::new(routes, key.clone(), handler.clone(), proxy, timeout, &settings);
        let server =
            HttpServer::start(listener, gateway).map_err(|source| HostError::Listen { port: options.port, source })?;

        let route_prefix = app.host.route_prefix.clone();
        let invoker = Arc::new(Invoker::new(handler.clone(), client, options.framing, timeout));
        let (deliverers, listeners, timers) = triggers(app, &invoker, &stop_triggers);
        let dropped = CancellationToken::new();
        tokio::spawn(shut_down(handler.clone(), stop_triggers.clone(), server.handle(), dropped.clone()));
        Ok(RunningHost {
            address: server.address(),
            route_prefix,
            key,
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
    /// The address that functions are served on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that functions are served on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address of the functions, with the route prefix and without a slash at the end: `http://127.0.0.1:7071/api`.
    pub fn api_url(&self) -> String {
        let prefix = if self.route_prefix.is_empty() { String::new() } else { format!("/{}", self.route_prefix) };
        format!("http://{}{prefix}", self.address)
    }

    /// The host key, when functions are called with one.
    pub fn function_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The process id of the handler; `None` while it is being started again, and when it is gone for good.
    pub fn handler_pid(&self) -> Option<u32> {
        self.handler.pid()
    }

    /// Waits until the handler takes requests, as an invocation does.
    ///
    /// # Errors
    /// When the host shut itself down, also because this wait took too long.
    pub async fn wait_until_handler_ready(&self) -> Result<(), HostFailure> {
        self.handler.ready().await
    }

    /// Waits until the handler takes requests and every trigger reads its container: from then on no change is missed.
    /// A trigger whose container does not exist is waited for.
    ///
    /// # Errors
    /// When the host shut itself down.
    pub async fn wait_until_ready(&self) -> Result<(), HostFailure> {
        self.handler.ready().await?;
        tokio::select! {
            _ = join_all(self.listeners.iter().map(Listener::listening)) => Ok(()),
            failure = self.handler.failed() => Err(failure),
        }
    }

    /// Waits until the host has shut itself down, because the handler ended too often or did not get ready.
    pub async fn failed(&self) -> HostFailure {
        self.handler.failed().await
    }

    /// Delivers a batch to a function as its Cosmos DB trigger would, retries included, without any container.
    ///
    /// # Errors
    /// When there is no function of that name with a Cosmos DB trigger.
    pub async fn deliver(&self, function: &str, documents: &[Value]) -> Result<Delivery, HostError> {
        let deliverer = self.deliverers.get(function).ok_or_else(|| HostError::UnknownFunction(function.to_owned()))?;
        Ok(deliverer.deliver("0", documents).await)
    }

    /// Stops the triggers, whose batches in flight are not checkpointed, kills the handler, and closes the port.
    pub async fn stop(self) {
        self.stop_triggers.cancel();
        join_all(self.listeners.into_iter().map(Listener::stopped)).await;
        join_all(self.timers.into_iter().map(Timer::stopped)).await;
        self.handler.stop().await;
        self.server.stop().await;
    }
}

fn client(redirects: reqwest::redirect::Policy) -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().redirect(redirects)
}

fn triggers(
    app: FunctionApp,
    invoker: &Arc<Invoker>,
    stop: &CancellationToken,
) -> (BTreeMap<String, Deliverer>, Vec<Listener>, Vec<Timer>) {
    let (mut deliverers, mut listeners, mut timers) = (BTreeMap::new(), Vec::new(), Vec::new());
    for function in app.functions {
        let deliverer = |binding: &str| Deliverer {
            invoker: Arc::clone(invoker),
            function: function.name.clone(),
            binding: binding.to_owned(),
            retry: function.retry.or(app.host.retry),
            stop: stop.clone(),
        };
        match function.trigger {
            Trigger::Cosmos(trigger) => {
                let deliverer = deliverer(&trigger.name);
                listeners.push(Listener::start(*trigger, deliverer.clone()));
                deliverers.insert(function.name, deliverer);
            }
            Trigger::Timer(trigger) => {
                let deliverer = deliverer(&trigger.name);
                timers.push(Timer::start(trigger, deliverer));
            }
            Trigger::Http(_) => {}
        }
    }
    (deliverers, listeners, timers)
}

/// Does so when the handler has failed for good, or the host is dropped.
async fn shut_down(
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
