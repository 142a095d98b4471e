//! A host for a test: an app in its own folder, the running host, and the test's side of the scripted handler.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local_host::{Host, HostError, HostOptions, RunningHost};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::scripted_handler;

const DEADLINE: Duration = Duration::from_secs(180);
/// How long a host waits for calls in progress when it stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

/// Panics if the wait takes too long.
pub async fn with_deadline<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, wait).await.expect("the wait ends before the deadline")
}

/// The files of an app.
pub struct App(pub TempDir);

impl App {
    /// An app whose host.json has these additional properties.
    pub fn new(properties: Value) -> Self {
        let app = Self(tempfile::tempdir().expect("a folder"));
        let mut host_json = json!({"version": "2.0", "customHandler": {"enableProxyingHttpRequest": true,
            "description": {"defaultExecutablePath": "handler"}}});
        merge(&mut host_json, properties);
        app.write("host.json", &host_json);
        app
    }

    /// A function with a trigger on `dev/events` that polls often.
    pub fn with_cosmos(self, function: &str, retry: Value) -> Self {
        self.with_trigger(function, json!({}), retry)
    }

    pub fn with_trigger(self, function: &str, more: Value, retry: Value) -> Self {
        let mut binding = json!({"type": "cosmosDBTrigger", "direction": "in", "name": "documents",
            "databaseName": "dev", "containerName": "events", "feedPollDelay": 20, "leaseAcquireInterval": 100});
        merge(&mut binding, more);
        self.with_function(function, json!({"bindings": [binding], "retry": retry}))
    }

    pub fn with_http(self, function: &str, mut trigger: Value) -> Self {
        merge(&mut trigger, json!({"type": "httpTrigger", "direction": "in", "name": "req"}));
        let output = json!({"type": "http", "direction": "out", "name": "$return"});
        self.with_function(function, json!({"bindings": [trigger, output]}))
    }

