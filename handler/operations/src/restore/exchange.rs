//! Writes documents that a unique key has refused because other documents of the restore still had their values.
//!
//! The service checks unique keys at each write. Documents that exchange values cannot be written one by one: one of them must be
//! deleted first and created again last. That is done in one transaction, so that no reader sees the document missing and
//! no failure leaves it deleted.

use std::collections::BTreeMap;

use changefeed_cosmos::{BatchWrite, Error, retry};
use changefeed_history::Version;

use super::planned_item::{Action, PlannedItem};
use super::stamp::{Body, Comparison};
use super::unique_keys::{UniqueValues, unique_values};
use super::write::DocumentWriter;

/// The most operations in a transaction.
const MAX_OPERATIONS: usize = 100;
/// The most bytes of a transaction.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// A document that a unique key has refused.
struct Refused {
    /// Its index among the items.
    index: usize,
    body: Body,
    live: Option<Version>,
}

/// A write of the document of this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create(usize),
    Replace(usize),
    Delete(usize),
}

impl DocumentWriter<'_> {
    /// Writes the items that a unique key has refused, those of each partition key value in one transaction. Items that are refused
    /// again stay as they are. Returns the request units.
    ///
    /// # Errors
    /// A transient failure.
    pub(super) async fn write_refused(&self, items: &mut [PlannedItem]) -> Result<f64, Error> {
        let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| item.is_refused_by_unique_key) {
            by_key.entry(item.partition_key.to_string()).or_default().push(index);
        }
        let mut charge = 0.0;
        for indexes in by_key.into_values() {
            match self.write_together(items, &indexes).await {
                Ok(charged) => charge += charged,
                Err(error) if error.is_transient() => return Err(error),
                // The items still have the reason why they were refused.
                Err(error) => log::warn!("{error}"),
            }
        }
        Ok(charge)
    }

    async fn write_together(&self, items: &mut [PlannedItem], indexes: &[usize]) -> Result<f64, Error> {
        let mut refused = Vec::new();
        for &index in indexes {
            if let Some(item) = items.get_mut(index) {
                refused.extend(self.read_refused(index, item).await?);
            }
        }
        let Some(key) = indexes.first().and_then(|index| items.get(*index)).map(|item| item.partition_key.clone())
        else {
            return Ok(0.0);
        };
        let unique_keys = &self.container.definition().unique_keys;
        let values: Vec<(Option<UniqueValues>, UniqueValues)> = refused
            .iter()
            .map(|refused| {
                let live = refused.live.as_ref().and_then(|live| live.document.as_ref());
                let held = live.map(|live| unique_values(unique_keys, live));
                (held, unique_values(unique_keys, refused.body.document()))
            })
            .collect();
        let Some(steps) = steps(&values) else { return Ok(0.0) };
        let bytes: usize = refused.iter().map(|refused| refused.body.document().to_string().len()).sum();
        if steps.len() > MAX_OPERATIONS || bytes > MAX_BYTES {
            let limit = format!(
                "the documents that exchange values need {} operations and {bytes} bytes in one transaction; allowed are \
                 {MAX_OPERATIONS} and {MAX_BYTES}",
                steps.len()
            );
            for refused in &refused {
                if let Some(item) = items.get_mut(refused.index) {
                    let unique_key = item.message.take().unwrap_or_default();
                    item.message = Some(format!("{unique_key}; {limit}"));
                }
            }
            return Ok(0.0);
        }
        let names: Vec<String> =
            refused.iter().filter_map(|refused| items.get(refused.index)).map(|item| item.id.clone()).collect();
        let writes: Vec<BatchWrite<'_>> =
            steps.iter().filter_map(|step| batch_write(*step, &refused, &names)).collect();
        let charge = retry(self.deadline, || self.container.write_batch(&key, &writes)).await?;
        for Refused { index, body, live } in &refused {
            let Some(item) = items.get_mut(*index) else { continue };
            let now = self.live(&item.name()).await?;
            // If the transaction was refused, an earlier attempt whose reply was lost may have been executed.
            let is_written = match self.compare(now.as_ref(), Some(body)) {
                Comparison::Own => true,
                Comparison::Same | Comparison::Unclear => charge.is_some(),
                Comparison::Different => false,
            };
            if is_written {
                item.action = if live.is_some() { Action::Replace } else { Action::Create };
                item.message =
                    (steps.len() > 1).then(|| "written in one transaction with others, for a unique key".to_owned());
                item.restored_etag = now.and_then(|now| now.etag);
                item.is_refused_by_unique_key = false;
            }
        }
        Ok(charge.unwrap_or_default())
    }

    /// Reads a refused document again; `None` when it has changed since the plan. What is overwritten is saved to the history first.
    async fn read_refused(&self, index: usize, item: &mut PlannedItem) -> Result<Option<Refused>, Error> {
        let name = item.name();
        let live = self.live(&name).await?;
        let etag = live.as_ref().and_then(|live| live.etag.clone());
        if etag != item.live_etag && !self.force {
            return Ok(None);
        }
        let Some(body) = self.body(item, &name).await? else { return Ok(None) };
        if let Some(live) = &live {
            item.replaced_version = Some(self.save_version(&name, live).await?.into());
        }
        Ok(Some(Refused { index, body, live }))
    }
}

