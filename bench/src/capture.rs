//! The benchmark of capture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::CaptureArguments;
use crate::batches::Documents;
use crate::proc::{cpu_seconds, peak_bytes};
use crate::sink::Sink;
use crate::subject::{Running, Subject};

/// Different invocations, which are delivered again and again: the sink stores nothing.
const INVOCATIONS: usize = 16;
/// Before a measurement begins, so that connections are open and code is compiled.
const WARM_UP: Duration = Duration::from_secs(2);

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Figures {
    versions_per_second: f64,
    cpu_micros_per_version: f64,
    requests_per_version: f64,
    peak_bytes: u64,
}

/// Measures every subject under every condition, and prints a table in Markdown for each condition.
pub(crate) async fn run(arguments: &CaptureArguments) -> Result<()> {
    let sink = Sink::start().await?;
    let documents = Arc::new(Documents::new(&sink.account(), arguments.bytes, arguments.dates).await?);
    sink.set_documents(Arc::clone(&documents));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let bodies = Arc::new(documents.invocations(INVOCATIONS, arguments.batch));
    let subjects = subjects(arguments)?;
    for latency in &arguments.latency {
        sink.set_latency(*latency);
        for in_flight in &arguments.in_flight {
            let dates = if arguments.dates { ", with date-time strings" } else { "" };
            println!(
                "\nBatches of {} documents of {} bytes{dates}; {latency} ms until a write is answered; {in_flight} in flight\n",
                arguments.batch, arguments.bytes
            );
            println!(
                "| program | versions a second | CPU, microseconds a version | requests a version | peak memory, MB |"
            );
            println!("|---|---|---|---|---|");
            let mut figures = vec![Vec::new(); subjects.len()];
            for _ in 0..arguments.rounds {
                for (subject, figures) in subjects.iter().zip(&mut figures) {
                    let running = subject.start(&sink.account())?;
                    let load = Load { client: &client, bodies: &bodies, in_flight: *in_flight, batch: arguments.batch };
                    let measured = async {
                        load.apply(&running, WARM_UP, &sink).await?;
                        load.apply(&running, arguments.duration(), &sink).await
                    };
                    figures.push(measured.await.with_context(|| format!("measuring {}", subject.name))?);
                }
            }
            for (subject, figures) in subjects.iter().zip(&figures) {
                println!(
                    "| {} | {:.0} | {:.0} | {:.2} | {:.0} |",
                    subject.name,
                    median(figures, |figures| figures.versions_per_second),
                    median(figures, |figures| figures.cpu_micros_per_version),
                    median(figures, |figures| figures.requests_per_version),
                    median(figures, |figures| figures.peak_bytes as f64) / 1e6,
                );
            }
        }
    }
    Ok(())
}

fn subjects(arguments: &CaptureArguments) -> Result<Vec<Subject>> {
    let is_one = arguments.executables.len() == 1;
    let ours = arguments.executables.iter().map(|executable| {
        let name = if is_one { "cosmos-changefeed".to_owned() } else { executable.display().to_string() };
        Subject::handler(name, executable)
    });
    let peers = arguments.peers.as_deref().map(Subject::peers).unwrap_or_default();
    Ok(ours.chain(peers).chain([Subject::floor(false)?, Subject::floor(true)?]).collect())
}

fn median(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Batches that are delivered one after the other by as many callers as are in flight.
struct Load<'l> {
    client: &'l reqwest::Client,
    bodies: &'l Arc<Vec<String>>,
    in_flight: usize,
    batch: usize,
}

impl Load<'_> {
    async fn apply(&self, subject: &Running, duration: Duration, sink: &Sink) -> Result<Figures> {
        let (next, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (cpu, (written, requests)) = (cpu_seconds(subject.process())?, sink.written());
        let start = Instant::now();
        let callers: Vec<_> = (0..self.in_flight)
            .map(|_| {
                let (client, bodies) = (self.client.clone(), Arc::clone(self.bodies));
                let (next, is_over) = (Arc::clone(&next), Arc::clone(&is_over));
                let url = format!("{}/CosmosChangeFeed", subject.url);
                actix_web::rt::spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let body = bodies[number % bodies.len()].clone();
                        let request = client.post(&url).header("content-type", "application/json; charset=utf-8");
                        let request = request.header("x-azure-functions-invocationid", format!("invocation-{number}"));
                        let answer = request.body(body).send().await?;
                        let status = answer.status();
                        let text = answer.text().await?;
                        ensure!(status.is_success(), "{url}: {status} {text}");
                    }
                    Ok(())
                })
            })
            .collect();
        actix_web::rt::time::sleep(duration).await;
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await??;
        }
        let seconds = start.elapsed().as_secs_f64();
        let versions = next.load(Ordering::Relaxed) * self.batch;
        let (now_written, now_requests) = sink.written();
        ensure!(
            now_written - written == versions as u64,
            "{versions} versions were delivered and {} were written",
            now_written - written
        );
        Ok(Figures {
            versions_per_second: versions as f64 / seconds,
            cpu_micros_per_version: (cpu_seconds(subject.process())? - cpu) * 1e6 / versions as f64,
            requests_per_version: (now_requests - requests) as f64 / versions as f64,
            peak_bytes: peak_bytes(subject.process())?,
        })
    }
}
