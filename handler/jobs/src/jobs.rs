//! The jobs container.

use std::sync::Arc;

use changefeed_cosmos::{
    Clock, Container, Error, ErrorKind, Key, LazyContainer, Meter, SourceName, check_record_id, to_item,
    without_system_properties,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::job::{Job, Read};
use crate::options::JobOptions;
use crate::places::{JobPlaces, Places};

/// The jobs of a container, and how they are run. Clones share the container.
#[derive(Clone, Debug)]
pub struct Jobs {
    container: LazyContainer,
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    options: JobOptions,
    host: Option<String>,
    limited_by: Vec<LazyContainer>,
    places: Arc<Places>,
    clock: Clock,
}

impl Jobs {
    /// The jobs of a container that is partitioned by `/id`. `host` is the name of this machine, if it may run jobs that need
    /// its files.
    pub fn new(container: LazyContainer, options: JobOptions, host: Option<String>) -> Self {
        let (limited_by, places, clock) = (Vec::new(), Arc::default(), Clock::default());
        Self { container, settings: Arc::new(Settings { options, host, limited_by, places, clock }) }
    }

    /// The same jobs, whose claims expire by this clock instead of the system clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { settings: Arc::new(Settings { clock, ..Settings::clone(&self.settings) }), ..self }
    }

    /// The time by the clock of the jobs.
    pub fn now(&self) -> DateTime<Utc> {
        self.settings.clock.now()
    }

    /// The same jobs, whose default budget is a share of the lowest throughput that is provisioned for one of these containers.
    pub fn limited_by_throughput_of(self, containers: Vec<LazyContainer>) -> Self {
        let settings = Settings { limited_by: containers, ..Settings::clone(&self.settings) };
        Self { settings: Arc::new(settings), ..self }
    }

    pub(crate) fn limited_by(&self) -> &[LazyContainer] {
        &self.settings.limited_by
    }

    /// The same jobs, whose requests another meter counts.
    pub fn metered(&self, meter: &Meter) -> Self {
        Self { container: self.container.metered(meter), ..self.clone() }
    }

    /// The source whose jobs these are.
    pub fn source(&self) -> SourceName {
        self.container.source().cloned().unwrap_or_default()
    }

    /// How jobs are run.
    pub fn options(&self) -> &JobOptions {
        &self.settings.options
    }

    /// The places for pages of a divided job in this process.
    pub(crate) fn places(&self, job_id: &str) -> Arc<JobPlaces> {
        self.settings.places.of(job_id, self.options().parallel)
    }

    /// The name of this machine, if it may run jobs that need its files.
    pub(crate) fn host(&self) -> Option<&String> {
        self.settings.host.as_ref()
    }

    /// The container, opened.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn open(&self) -> Result<Container, Error> {
        self.container.open().await
    }

    /// A job of any kind. If it is divided, what its portions have done counts.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job, [`ErrorKind::Invalid`] when no job can have the id, and when the jobs
    /// container cannot be read.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        let missing = || Error::not_found(format!("reading job {id}"), "there is no such job");
        let job = self.read(id).await?.ok_or_else(missing)?.job;
        Box::pin(self.with_portions(job)).await
    }

    /// Stores the record of a new job, which has at least the properties of a [`Job`].
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn create(&self, id: &str, record: &impl Serialize) -> Result<(), Error> {
        match self.open().await?.create(&Key::text(id), id, &to_item(record)?).await {
            // Ids are random, or follow from what the job is for: it is the same job, created by another instance or with a lost reply.
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    /// A job; `None` when there is none, and when the item is something else.
    pub(crate) async fn read(&self, id: &str) -> Result<Option<Read>, Error> {
        check_record_id("job", id)?;
        let record = self.open().await?.read(&Key::text(id), id).await?;
        let Some(record) = record.filter(|record| record["job"].is_object()) else { return Ok(None) };
        let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
        let job = serde_json::from_value(without_system_properties(record))
            .map_err(|error| Error::corrupt(format!("reading job {id}"), error))?;
        Ok(Some(Read { job, etag }))
    }

    /// Saves a job that still has this etag; its new one.
    pub(crate) async fn replace(&self, job: &Job, etag: &str) -> Result<String, Error> {
        let written = self.open().await?.replace(&Key::text(&job.id), &job.id, &to_item(job)?, etag).await?;
        Ok(written.etag.unwrap_or_default())
    }
}
