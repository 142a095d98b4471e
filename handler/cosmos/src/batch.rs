//! Several writes of one partition key value in a transaction.

use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::options::{BatchDeleteOptions, BatchReplaceOptions};
use serde_json::Value;

use crate::container::{Container, if_match};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// A write in a transaction.
#[derive(Clone, Copy, Debug)]
pub enum BatchWrite<'a> {
    /// Creates an item.
    Create(&'a Value),
    /// Replaces the item of this id, which still has this etag.
    Replace(&'a str, &'a Value, &'a str),
    /// Deletes the item of this id, which still has this etag.
    Delete(&'a str, &'a str),
}

impl Container {
    /// Does all of these writes, in this order, or none of them: `None` when the service refuses one. Otherwise the request units.
    ///
    /// # Errors
    /// As the service answers when it does not look at the single writes.
    pub async fn write_batch(&self, key: &Key, writes: &[BatchWrite<'_>]) -> Result<Option<f64>, Error> {
        let action = || format!("writing {} items of container {} in one batch", writes.len(), self.name);
        let failed = |error| self.noted(Error::of_write(action(), error));
        let mut batch = TransactionalBatch::new(key.to_sdk()?);
        for write in writes {
            batch = match *write {
                BatchWrite::Create(item) => {
                    batch.create_item(&*self.scope.marked("of a batch", item)).map_err(failed)?
                }
                BatchWrite::Replace(id, item, etag) => {
                    let options = BatchReplaceOptions::default().with_precondition(if_match(etag));
                    batch.replace_item(id.to_owned(), &*self.scope.marked(id, item), Some(options)).map_err(failed)?
                }
                BatchWrite::Delete(id, etag) => {
                    let options = BatchDeleteOptions::default().with_precondition(if_match(etag));
                    batch.delete_item(id.to_owned(), Some(options))
                }
            };
        }
        let response = match Box::pin(self.client.execute_transactional_batch(batch, Some(self.batch_options()))).await
        {
            Ok(response) => response,
            Err(error) => {
                let error = failed(error);
                let is_refused = matches!(
                    error.kind(),
                    ErrorKind::Conflict | ErrorKind::PreconditionFailed | ErrorKind::NotFound | ErrorKind::TooLarge
                );
                return if is_refused { Ok(None) } else { Err(error) };
            }
        };
        let charge = self.charge(response.headers());
        let results = response.into_model().map_err(failed)?;
        Ok(results.results().iter().all(|result| result.is_success()).then_some(charge))
    }
}
