//! Takes a dead letter away, with its parts.
//!
//! The record goes first: a letter that can be seen is whole. The race to mind is a batch that brings the same document
//! again meanwhile: it may find the parts still there and write the record anew, which would then be without them. So the
//! record is looked for once more at the end.

use std::time::Instant;

use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use super::list::missing;
use crate::cosmos::{Error, Key};
use crate::policy::retry;
use crate::store::{Role, Store};

impl Store {
    /// Drops a dead letter: its payload is gone for good.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such dead letter.
    pub async fn drop_dead_letter(&self, id: &str) -> Result<(), Error> {
        let known = self.dead_letter_record(id).await?.is_some();
        // An interrupted removal may have left parts behind.
        self.remove_dead_letter(id).await?;
        if known { Ok(()) } else { Err(missing("dropping", id)) }
    }

    pub(super) async fn remove_dead_letter(&self, id: &str) -> Result<(), Error> {
        let container = self.container(Role::DeadLetters).await?;
        let deadline = Instant::now() + self.options.batch_timeout;
        let delete = |id: String| async move {
            let key = Key::text(&id);
            retry(deadline, || container.delete(&key, &id, None)).await
        };
        loop {
            delete(id.to_owned()).await?;
            let parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
            let query = "SELECT VALUE c.id FROM c WHERE c.partOf = @id";
            let parts: Vec<Value> = container.select(query, &parameters, None).await?.try_collect().await?;
            for part in parts.iter().filter_map(Value::as_str) {
                delete(part.to_owned()).await?;
            }
            if parts.is_empty() || self.dead_letter_record(id).await?.is_none() {
                return Ok(());
            }
        }
    }
}
