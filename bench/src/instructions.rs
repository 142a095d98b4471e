//! The instructions that capture needs for a version, as callgrind counts them: unlike time, they are almost the same in every run.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::batches::Documents;
use crate::sink::Sink;
use crate::subject::Subject;

/// Documents in a batch, and bytes of each.
const BATCH: usize = 100;
const BYTES: usize = 1000;
/// Batches of two runs. The difference does not have the start of the program.
const FEW: usize = 5;
const MANY: usize = 25;
/// How far a count may be from the recorded one.
const TOLERANCE: f64 = 0.1;

/// Prints the instructions for a version, of documents with date-time strings or without. Fails if they differ from the recorded ones.
pub(crate) async fn run(executable: &Path, dates: bool, recorded: Option<u64>) -> Result<()> {
    let (few, many) = (instructions(executable, dates, FEW).await?, instructions(executable, dates, MANY).await?);
    let counted = (many.saturating_sub(few)) / ((MANY - FEW) * BATCH) as u64;
    let with = if dates { " with a date-time string" } else { "" };
    println!("{counted} instructions for a version of {BYTES} bytes{with}, in batches of {BATCH}");
    if let Some(recorded) = recorded {
        let difference = counted as f64 / recorded as f64 - 1.0;
        ensure!(
            difference.abs() <= TOLERANCE,
            "{counted} instructions for a version, {:+.0} % from the recorded {recorded}; if that is meant, record it in scripts/instructions",
            difference * 100.0
        );
    }
    Ok(())
}

/// The instructions of a whole run that captures some batches, one after the other.
async fn instructions(executable: &Path, dates: bool, batches: usize) -> Result<u64> {
    let sink = Sink::start().await?;
    let documents = Arc::new(Documents::new(&sink.account(), BYTES, dates).await?);
    sink.set_documents(Arc::clone(&documents));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let log = std::env::temp_dir().join(format!("changefeed-callgrind-{}.log", std::process::id()));
    let running = Subject::handler("callgrind".to_owned(), executable).under_callgrind(&log).start(&sink.account())?;
    for body in documents.invocations(batches, BATCH) {
        let request = client.post(format!("{}/CosmosChangeFeed", running.url)).body(body);
        let answer = request.header("content-type", "application/json; charset=utf-8").send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "capture: {status} {}", answer.text().await?);
    }
    running.stop()?;
    let text = fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
    fs::remove_file(&log)?;
    let counted = text.lines().find_map(|line| line.split_once("Collected :")).context("callgrind counted nothing")?;
    counted.1.trim().parse().with_context(|| format!("reading {:?}", counted.1))
}
