//! Makes sure of a version that somebody has read himself.

use std::time::Instant;

use super::keep;
use crate::cosmos::Error;
use crate::read::DocumentName;
use crate::store::{Role, Store};
use crate::version::{EXACT_SUFFIX, Version};

impl Store {
    /// Makes sure that a version is in the history, and exactly so: beside a record that is not exact, or that cannot be read
    /// back, there is an exact one then. The id of the exact record.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when both records are there and neither is exact: somebody changed the history.
    pub(crate) async fn keep_exactly(
        &self,
        name: &DocumentName,
        version: &Version,
        deadline: Instant,
    ) -> Result<String, Error> {
        let changes = self.container(Role::Changes).await?;
        let twin = Version { id: format!("{}{EXACT_SUFFIX}", version.id), ..version.clone() };
        let is_exact = async |id: &str| -> Result<bool, Error> {
            Ok(self.read_back(name, id).await?.is_some_and(|read| read.is_ok_and(|version| version.exact)))
        };
        for record in [version, &twin] {
            // Captured already, most of the time.
            if is_exact(&record.id).await? {
                return Ok(record.id.clone());
            }
            let was_there = keep(changes, record, deadline).await?.is_none();
            if !was_there || is_exact(&record.id).await? {
                return Ok(record.id.clone());
            }
        }
        let message = format!("it is there already, as {} too, and neither record is exact", twin.id);
        Err(Error::invalid(format!("keeping version {}", version.id), message))
    }
}
