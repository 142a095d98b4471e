//! What is measured: a program that stores the batches that are posted to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::account::Account;

/// A program and how it is started. Each prints `listening on <address>`, and takes batches at `/CosmosChangeFeed` there.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub name: String,
    program: String,
    arguments: Vec<String>,
    /// `point` or `bulk`, for those that can do both.
    writes: &'static str,
}

/// A running subject, which is killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub url: String,
}

impl Subject {
    /// Our handler.
    pub(crate) fn handler(name: String, executable: &Path) -> Self {
        let arguments = ["serve", "--port", "0"].map(str::to_owned).to_vec();
        Self { name, program: executable.display().to_string(), arguments, writes: "" }
    }

    /// The same program under callgrind, which writes to this log.
    pub(crate) fn under_callgrind(self, log: &Path) -> Self {
        let own = ["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(str::to_owned);
        let log = format!("--log-file={}", log.display());
        let arguments = own.into_iter().chain([log, self.program]).chain(self.arguments).collect();
        Self { program: "valgrind".to_owned(), arguments, ..self }
    }

    /// The least that a handler must do.
    pub(crate) fn floor(bulk: bool) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program")?.display().to_string();
        let flag = bulk.then(|| "--bulk".to_owned());
        let name = if bulk { "floor, bulk" } else { "floor, one request a record" };
        Ok(Self {
            name: name.to_owned(),
            program,
            arguments: ["floor".to_owned()].into_iter().chain(flag).collect(),
            writes: "",
        })
    }

    /// The programs that a user would write instead. `folder` has what they need.
    pub(crate) fn peers(folder: &Path) -> Vec<Self> {
        let node = |name: &str, writes| Self {
            name: name.to_owned(),
            program: "node".to_owned(),
            arguments: vec![folder.join("node/handler.mjs").display().to_string()],
            writes,
        };
        let python = Self {
            name: "Python, asyncio".to_owned(),
            program: folder.join("python/bin/python").display().to_string(),
            arguments: vec![folder.join("python/handler.py").display().to_string()],
            writes: "point",
        };
        vec![node("Node.js, point creates", "point"), node("Node.js, bulk", "bulk"), python]
    }

    /// Starts the program with an account, and waits until it listens.
    pub(crate) fn start(&self, account: &Account) -> Result<Running> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("CosmosDB", account.connection_string())
            .env("COSMOS_ENDPOINT", &account.url)
            .env("COSMOS_KEY", Account::KEY)
            .env("WRITES", self.writes)
            .env("CHANGEFEED_JOB_BUDGET", "unlimited")
            .env("RUST_LOG", "warn,changefeed::server=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.program))?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening on ")?.1.trim().trim_end_matches('/').to_owned()));
        let Some(url) = url else {
            let status = child.wait()?;
            anyhow::bail!("{} ended before it listened: {status}", self.name);
        };
        // A full pipe would stop the program.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Running { child, url })
    }
}

impl Running {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let process = self.process();
        let status = Command::new("kill").args(["-TERM", &process.to_string()]).status().context("starting kill")?;
        ensure!(status.success(), "ending process {process}: {status}");
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
