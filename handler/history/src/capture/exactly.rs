//! Makes sure of a version that somebody has read himself.

use std::time::Instant;

use super::keep;
use crate::cosmos::Error;
use crate::read::DocumentName;
use crate::store::{Role, Store};
use crate::version::{EXACT_SUFFIX, Version};

impl Store {
    /// Makes sure that a version is in the history, and exactly so: beside an inexact record there is an exact one then. The
    /// id of the exact record.
    pub(crate) async fn keep_exactly(
        &self,
        name: &DocumentName,
        version: &Version,
        deadline: Instant,
    ) -> Result<String, Error> {
        let changes = self.container(Role::Changes).await?;
        let was_there = keep(changes, version, deadline).await?.is_none();
        if was_there && !self.version(name, &version.id).await?.exact {
            let twin = Version { id: format!("{}{EXACT_SUFFIX}", version.id), ..version.clone() };
            keep(changes, &twin, deadline).await?;
            return Ok(twin.id);
        }
        Ok(version.id.clone())
    }
}
