//! Instances of `changefeed process`, which signals stop, suspend and kill.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::{DEADLINE, signal, until};

/// A running instance, which is killed when dropped.
pub struct Instance {
    child: Child,
    printed: Arc<Mutex<Vec<Value>>>,
    logged: Arc<Mutex<String>>,
    pub ready: Value,
}

/// An instance that may not be ready yet, which is killed when dropped.
pub struct Starting(Child);

/// An instance that could not start: its error output and exit status.
#[derive(Debug)]
pub struct NotStarted {
    pub stderr: String,
    pub status: ExitStatus,
}

impl Instance {
    /// Starts an instance with short intervals and waits for its ready line.
    pub fn start(connection_string: &str, arguments: &[&str]) -> Result<Self, NotStarted> {
        Self::start_with(connection_string, arguments, &[])
    }

    /// The same with these environment variables.
    pub fn start_with(
        connection_string: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, NotStarted> {
        let mut command = command(connection_string, arguments);
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("changefeed process");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let logged = Arc::<Mutex<String>>::default();
        let log = Arc::clone(&logged);
        let logging = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *log.lock().expect("log") += &(line + "\n");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let printed = Arc::<Mutex<Vec<Value>>>::default();
        let mut parsed =
            lines.by_ref().map_while(Result::ok).map(|line| serde_json::from_str(&line).expect("a JSON line"));
        // Changes may be printed before the ready line.
        let ready = parsed.by_ref().find(|line: &Value| {
            let is_ready = line["event"] == "ready";
            if !is_ready {
                printed.lock().expect("printed").push(line.clone());
            }
            is_ready
        });
        let Some(ready) = ready else {
            logging.join().expect("stderr");
            let stderr = logged.lock().expect("log").clone();
            return Err(NotStarted { stderr, status: child.wait().expect("status") });
        };
        let lines_printed = Arc::clone(&printed);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                lines_printed.lock().expect("printed").push(serde_json::from_str(&line).expect("a JSON line"));
            }
        });
        Ok(Self { child, printed, logged, ready })
    }

    /// The log so far.
    pub fn logged(&self) -> String {
        self.logged.lock().expect("log").clone()
    }

    /// The lines printed so far.
    pub fn printed(&self) -> Vec<Value> {
        self.printed.lock().expect("printed").clone()
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Sends the signal and waits for the exit.
    pub async fn end(mut self, by: &str) -> ExitStatus {
        end(&mut self.child, by).await
    }

    /// Sends a `GET` request to the health server.
    pub async fn health(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.ready["health"].as_str().expect("health"));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().expect("client");
        let response = client.get(url).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }
}

impl Starting {
    pub fn new(connection_string: &str, arguments: &[&str]) -> Self {
        Self(command(connection_string, arguments).stdout(Stdio::null()).spawn().expect("changefeed process"))
    }

    /// Sends the signal and waits for the exit.
    pub async fn end(mut self, by: &str) -> ExitStatus {
        end(&mut self.0, by).await
    }
}

fn command(connection_string: &str, arguments: &[&str]) -> Command {
    let mut command = super::executable();
    command
        .args(["process", "--print", "--poll-delay-ms", "20", "--lease-acquire-interval-ms", "100"])
        .args(["--lease-renew-interval-ms", "200", "--lease-expiration-interval-ms", "1000"])
        .args(arguments)
        .env("CosmosDB", connection_string)
        .env("COSMOS_DISABLE_IMDS", "1")
        .env("RUST_LOG", "warn,azure_data_cosmos_driver=error");
    command
}

/// Sends the signal and waits for the exit.
pub async fn end(child: &mut Child, by: &str) -> ExitStatus {
    signal(by, child.id());
    let (child, ended) = (Mutex::new(child), Mutex::new(None));
    until("the exit of the instance", DEADLINE, async || {
        let status = child.lock().expect("child").try_wait().expect("wait");
        *ended.lock().expect("status") = status;
        status.is_some()
    })
    .await;
    ended.into_inner().expect("status").expect("ended")
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
