//! `changefeed serve`, started and called as the Functions host does.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::contract;

/// A running handler, which is killed when dropped.
pub struct Handler {
    child: Child,
    url: String,
    logged: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
    client: reqwest::Client,
}

impl Handler {
    /// Starts the handler with these settings, on a free port.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = super::executable();
        command
            .args(["serve", "--port", "0"])
            .stdout(Stdio::piped())
            .env("RUST_LOG", "info,azure_data_cosmos_driver=warn");
        command.envs(settings.iter().copied());
        let mut child = command.spawn().expect("changefeed serve");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let logged = Arc::<Mutex<String>>::default();
        let log = Arc::clone(&logged);
        let add = move |line: &str| *log.lock().expect("log") += &format!("{line}\n");
        let url = loop {
            let line = lines.next().expect("the handler exited before it listened").expect("line");
            add(&line);
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.to_owned();
            }
        };
        let reading = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| add(&line)));
        Self {
            child,
            url,
            logged,
            reading: Some(reading),
            client: reqwest::Client::builder().no_proxy().build().expect("client"),
        }
    }

    /// The log so far.
    pub fn logged(&self) -> String {
        self.logged.lock().expect("log").clone()
    }

    /// Sends SIGTERM and waits for the exit. Returns the log, too.
    pub async fn end(mut self) -> (ExitStatus, String) {
        let status = super::process::end(&mut self.child, "-TERM").await;
        self.reading.take().expect("a thread").join().expect("the whole log");
        (status, self.logged())
    }

    /// Sends a request; returns the status and the JSON body, or the text if the body is not JSON.
    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> (StatusCode, Value) {
        let request = self.client.request(method.clone(), format!("{}{path}", self.url));
        let request = request.header("content-type", content_type).body(body);
        let (status, text) = checked(method, path, request.send().await.expect("an answer")).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Sends a request with a JSON body; returns the response with its headers.
    pub async fn respond(&self, method: reqwest::Method, path: &str, body: &str) -> reqwest::Response {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.header("content-type", "application/json").body(body.to_owned()).send().await.expect("an answer")
    }

    /// Sends a request without a body as the Functions host does, with the id of an invocation.
    pub async fn send_as_host(&self, method: reqwest::Method, path: &str, invocation: &str) -> (StatusCode, Value) {
        let request = self.client.request(method.clone(), format!("{}{path}", self.url));
        let request = request.header("X-Azure-Functions-InvocationId", invocation);
        let (status, text) = checked(method, path, request.send().await.expect("an answer")).await;
        (status, serde_json::from_str(&text).expect("a JSON answer"))
    }

    /// The address that it listens on: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(reqwest::Method::GET, path, "", "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(reqwest::Method::POST, path, "application/json", body.to_string()).await
    }

    /// Delivers a batch as the host does: encoded three times, with the invocation id, chunked or with a content length.
    pub async fn invoke(&self, documents: &str, chunked: bool) -> (StatusCode, Value) {
        self.invoke_function("CosmosChangeFeed", documents, chunked).await
    }

    /// Delivers a batch to a function that a change feed triggers.
    pub async fn invoke_function(&self, function: &str, documents: &str, chunked: bool) -> (StatusCode, Value) {
        let encoded = Value::String(documents.to_owned()).to_string();
        let body = json!({"Data": {"documents": encoded}, "Metadata": {"sys": {"MethodName": function}}}).to_string();
        let request = self
            .client
            .post(format!("{}/{function}", self.url))
            .header("content-type", "application/json; charset=utf-8")
            .header("x-azure-functions-invocationid", "3b1a5a3e-0000-4000-8000-000000000001");
        let request = if chunked {
            let chunks: Vec<Result<Vec<u8>, io::Error>> =
                body.as_bytes().chunks(1000).map(|chunk| Ok(chunk.to_vec())).collect();
            request.body(reqwest::Body::wrap_stream(futures::stream::iter(chunks)))
        } else {
            request.body(body)
        };
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("a JSON answer"))
    }

    /// A figure of the handler's memory in bytes, such as `VmRSS`, as Linux reports it.
    #[cfg(target_os = "linux")]
    pub fn memory(&self, figure: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).expect("the figure");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Delivers a batch until it is accepted, as the host's retry policy does.
    pub async fn invoke_until_accepted(&self, documents: &str) -> Value {
        loop {
            let (status, answer) = self.invoke(documents, false).await;
            match status {
                StatusCode::OK => return answer,
                StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("{other}: {answer}"),
            }
        }
    }
}

/// The status and the body of an answer, which is as it is documented.
async fn checked(method: reqwest::Method, path: &str, response: reqwest::Response) -> (StatusCode, String) {
    let status = response.status();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = response.text().await.expect("body");
    contract::check(&method, path, status, &content_type.unwrap_or_default(), &text);
    (status, text)
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
