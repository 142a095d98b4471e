//! The sources of the app: containers that are captured, each with its own history. They share the account, the leases, and the containers of
//! jobs and dead letters.
//!
//! A request or a command chooses its source once, here. Everything else works on one source.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use changefeed_cosmos::{Account, Error, ErrorKind, SourceName};
use changefeed_jobs::JobToRun;
use changefeed_operations::JointRestores;
use futures::FutureExt;
use futures::future::join_all;
use tokio::time::Instant;

use crate::config::{Settings, connect};
use crate::jobs::{host, run_jobs};
use crate::metrics::Metrics;
use crate::service::Service;

/// How long a start waits for the definitions of containers.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// The sources in the order in which the settings name them: at least one.
#[derive(Clone)]
pub struct Sources {
    first: Arc<Service>,
    others: Vec<Arc<Service>>,
    metrics: Arc<Metrics>,
}

impl Sources {
    /// The sources of these settings; `first` has those of the first one. They connect to Cosmos DB when they first need to.
    ///
    /// # Errors
    /// When there are no settings of any source.
    pub fn new(settings: Vec<Settings>) -> Result<Self> {
        let mut settings = settings.into_iter();
        let first = settings.next().ok_or_else(|| anyhow::anyhow!("the app has no source"))?;
        let account = Account::new(connect(first.connection.clone(), first.preferred_regions.clone()));
        let metrics = Arc::new(Metrics::new());
        let service = |settings| Arc::new(Service::new(&account, settings, &metrics));
        Ok(Self { first: service(first), others: settings.map(service).collect(), metrics: Arc::clone(&metrics) })
    }

    /// The sources for a command. Folders of this machine are locations of backups, too.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_command(mut settings: Vec<Settings>) -> Result<Self> {
        for settings in &mut settings {
            settings.locations.host = Some(host());
        }
        Self::new(settings)
    }

    /// The first source.
    pub fn first(&self) -> &Arc<Service> {
        &self.first
    }

    /// All sources.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Service>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether there are several.
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Restores of these sources together.
    ///
    /// # Errors
    /// As [`JointRestores::new`].
    pub fn joint_restores(&self) -> Result<JointRestores, Error> {
        JointRestores::new(self.all().map(|service| service.changefeed.restores.clone()))
    }

    /// Checks that what is never stored fits the partition key of each source. A source that cannot be read now is checked again when its
    /// documents are captured.
    ///
    /// # Errors
    /// Names the source, and what is wrong with its settings.
    pub async fn check_capture_rules(&self) -> Result<()> {
        let checks = self.all().map(async |service| {
            let checked = tokio::time::timeout(CHECK_TIME, service.changefeed.history.rules()).await;
            (service.source(), checked)
        });
        for (source, checked) in join_all(checks).await {
            match checked {
                Ok(Err(error)) if error.kind() == ErrorKind::Invalid => {
                    return Err(anyhow::anyhow!("source {source}: {error}"));
                }
                Ok(Err(error)) => log::warn!("source {source}: could not check what is never stored: {error}"),
                Ok(Ok(_)) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// What this process has captured.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The source of this name, or the only one; `option` is how a source is named: *source*, *--source*.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid), with the names, when there is no such source, or when there are several and none is named.
    pub fn choose(&self, name: Option<&str>, option: &str) -> Result<&Arc<Service>, Error> {
        match name {
            Some(name) => self.named(name),
            None if self.are_several() => {
                let message = format!("the app has several sources; add {option} with one of {}", self.names());
                Err(Error::invalid("choosing a source", message))
            }
            None => Ok(&self.first),
        }
    }

    /// The source of this name.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid), with the names, when there is no such source.
    pub fn named(&self, name: &str) -> Result<&Arc<Service>, Error> {
        self.all().find(|service| service.source().as_str() == name).ok_or_else(|| {
            Error::invalid("choosing a source", format!("unknown source {name:?}; use one of {}", self.names()))
        })
    }

    /// These sources alone, in the order of the settings; all if none is named.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn only(&self, names: &[SourceName]) -> Result<Self, Error> {
        for name in names {
            self.named(name.as_str())?;
        }
        let mut chosen = self.all().filter(|service| names.is_empty() || names.contains(service.source())).cloned();
        let first = chosen.next().unwrap_or_else(|| Arc::clone(&self.first));
        Ok(Self { first, others: chosen.collect(), metrics: Arc::clone(&self.metrics) })
    }

    /// The names, for an error.
    fn names(&self) -> String {
        self.all().map(|service| service.source().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Runs one slice of each job, those of several sources beside each other, each for the same time. A job of another source waits: its
    /// record is not changed, and the log says so. Returns a log line for each job.
    ///
    /// # Errors
    /// The first job that could not be claimed or saved, after the others have ended. The jobs must be delivered again.
    pub async fn run_jobs(
        &self,
        jobs: BTreeSet<JobToRun>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Vec<String>, Error> {
        let stop = stop.shared();
        let is_known = |job: &JobToRun| self.all().any(|service| *service.source() == job.source);
        let (known, waiting): (BTreeSet<_>, BTreeSet<_>) = jobs.into_iter().partition(is_known);
        let of_source = |service: &Arc<Service>| -> BTreeSet<JobToRun> {
            known.iter().filter(|job| job.source == *service.source()).cloned().collect()
        };
        let running = self.all().map(|service| (service, of_source(service))).filter(|(_, jobs)| !jobs.is_empty());
        let running = running.map(|(service, jobs)| run_jobs(&service.changefeed.runner, jobs, stop.clone()));
        let mut lines = Vec::new();
        for ran in join_all(running).await {
            lines.extend(ran?);
        }
        for JobToRun { id, source, .. } in waiting {
            let line = format!(
                "job {id}: waits, because it is of source {source}, which the settings do not name; the sources are {}",
                self.names()
            );
            log::warn!("{line}");
            lines.push(line);
        }
        Ok(lines)
    }
}

/// Divides the time of an invocation among sources that take turns: each has an equal share of what is left.
pub struct Turns {
    deadline: Instant,
    left: u32,
}

impl Turns {
    /// Turns of so many sources until then.
    pub fn new(deadline: Instant, sources: usize) -> Self {
        Self { deadline, left: u32::try_from(sources).unwrap_or(u32::MAX) }
    }

    /// The time of the next source.
    pub fn next_turn(&mut self) -> Duration {
        let rest = self.deadline.saturating_duration_since(Instant::now());
        let turn = rest / self.left.max(1);
        self.left = self.left.saturating_sub(1);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_an_equal_share_of_the_time_that_is_left() {
        let mut turns = Turns::new(Instant::now() + Duration::from_secs(240), 4);
        let near = |turn: Duration, seconds: u64| turn.abs_diff(Duration::from_secs(seconds)) < Duration::from_secs(5);
        // No source has used any time.
        assert!(near(turns.next_turn(), 60) && near(turns.next_turn(), 80) && near(turns.next_turn(), 120));
        assert!(near(turns.next_turn(), 240) && near(turns.next_turn(), 240), "one more than there are");
    }
}
