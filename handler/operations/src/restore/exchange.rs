//! Writes documents that a unique key has refused because other documents of the restore still had their values.
//!
//! The service checks unique keys at each write. Documents that exchange values cannot be written one by one: one of them must be
//! deleted first and created again last. That is done in one transaction, so that no reader sees the document missing and
//! no failure leaves it deleted. Documents that do not exchange values with each other are written in transactions of their own, so
//! that one that cannot be written affects only those that need its values.

use std::collections::BTreeMap;

use changefeed_cosmos::{BatchWrite, Error, Key, retry};
use changefeed_history::Version;

use super::exchange_order::{Exchange, Step, groups, rivals, steps};
use super::planned_item::{Action, PlannedItem, UniqueKeyRetry};
use super::stamp::{Body, Comparison};
use super::unique_keys::{Refusal, unique_values};
use super::write::{CHANGED_SINCE, DocumentWriter, changed};

/// The most operations in a transaction.
const MAX_OPERATIONS: usize = 100;
/// The most bytes of a transaction's request.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The bytes of an operation besides its document, its id and its etag, with room.
const OPERATION_BYTES: usize = 100;

/// A document that a unique key has refused.
struct Refused {
    /// Its index among the items.
    index: usize,
    id: String,
    body: Body,
    live: Option<Version>,
    /// Its unique values.
    exchange: Exchange,
}

impl Refused {
    fn live_etag(&self) -> Option<&str> {
        self.live.as_ref().and_then(|live| live.etag.as_deref())
    }
}

/// The outcome of a transaction.
enum Transaction {
    /// Its documents are written, or have the reason why they are not; with the request units.
    Concluded(f64),
    /// The service has refused it.
    Refused,
}

