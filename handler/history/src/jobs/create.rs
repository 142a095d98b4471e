//! New jobs.

use chrono::Utc;
use serde::Serialize;

use super::job::Work;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::store::{Role, Store};
use crate::version::timestamp;

impl Work {
    /// The work of a job that nobody has begun with.
    pub(crate) fn queued(ru_per_second: Option<f64>) -> Self {
        Self { ru_per_second, updated_at: timestamp(Utc::now()), ..Self::default() }
    }
}

impl Store {
    /// Stores the record of a new job, which has at least what a [`Job`](super::Job) has.
    pub(crate) async fn create_job(&self, id: &str, record: &impl Serialize) -> Result<(), Error> {
        let jobs = self.container(Role::Jobs).await?;
        match jobs.create(&Key::text(id), id, record).await {
            // The id is random: it is the same job, and the reply was lost.
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }
}
