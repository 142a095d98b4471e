//! Reads documents again that the host may have rewritten: together, as far as their names are certain.

use std::collections::HashMap;

use changefeed_cosmos::{DocumentName, Error, KeyComponent, retry};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::context::Context;
use super::permanent::is_permanent;
use super::{fidelity, identity};
use crate::observed::{Observed, Unusable};
use crate::version::Operation;

/// A change as it was delivered.
pub(super) struct Seen {
    pub observed: Observed,
    /// Whether the host may have rewritten something in its document, or the document lacks a property, so that it is read again.
    is_doubtful: bool,
    /// Whether the host may have rewritten something in its previous image.
    is_previous_doubtful: bool,
    /// Whether its id or its key may be another one.
    is_in_doubt: bool,
    /// Whether the capture filter excludes its document for certain.
    pub is_excluded: bool,
}

impl Context<'_> {
    /// Reads a change; `image` is the same change as the feed has it, if it was read again.
    pub(super) fn see(&self, payload: &str, image: Option<Observed>) -> Result<Seen, Unusable> {
        let may_be_rewritten = self.batch.rewritten_by_host && image.is_none();
        let observed = image.map_or_else(|| Observed::parse(payload, self.monitored.key_paths()), Ok)?;
        let is_suspicious = |document: &Value| may_be_rewritten && fidelity::may_be_rewritten(document);
        let is_in_doubt = may_be_rewritten && identity::is_in_doubt(&observed);
        let is_named = || !may_be_rewritten || is_named_for_certain(&observed);
        let is_excluded = self.rules.has_filter() && is_named() && self.rules.excludes(&name_of(&observed));
        // The host leaves no trace of a property `_lsn` of the document's own.
        let lacks_own_lsn = observed.lacks_own_lsn
            || may_be_rewritten && observed.operation == Operation::Write && self.history.may_have_own_lsn();
        let is_doubtful = |document: &Value| lacks_own_lsn || is_in_doubt || is_suspicious(document);
        Ok(Seen {
            is_doubtful: observed.document.as_ref().is_some_and(is_doubtful),
            is_previous_doubtful: observed.previous.as_ref().is_some_and(is_suspicious),
            is_in_doubt,
            is_excluded,
            observed,
        })
    }

    /// Replaces a body that the host may have rewritten, or that lacks a property, by the stored one, if that is still the same
    /// version, and an id and a key by the stored ones. Returns whether the document is exact, or that its id and key are not known.
    pub(super) async fn exact(
        &self,
        seen: Seen,
        stored: Option<Value>,
    ) -> Result<Result<(Observed, bool), Unusable>, Error> {
        let Seen { mut observed, is_doubtful, is_previous_doubtful, is_in_doubt, .. } = seen;
        let paths = self.monitored.key_paths();
        let mut exact = !is_previous_doubtful;
        if let Some(document) = observed.document.as_ref().filter(|_| is_doubtful) {
            exact = false;
            let stored = match stored {
                Some(stored) => Ok(Some(stored)),
                None => self.stored(&observed, document).await,
            };
            let stored = match stored {
                Ok(stored) => stored,
                // An item that can never be read must not block the others.
                Err(error) if is_permanent(&error) => None,
                Err(error) => return Err(error),
            };
            if let Some(stored) = &stored {
                self.history.note_own_lsn(stored);
            }
            let current = stored.map(|stored| Observed::of_document(stored, observed.operation, observed.lsn, paths));
            if let Some(Ok(current)) = current {
                // The id and the key of an item never change, so they are right even if its content has changed since.
                if current.etag == observed.etag {
                    let previous = observed.previous.take();
                    return Ok(Ok((Observed { previous, ..current }, !is_previous_doubtful)));
                }
                observed.rename(current.id, current.partition_key, paths);
                return Ok(Ok((observed, false)));
            }
        }
        if is_in_doubt {
            let changes = self.history.changes().open().await?;
            match identity::known_key(&changes, self.deadline, &observed).await? {
                Some(key) => observed.rename(observed.id.clone(), key, paths),
                None => return Ok(Err(identity::unknown(&observed))),
            }
        }
        Ok(Ok((observed, exact)))
    }

    /// The stored documents of changes that must be read again, by their resource ids: those that could be read together.
    pub(super) async fn stored_together(&self, seen: impl Iterator<Item = &Seen>) -> HashMap<String, Value> {
        let is_together = |seen: &&Seen| seen.is_doubtful && !seen.is_excluded && is_named_for_certain(&seen.observed);
        let named = seen
            .filter(is_together)
            .filter_map(|seen| Some((resource_id_of(&seen.observed)?, name_of(&seen.observed))));
        let names: Vec<DocumentName> = named.collect::<HashMap<_, _>>().into_values().collect();
        if names.len() < 2 {
            return HashMap::new();
        }
        // What cannot be read together is read by itself.
        let read = retry(self.deadline, || self.monitored.read_together(&names)).await.unwrap_or_default();
        read.into_iter().filter_map(|stored| Some((stored["_rid"].as_str()?.to_owned(), stored))).collect()
    }

    /// The stored item: by its id and key, or by its resource id where the host may have rewritten those.
    async fn stored(&self, observed: &Observed, document: &Value) -> Result<Option<Value>, Error> {
        if is_named_for_certain(observed) {
            return retry(self.deadline, || self.monitored.read(&observed.partition_key, &observed.id)).await;
        }
        let parameters = Map::from_iter([("@rid".to_owned(), document["_rid"].clone())]);
        retry(self.deadline, || async {
            let items =
                self.monitored.select::<Value>("SELECT * FROM c WHERE c._rid = @rid", &parameters, None).await?;
            items.boxed().try_next().await
        })
        .await
    }
}

/// The resource id of the document of a write.
pub(super) fn resource_id_of(observed: &Observed) -> Option<&str> {
    observed.document.as_ref()?["_rid"].as_str()
}

/// The name of a document.
pub(super) fn name_of(observed: &Observed) -> DocumentName {
    DocumentName { id: observed.id.clone(), partition_key: observed.partition_key.clone() }
}

/// Whether the host cannot have rewritten the id and the key.
fn is_named_for_certain(observed: &Observed) -> bool {
    let texts = observed.partition_key.components().iter().filter_map(|component| match component {
        KeyComponent::Text(text) => Some(text),
        _ => None,
    });
    !texts.chain([&observed.id]).any(|text| fidelity::text_may_be_rewritten(text))
}
