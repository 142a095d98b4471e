//! Creates the job of a move.

use changefeed_cosmos::{Error, timestamp};
use changefeed_history::{Role, SCHEMA};
use changefeed_jobs::{Job, JobState, Work, new_id};
use serde_json::{Map, json};

use super::rehome_record::RehomeView;
use super::rehome_request::{RehomeRequest, RehomeSource};
use super::rehomes::{REHOME, Rehomes};
use super::source::Source;

const ACTION: &str = "requesting a move";

impl Rehomes {
    /// Creates the job that moves a history.
    ///
    /// # Errors
    /// When the request is invalid, when the other containers cannot be read or are not what the request says, and when the job cannot be
    /// stored.
    pub async fn create_job(&self, request: &RehomeRequest) -> Result<RehomeView, Error> {
        request.check().map_err(|message| Error::invalid(ACTION, message))?;
        self.check_is_other(&request.from)?;
        let source = Source::new(self, request)?;
        source.check(self, request).await?;
        let now = self.jobs.now();
        let job = Job {
            id: new_id(now),
            kind: REHOME.name.to_owned(),
            state: JobState::Queued,
            started_at: timestamp(now),
            finished_at: None,
            counts: json!({}),
            request_charge: 0.0,
            job: Work {
                // Other workers may not have the settings of the connection.
                only_on: self.host.clone().filter(|_| request.from.connection.is_some()),
                ..Work::queued(self.jobs.budget(request.ru_per_second).await?, now)
            },
            other: Map::from_iter([("request".to_owned(), json!(request)), ("schema".to_owned(), json!(SCHEMA))]),
        };
        self.jobs.create(&job.id, &job).await?;
        Ok(RehomeView::of(job))
    }

    /// Refuses the containers of this history.
    fn check_is_other(&self, from: &RehomeSource) -> Result<(), Error> {
        let names = self.containers.names();
        let is_here = from.connection.is_none() && from.database.as_ref().is_none_or(|name| *name == names.database);
        let given = [Some(&from.changes), from.dead_letters.as_ref(), from.jobs.as_ref()];
        let own = |name: &&String| is_here && Role::ALL.iter().any(|role| names.of(*role) == name.as_str());
        match given.into_iter().flatten().find(own) {
            Some(name) => Err(Error::invalid(
                ACTION,
                format!(
                    "{name} is a container of this history; name another one, or another database (--from-database) or account (--from-connection)"
                ),
            )),
            None => Ok(()),
        }
    }
}
