//! `changefeed process` as somebody runs it: any number of instances, stopped, held up and killed by signals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::{DEADLINE, signal, until};

/// A running instance; killed when dropped.
pub struct Instance {
    child: Child,
    printed: Arc<Mutex<Vec<Value>>>,
    pub ready: Value,
}

/// An instance that could not start: what it said, and how it ended.
#[derive(Debug)]
pub struct NotStarted {
    pub stderr: String,
    pub status: ExitStatus,
}

impl Instance {
    /// Starts an instance with short intervals on the account of this connection string.
    pub fn start(connection_string: &str, arguments: &[&str]) -> Result<Self, NotStarted> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_changefeed"));
        command
            .args(["process", "--print", "--poll-delay-ms", "20", "--lease-acquire-interval-ms", "100"])
            .args(["--lease-renew-interval-ms", "200", "--lease-expiration-interval-ms", "1000"])
            .args(arguments)
            .env("CosmosDB", connection_string)
            .env("COSMOS_DISABLE_IMDS", "1")
            .env("RUST_LOG", "warn,azure_data_cosmos_driver=error")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("changefeed process");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let Some(first) = lines.next() else {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut said).expect("stderr");
            return Err(NotStarted { stderr: said, status: child.wait().expect("status") });
        };
        std::thread::spawn(move || stderr.lines().for_each(drop));
        let ready = serde_json::from_str(&first.expect("line")).expect("a JSON line");
        let printed = Arc::<Mutex<Vec<Value>>>::default();
        let lines_printed = Arc::clone(&printed);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                lines_printed.lock().expect("printed").push(serde_json::from_str(&line).expect("a JSON line"));
            }
        });
        Ok(Self { child, printed, ready })
    }

    /// What it printed so far.
    pub fn printed(&self) -> Vec<Value> {
        self.printed.lock().expect("printed").clone()
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Sends the signal and waits for the end.
    pub async fn end(mut self, by: &str) -> ExitStatus {
        self.signal(by);
        let ended = Mutex::new(None);
        let child = Mutex::new(&mut self.child);
        until("the end of the instance", DEADLINE, async || {
            let status = child.lock().expect("child").try_wait().expect("wait");
            *ended.lock().expect("status") = status;
            status.is_some()
        })
        .await;
        ended.into_inner().expect("status").expect("ended")
    }

    /// `GET` of its health server.
    pub async fn health(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.ready["health"].as_str().expect("health"));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().expect("client");
        let response = client.get(url).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