impl DocumentWriter<'_> {
    /// Writes the items that a unique key has refused, those first on which others depend: each group of documents that exchange
    /// values, in one transaction. Items that
    /// are refused again have the reason. Returns the request units.
    ///
    /// # Errors
    /// A transient failure.
    pub(super) async fn write_refused(&self, items: &mut [PlannedItem]) -> Result<f64, Error> {
        let mut by_key: BTreeMap<String, (Key, Vec<usize>)> = BTreeMap::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| item.refusal.is_some()) {
            let new = || (item.partition_key.clone(), Vec::new());
            by_key.entry(item.partition_key.to_string()).or_insert_with(new).1.push(index);
        }
        let mut charge = 0.0;
        for (key, indexes) in by_key.into_values() {
            match self.write_refused_of(&key, items, &indexes).await {
                Ok(charged) => charge += charged,
                Err(error) if error.is_transient() => return Err(error),
                // The items still have the reason why they were refused.
                Err(error) => log::warn!("{error}"),
            }
        }
        Ok(charge)
    }

    /// Writes the refused items of one partition key value.
    async fn write_refused_of(&self, key: &Key, items: &mut [PlannedItem], indexes: &[usize]) -> Result<f64, Error> {
        let mut refused = Vec::new();
        for &index in indexes {
            let Some(item) = items.get_mut(index) else { continue };
            match self.read_refused(index, item).await {
                Ok(read) => refused.extend(read),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => conclude(items, index, error.to_string()),
            }
        }
        let refused = self.without_rivals(items, refused);
        let groups = groups(&refused.iter().map(|one| &one.exchange).collect::<Vec<_>>());
        let mut refused: Vec<Option<Refused>> = refused.into_iter().map(Some).collect();
        let (mut charge, mut unwritten) = (0.0, Vec::new());
        for members in groups {
            let member = |number: usize| refused.get_mut(number).and_then(Option::take);
            let mut group: Vec<Refused> = members.into_iter().filter_map(member).collect();
            match self.write_together(key, items, &mut group).await {
                Ok(Transaction::Concluded(charged)) => charge += charged,
                Ok(Transaction::Refused) => unwritten.extend(group),
                Err(error) if error.is_transient() => {
                    // They may have been written: an undo looks at documents that failed.
                    for Refused { index, .. } in &group {
                        conclude(items, *index, error.to_string());
                        if let Some(item) = items.get_mut(*index) {
                            item.action = Action::Failed;
                        }
                    }
                    return Err(error);
                }
                Err(error) => log::warn!("{error}"),
            }
        }
        for refused in &unwritten {
            self.explain(key, items, refused).await?;
        }
        Ok(charge)
    }

    /// Takes out the documents that cannot all be written, because two of them are to have the same value. Their items say so.
    fn without_rivals(&self, items: &mut [PlannedItem], mut refused: Vec<Refused>) -> Vec<Refused> {
        let unique_keys = &self.container.definition().unique_keys;
        let rivals = rivals(&refused.iter().map(|one| &one.exchange).collect::<Vec<_>>());
        for (number, rival) in &rivals {
            let (Some(one), Some(other)) = (refused.get(*number), refused.get(rival.number)) else { continue };
            let refusal = Refusal::of_rivals(
                unique_keys,
                rival.unique_key,
                &one.exchange.wanted,
                &other.id,
                self.restores.never_stored(),
            );
            conclude(items, one.index, format!("{}; restore only one of them", refusal.reason));
        }
        let mut number = 0..;
        refused.retain(|_| number.next().is_none_or(|number| !rivals.contains_key(&number)));
        refused
    }

    /// Writes the documents of a group in one transaction.
    async fn write_together(
        &self,
        key: &Key,
        items: &mut [PlannedItem],
        group: &mut [Refused],
    ) -> Result<Transaction, Error> {
        let Some(steps) = steps(&group.iter().map(|one| &one.exchange).collect::<Vec<_>>()) else {
            return Ok(Transaction::Refused);
        };
        if bytes(&steps, group) > MAX_BYTES {
            leave_out_stamps(group);
        }
        let bytes = bytes(&steps, group);
        // The service decides whether a single document is too large.
        if steps.len() > 1 && (steps.len() > MAX_OPERATIONS || bytes > MAX_BYTES) {
            let limit = format!(
                "the documents that exchange values need {} operations and {bytes} bytes in one transaction; allowed are \
                 {MAX_OPERATIONS} and {MAX_BYTES}",
                steps.len()
            );
            for refused in group {
                let refusal = items.get_mut(refused.index).and_then(|item| item.refusal.take());
                conclude(items, refused.index, format!("{}; {limit}", refusal.map(|it| it.reason).unwrap_or_default()));
                if let Some(item) = items.get_mut(refused.index) {
                    item.retry = Some(UniqueKeyRetry::Done);
                }
            }
            return Ok(Transaction::Concluded(0.0));
        }
        let charge = loop {
            let writes: Vec<BatchWrite<'_>> = steps.iter().filter_map(|step| batch_write(*step, group)).collect();
            let charge = retry(self.deadline, || self.container.write_batch(key, &writes)).await?;
            // It may have been refused because a document is too large with its stamp.
            if charge.is_some() || !leave_out_stamps(group) {
                break charge;
            }
        };
        let mut is_any_written = false;
        for Refused { index, body, live, .. } in group.iter() {
            let Some(item) = items.get_mut(*index) else { continue };
            let now = self.live(&item.name()).await?;
            // If the transaction was refused, an earlier attempt whose reply was lost may have been executed.
            let comparison = self.compare(now.as_ref(), Some(body));
            let is_changed = comparison == Comparison::Different;
            let is_written = match comparison {
                Comparison::Own => true,
                Comparison::Same | Comparison::Unclear => charge.is_some(),
                // Another writer has changed it since.
                Comparison::Different => charge.is_some() || self.is_stamped(now.as_ref()),
            };
            if is_written {
                is_any_written = true;
                item.action = if live.is_some() { Action::Replace } else { Action::Create };
                let together = "written in one transaction with others, for a unique key".to_owned();
                let together = (steps.len() > 1).then_some(together);
                let field = self.restores.stamp_fields().next().filter(|_| body.is_without_stamp());
                let stamp = field.map(|_| self.restores.left_out_stamp_message());
                let changed = is_changed.then(|| CHANGED_SINCE.to_owned());
                let messages: Vec<String> = together.into_iter().chain(stamp).chain(changed).collect();
                item.message = (!messages.is_empty()).then(|| messages.join("; "));
                item.restored_etag = now.filter(|_| !is_changed).and_then(|now| now.etag);
                item.refusal = None;
            }
        }
        let is_concluded = charge.is_some() || is_any_written;
        Ok(if is_concluded { Transaction::Concluded(charge.unwrap_or_default()) } else { Transaction::Refused })
    }

    /// Says why a document was refused again, now that the others of the restore have their outcome.
    async fn explain(&self, key: &Key, items: &mut [PlannedItem], refused: &Refused) -> Result<(), Error> {
        let Some(item) = items.get(refused.index) else { return Ok(()) };
        let live = self.live(&item.name()).await?;
        if live.as_ref().and_then(|live| live.etag.as_deref()) != refused.live_etag() {
            conclude(items, refused.index, changed(live.as_ref()));
            return Ok(());
        }
        let refusals = self.refusals(key, &item.id, refused.body.document()).await?;
        let action_of_holder = |refusal: &Refusal| {
            let is_holder = |other: &&PlannedItem| {
                other.partition_key == item.partition_key && refusal.holder.as_ref() == Some(&other.id)
            };
            items.iter().find(is_holder).map(|other| other.action)
        };
        // A document that this restore does not write is the cause; one that it could not write is a consequence.
        let is_cause = |refusal: &&Refusal| {
            refusal.holder.is_some() && !matches!(action_of_holder(refusal), Some(Action::Conflict | Action::Failed))
        };
        let Some(refusal) = refusals.iter().find(is_cause).or(refusals.first()) else { return Ok(()) };
        let message = match action_of_holder(refusal) {
            Some(Action::Conflict | Action::Failed) => {
                format!("{}; this restore could not change that document: see its message", refusal.reason)
            }
            Some(Action::Create | Action::Replace | Action::Merge) => {
                format!("{}, from this restore; restore only one of them", refusal.reason)
            }
            Some(Action::Delete | Action::Unchanged | Action::Kept | Action::Unknown) | None => refusal.message(),
        };
        conclude(items, refused.index, message);
        if let Some(item) = items.get_mut(refused.index) {
            // Documents on later pages of a job may still have its values.
            item.retry = item.retry.or(Some(UniqueKeyRetry::Waiting));
        }
        Ok(())
    }

    /// Reads a refused document again; `None` when it has changed since the plan. What is overwritten is saved to the history first.
    async fn read_refused(&self, index: usize, item: &mut PlannedItem) -> Result<Option<Refused>, Error> {
        let name = item.name();
        if self.restores.erased(self.deadline).await?.contains(&name) {
            *item = PlannedItem::erased();
            return Ok(None);
        }
        let live = self.live(&name).await?;
        let etag = live.as_ref().and_then(|live| live.etag.clone());
        if etag != item.live_etag && !self.force {
            (item.message, item.refusal) = (Some(changed(live.as_ref())), None);
            return Ok(None);
        }
        let Some(mut body) = self.body(item, &name).await? else { return Ok(None) };
        body.keep_fields_of(live.as_ref());
        item.replaced_version = match &live {
            Some(live) => Some(self.save_version(&name, live).await?.into()),
            None => None,
        };
        let unique_keys = &self.container.definition().unique_keys;
        let held = live.as_ref().and_then(|live| live.document.as_ref());
        let exchange = Exchange {
            held: held.map(|held| unique_values(unique_keys, held)),
            wanted: unique_values(unique_keys, body.document()),
        };
        Ok(Some(Refused { index, id: name.id, body, live, exchange }))
    }
}