fn batch_write<'a>(step: Step, refused: &'a [Refused], names: &'a [String]) -> Option<BatchWrite<'a>> {
    let (Step::Create(number) | Step::Replace(number) | Step::Delete(number)) = step;
    let (document, name) = (refused.get(number)?, names.get(number)?);
    let etag = document.live.as_ref().and_then(|live| live.etag.as_deref());
    Some(match step {
        Step::Create(_) => BatchWrite::Create(document.body.document()),
        Step::Replace(_) => BatchWrite::Replace(name, document.body.document(), etag?),
        Step::Delete(_) => BatchWrite::Delete(name, etag?),
    })
}

/// An order of writes in which each unique value is free when a document takes it. Each document has the values that it holds, if it
/// exists, and those that it is to have. `None` when two documents are to have the same value.
fn steps(documents: &[(Option<UniqueValues>, UniqueValues)]) -> Option<Vec<Step>> {
    let mut held: Vec<Option<&UniqueValues>> = documents.iter().map(|(held, _)| held.as_ref()).collect();
    let mut pending: Vec<(usize, &UniqueValues)> =
        documents.iter().enumerate().map(|(number, (_, wanted))| (number, wanted)).collect();
    let mut steps = Vec::new();
    while !pending.is_empty() {
        let is_free = |(number, wanted): &(usize, &UniqueValues)| {
            let others = held.iter().enumerate().filter(|(other, _)| other != number);
            others
                .filter_map(|(_, held)| *held)
                .all(|held| held.iter().zip(*wanted).all(|(held, wanted)| held != wanted))
        };
        if let Some(next) = pending.iter().position(is_free) {
            let (number, wanted) = pending.remove(next);
            let held = held.get_mut(number)?;
            steps.push(if held.is_some() { Step::Replace(number) } else { Step::Create(number) });
            *held = Some(wanted);
        } else {
            let (number, _) = pending.iter().find(|(number, _)| held.get(*number).is_some_and(Option::is_some))?;
            steps.push(Step::Delete(*number));
            *held.get_mut(*number)? = None;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(documents: &[(Option<&str>, &str)]) -> Option<Vec<Step>> {
        let values = |text: &str| vec![vec![json!(text)]];
        let documents: Vec<_> = documents.iter().map(|(held, wanted)| (held.map(values), values(wanted))).collect();
        steps(&documents)
    }

    #[test]
    fn documents_that_exchange_values_are_deleted_replaced_and_created_in_an_order_without_duplicates() {
        use Step::{Create, Delete, Replace};
        assert_eq!(order(&[(Some("a"), "b")]), Some(vec![Replace(0)]));
        assert_eq!(order(&[(Some("a"), "b"), (Some("b"), "c")]), Some(vec![Replace(1), Replace(0)]));
        assert_eq!(order(&[(None, "a"), (Some("a"), "b")]), Some(vec![Replace(1), Create(0)]));
        assert_eq!(order(&[(Some("a"), "b"), (Some("b"), "a")]), Some(vec![Delete(0), Replace(1), Create(0)]));
        assert_eq!(
            order(&[(Some("a"), "b"), (Some("b"), "c"), (Some("c"), "a")]),
            Some(vec![Delete(0), Replace(2), Replace(1), Create(0)])
        );
        assert_eq!(order(&[(None, "a"), (None, "a")]), None);
    }
}