    pub fn with_function(self, function: &str, content: Value) -> Self {
        std::fs::create_dir(self.root().join(function)).expect("a folder");
        self.write(&format!("{function}/function.json"), &content);
        self
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, content: &Value) {
        std::fs::write(self.root().join(file), content.to_string()).expect("a file");
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A running host with a scripted handler.
pub struct TestHost {
    pub running: RunningHost,
    pub app: App,
    processes: AsyncMutex<mpsc::UnboundedReceiver<Process>>,
    calls: AsyncMutex<mpsc::UnboundedReceiver<Call>>,
    probes: AsyncMutex<mpsc::UnboundedReceiver<Vec<String>>>,
}

/// The test's side of the scripted handler, before the host starts.
pub struct TestHostSetup {
    pub options: HostOptions,
    processes: mpsc::UnboundedReceiver<Process>,
    calls: mpsc::UnboundedReceiver<Call>,
    probes: mpsc::UnboundedReceiver<Vec<String>>,
}

/// Where a connection of the handler reports its requests.
#[derive(Clone)]
struct Reports {
    calls: mpsc::UnboundedSender<Call>,
    probes: mpsc::UnboundedSender<Vec<String>>,
}

impl TestHostSetup {
    /// Every handler process receives one of `first_commands` when it reports, `listen` when none are left, and nothing
    /// for an empty one.
    pub async fn new(app: &App, first_commands: &[&str]) -> Self {
        let first_commands: VecDeque<String> = first_commands.iter().map(|&command| command.to_owned()).collect();
        let (control, relay) = (listener().await, listener().await);
        let variables = [(scripted_handler::CONTROL_VARIABLE, &control), (scripted_handler::RELAY_VARIABLE, &relay)];
        let mut settings: BTreeMap<String, String> =
            variables.map(|(name, listener)| (name.to_owned(), port(listener).to_string())).into();
        // Nothing listens on that port, so triggers keep retrying.
        settings.insert("CosmosDB".to_owned(), "AccountEndpoint=http://127.0.0.1:9/;AccountKey=a2V5;".to_owned());

        let (process, processes) = mpsc::unbounded_channel();
        tokio::spawn(accept_reports(control, Arc::new(Mutex::new(first_commands)), process));
        let (call, calls) = mpsc::unbounded_channel();
        let (probe, probes) = mpsc::unbounded_channel();
        let reports = Reports { calls: call, probes: probe };
        tokio::spawn(async move {
            while let Ok((connection, _)) = relay.accept().await {
                tokio::spawn(serve(BufReader::new(connection), reports.clone()));
            }
        });
        let options = HostOptions {
            script_root: app.root().to_owned(),
            port: 0,
            settings,
            executable: Some(std::env::current_exe().expect("this executable")),
            arguments: Some(scripted_handler::ARGUMENTS.map(str::to_owned).into()),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            ..HostOptions::default()
        };
        Self { options, processes, calls, probes }
    }

    pub async fn start(self, app: App) -> Result<TestHost, HostError> {
        let running = Host::start(self.options).await?;
        Ok(TestHost {
            running,
            app,
            processes: AsyncMutex::new(self.processes),
            calls: AsyncMutex::new(self.calls),
            probes: AsyncMutex::new(self.probes),
        })
    }
}

impl TestHost {
    pub async fn start(app: App) -> Self {
        Self::start_with(app, &[], |_| ()).await
    }

    pub async fn start_with(app: App, first_commands: &[&str], change: impl FnOnce(&mut HostOptions)) -> Self {
        let mut setup = TestHostSetup::new(&app, first_commands).await;
        change(&mut setup.options);
        setup.start(app).await.expect("a host")
    }

    /// The next handler process that was started.
    pub async fn process(&self) -> Process {
        with_deadline(async { self.processes.lock().await.recv().await }).await.expect("a process")
    }

    /// The next request to the handler, except readiness probes.
    pub async fn call(&self) -> Call {
        with_deadline(async { self.calls.lock().await.recv().await }).await.expect("a call")
    }

    /// The lines of the next readiness probe.
    pub async fn probe(&self) -> Vec<String> {
        with_deadline(async { self.probes.lock().await.recv().await }).await.expect("a probe")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }
}

/// A handler process.
pub struct Process {
    pub report: Value,
    control: BufReader<TcpStream>,
}

impl Process {
    pub async fn command(&mut self, command: &str) {
        self.control.write_all(format!("{command}\n").as_bytes()).await.expect("a process that listens");
    }

    /// Waits until the process has ended.
    pub async fn ended(mut self) {
        let mut rest = Vec::new();
        // A killed process may reset its connection.
        drop(with_deadline(self.control.read_to_end(&mut rest)).await);
    }

    pub fn pid(&self) -> u64 {
        self.report["pid"].as_u64().expect("a number")
    }

    pub fn variable(&self, name: &str) -> &str {
        self.report["environment"][name].as_str().unwrap_or_default()
    }
}

/// A request to the handler, which the test answers.
pub struct Call {
    pub method: String,
    /// With the query.
    pub path: String,
    /// The lines as they arrived.
    pub head: Vec<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    connection: BufReader<TcpStream>,
    body_is_read: bool,
    reports: Reports,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The whole body.
    pub async fn body(&mut self) -> Vec<u8> {
        self.body_is_read = true;
        if self.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
            return body;
        }
        let length = self.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        with_deadline(self.connection.read_exact(&mut body)).await.expect("the whole body");
        body
    }

    /// Reads the body, so that another request can follow.
    pub async fn body_unless_read(&mut self) {
        if !self.body_is_read {
            self.body().await;
        }
    }

    /// The next chunk of a chunked body.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = line(&mut self.connection).await.expect("a chunk's size");
        let size = usize::from_str_radix(&size, 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        with_deadline(self.connection.read_exact(&mut chunk)).await.expect("a whole chunk");
        chunk.truncate(size);
        self.body_is_read |= size == 0;
        (size > 0).then_some(chunk)
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_slice(&self.body().await).expect("JSON")
    }

    /// The response of a function that succeeded.
    pub async fn succeed(self) {
        self.answer("200 OK", &["Content-Type: application/json"], "{}").await;
    }

    pub async fn answer(mut self, status: &str, headers: &[&str], body: &str) {
        self.body_unless_read().await;
        let length = format!("Content-Length: {}", body.len());
        let headers = [headers, &[&length]].concat();
        self.head(status, &headers).await;
        self.send(body).await;
        self.done();
    }

    /// Sends the head of a response; the test sends the body itself.
    pub async fn head(&mut self, status: &str, headers: &[&str]) {
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send(&format!("HTTP/1.1 {status}\r\n{lines}\r\n")).await;
    }

    pub async fn send(&mut self, text: &str) {
        self.connection.write_all(text.as_bytes()).await.expect("a host that listens");
    }

    /// Sends the same text until the connection breaks.
    pub async fn send_until_abandoned(mut self, text: &str) {
        with_deadline(async { while self.connection.write_all(text.as_bytes()).await.is_ok() {} }).await;
    }

    /// Lets the connection serve its next request.
    pub fn done(self) {
        tokio::spawn(serve(self.connection, self.reports));
    }

    /// Waits until the host has closed the connection.
    pub async fn abandoned(mut self) {
        let mut rest = Vec::new();
        drop(with_deadline(self.connection.read_to_end(&mut rest)).await);
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

async fn accept_reports(
    control: TcpListener,
    first_commands: Arc<Mutex<VecDeque<String>>>,
    processes: mpsc::UnboundedSender<Process>,
) {
    while let Ok((connection, _)) = control.accept().await {
        let mut control = BufReader::new(connection);
        // A process may be killed before it reports.
        let Ok(report) = line(&mut control).await else { continue };
        let report = serde_json::from_str(&report).expect("a report");
        let mut process = Process { report, control };
        let command = first_commands.lock().expect("unpoisoned").pop_front().unwrap_or_else(|| "listen".to_owned());
        if !command.is_empty() {
            process.command(&command).await;
        }
        if processes.send(process).is_err() {
            return;
        }
    }
}

/// Answers readiness probes on a connection until another request arrives, which is passed to the test.
async fn serve(mut connection: BufReader<TcpStream>, reports: Reports) {
    while let Ok(request_line) = line(&mut connection).await {
        let mut parts = request_line.split(' ');
        let (method, path) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        let mut head = vec![request_line];
        let mut headers = Vec::new();
        while let Ok(header) = line(&mut connection).await
            && let Some((name, value)) = header.split_once(':')
        {
            headers.push((name.to_lowercase(), value.trim().to_owned()));
            head.push(header);
        }
        if (method.as_str(), path.as_str()) == ("GET", "/") {
            // Fails if the test is over.
            drop(reports.probes.send(head));
            let answer = connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
            if answer.is_err() {
                return;
            }
            continue;
        }
        let call = Call { method, path, head, headers, connection, body_is_read: false, reports: reports.clone() };
        // Fails if the test is over.
        drop(reports.calls.send(call));
        return;
    }
}

async fn line(connection: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    match connection.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