/// Gives a document that stays in conflict its final message.
fn conclude(items: &mut [PlannedItem], index: usize, message: String) {
    if let Some(item) = items.get_mut(index) {
        (item.message, item.refusal) = (Some(message), None);
    }
}

/// The bytes of the request of a transaction.
fn bytes(steps: &[Step], group: &[Refused]) -> usize {
    let documents: usize = group.iter().map(|refused| refused.body.document().to_string().len()).sum();
    let operation = |step: &Step| {
        let (Step::Create(number) | Step::Replace(number) | Step::Delete(number)) = *step;
        let name = group.get(number).map_or(0, |refused| refused.id.len() + refused.live_etag().map_or(0, str::len));
        OPERATION_BYTES + name
    };
    documents + steps.iter().map(operation).sum::<usize>()
}

/// Leaves out the stamps of documents whose size is near the limit. False when there are none.
fn leave_out_stamps(group: &mut [Refused]) -> bool {
    let mut any = false;
    for refused in group {
        any |= refused.body.leave_out_stamp_of_large();
    }
    any
}

fn batch_write(step: Step, group: &[Refused]) -> Option<BatchWrite<'_>> {
    let (Step::Create(number) | Step::Replace(number) | Step::Delete(number)) = step;
    let refused = group.get(number)?;
    let document = refused.body.document();
    Some(match step {
        Step::Create(_) => BatchWrite::Create(document),
        Step::Replace(_) => BatchWrite::Replace(&refused.id, document, refused.live_etag()?),
        Step::Delete(_) => BatchWrite::Delete(&refused.id, refused.live_etag()?),
    })
}
