//! Operations on one item, within a transaction.

use std::sync::Arc;

use query_engine::{Document, Query};
use serde_json::Value;

use super::checks::{NewItem, check_item};
use super::item_checks::ItemRefusal;
use crate::charges::{self, ChangedTerms, PathStep, changed_terms, terms};
use crate::etag;
use crate::index_policy::IndexPolicy;
use crate::partition_key::{EffectiveKey, KeyDefinition, KeyValue, header_text};
use crate::patch::{Patch, PatchError};
use crate::reply::PARTITION_KEY_MISMATCH;
use crate::store::PersistenceError;
use crate::store::{Draft, Entry, SYSTEM_PROPERTIES, Transaction};

const ID_EXISTS: &str = "Entity with the specified id already exists in the system.";

/// What a request does with an item.
#[derive(Debug)]
pub(crate) enum ItemOperation {
    Create(NewItem),
    Upsert(NewItem),
    /// The id is that of the request.
    Replace(String, NewItem),
    Patch(String, Patch),
    Read(String),
    Delete(String),
}

impl ItemOperation {
    /// The id of the item, if the operation has one.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Create(item) | Self::Upsert(item) => item.value["id"].as_str(),
            Self::Replace(id, _) | Self::Patch(id, _) | Self::Read(id) | Self::Delete(id) => Some(id),
        }
    }

    /// The item to store, if the operation has it whole.
    pub(crate) fn item(&self) -> Option<&Value> {
        match self {
            Self::Create(item) | Self::Upsert(item) | Self::Replace(_, item) => Some(&item.value),
            Self::Patch(..) | Self::Read(_) | Self::Delete(_) => None,
        }
    }
}

/// The etags that a request requires or excludes.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

/// The partition key that a request names.
#[derive(Debug)]
pub(crate) struct RequestKey {
    pub values: Vec<KeyValue>,
    pub epk: EffectiveKey,
}

/// An executed operation.
#[derive(Debug)]
pub(crate) struct Done {
    pub status: u16,
    /// The item as it is stored now; `None` if it was deleted.
    pub entry: Option<Arc<Entry>>,
    pub charge: f64,
}

/// An operation that the service refuses.
#[derive(Debug)]
pub(crate) struct Refused {
    pub status: u16,
    pub substatus: Option<&'static str>,
    pub code: &'static str,
    pub message: String,
    pub charge: f64,
}

impl From<ItemRefusal> for Refused {
    fn from(refusal: ItemRefusal) -> Self {
        match refusal {
            ItemRefusal::Invalid(message) => Self::bad_request(message),
            ItemRefusal::TooLarge(message) => Self::new(413, "RequestEntityTooLarge", message),
        }
    }
}

impl From<PersistenceError> for Refused {
    fn from(error: PersistenceError) -> Self {
        Self::new(503, "ServiceUnavailable", format!("The write could not be stored: {error}"))
    }
}

impl Refused {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, substatus: None, code, message: message.into(), charge: charges::REFUSED }
    }

    fn not_found() -> Self {
        Self::new(404, "NotFound", "Entity with the specified id does not exist in the system.")
    }

    fn conflict(message: &str) -> Self {
        Self::new(409, "Conflict", message)
    }

    fn precondition_failed() -> Self {
        Self::new(412, "PreconditionFailed", "One of the specified pre-condition is not met")
    }
}

/// The part of a container's definition that operations depend on.
#[derive(Debug)]
pub(crate) struct Rules<'c> {
    pub key: &'c KeyDefinition,
    pub index: &'c IndexPolicy,
}

/// Executes an operation. Its writes are part of the transaction.
pub(crate) fn execute(
    transaction: &mut Transaction<'_>,
    rules: &Rules<'_>,
    key: &RequestKey,
    operation: ItemOperation,
    conditions: &Conditions,
) -> Result<Done, Refused> {
    let definition = rules.key;
    match operation {
        ItemOperation::Create(item) => {
            check_key(definition, key, &item.value)?;
            match transaction.get(&key.epk, &item.id) {
                Some(_) => Err(Refused::conflict(ID_EXISTS)),
                None => store(transaction, rules, key, item, None),
            }
        }
        ItemOperation::Upsert(item) => {
            check_key(definition, key, &item.value)?;
            let existing = transaction.get(&key.epk, &item.id);
            if let Some(existing) = &existing {
                check_etag(existing, conditions)?;
            }
            store(transaction, rules, key, item, existing)
        }
        ItemOperation::Replace(id, item) => {
            check_key(definition, key, &item.value)?;
            let existing = find(transaction, key, &id, conditions)?;
            if item.id != id && transaction.get(&key.epk, &item.id).is_some() {
                return Err(Refused::conflict(ID_EXISTS));
            }
            store(transaction, rules, key, item, Some(existing))
        }
        ItemOperation::Patch(id, patch) => {
            let existing = find(transaction, key, &id, conditions)?;
            let item = patched(&existing, &patch, definition)?;
            check_key(definition, key, &item.value)?;
            let stored = store(transaction, rules, key, item, Some(existing))?;
            Ok(Done { charge: stored.charge + charges::patch_operations(patch.len()), ..stored })
        }
        ItemOperation::Read(id) => read(transaction.get(&key.epk, &id), conditions),
        ItemOperation::Delete(id) => {
            let existing = find(transaction, key, &id, conditions)?;
            transaction.remove(&existing, false);
            let terms = terms(&stored_item(&existing)?, &|path| rules.index.is_indexed(path));
            Ok(Done { status: 204, entry: None, charge: charges::delete(existing.body.len(), terms) })
        }
    }
}

/// Reads an item.
pub(crate) fn read(entry: Option<Arc<Entry>>, conditions: &Conditions) -> Result<Done, Refused> {
    let entry = entry.ok_or_else(Refused::not_found)?;
    let is_known = conditions.if_none_match.as_ref().is_some_and(|known| etag::matches(known, &entry.etag));
    let status = if is_known { 304 } else { 200 };
    Ok(Done { status, charge: charges::read(entry.body.len()), entry: Some(entry) })
}

/// The item to change, if it satisfies the condition of the request.
fn find(
    transaction: &Transaction<'_>,
    key: &RequestKey,
    id: &str,
    conditions: &Conditions,
) -> Result<Arc<Entry>, Refused> {
    let existing = transaction.get(&key.epk, id).ok_or_else(Refused::not_found)?;
    check_etag(&existing, conditions)?;
    Ok(existing)
}

fn check_etag(existing: &Entry, conditions: &Conditions) -> Result<(), Refused> {
    match &conditions.if_match {
        Some(asked) if !etag::matches(asked, &existing.etag) => Err(Refused::precondition_failed()),
        _ => Ok(()),
    }
}

fn check_key(definition: &KeyDefinition, key: &RequestKey, item: &Value) -> Result<(), Refused> {
    let values = definition.values_of(item).map_err(Refused::bad_request)?;
    if values == key.values {
        return Ok(());
    }
    let message = "PartitionKey extracted from document doesn't match the one specified in the header.";
    Err(Refused { substatus: Some(PARTITION_KEY_MISMATCH), ..Refused::bad_request(message) })
}

fn store(
    transaction: &mut Transaction<'_>,
    rules: &Rules<'_>,
    key: &RequestKey,
    item: NewItem,
    existing: Option<Arc<Entry>>,
) -> Result<Done, Refused> {
    let is_indexed = |path: &[PathStep<'_>]| rules.index.is_indexed(path);
    let changed = match &existing {
        Some(existing) => changed_terms(&stored_item(existing)?, &item.value, &is_indexed),
        None => ChangedTerms { removed: 0, added: terms(&item.value, &is_indexed) },
    };
    let draft = Draft {
        epk: key.epk.clone(),
        key: header_text(&key.values).into(),
        id: item.id.into(),
        ttl: item.ttl,
        item: item.value,
    };
    let Ok(entry) = transaction.put(draft, existing.clone()) else {
        return Err(Refused::conflict("Unique index constraint violation."));
    };
    let (status, charge) = match existing {
        Some(existing) => (200, charges::replace(existing.body.len(), entry.body.len(), changed)),
        None => (201, charges::create(entry.body.len(), changed.added)),
    };
    Ok(Done { status, entry: Some(entry), charge })
}

/// The item as the client wrote it.
fn stored_item(entry: &Entry) -> Result<Value, Refused> {
    let mut item: Value = serde_json::from_slice(&entry.body)
        .map_err(|error| Refused::new(500, "InternalServerError", format!("The stored item is damaged: {error}")))?;
    if let Some(members) = item.as_object_mut() {
        for name in SYSTEM_PROPERTIES {
            members.shift_remove(name);
        }
    }
    Ok(item)
}

fn patched(existing: &Entry, patch: &Patch, definition: &KeyDefinition) -> Result<NewItem, Refused> {
    let mut item = stored_item(existing)?;
    if let Some(condition) = patch.condition() {
        let condition = Query::parse_condition(condition).map_err(|error| Refused::bad_request(error.to_string()))?;
        // The condition can name system properties too.
        let stored = serde_json::from_slice(&existing.body).unwrap_or_default();
        let document = Document { value: Arc::new(stored), position: existing.document };
        let holds = condition.matches(&document).map_err(|error| Refused::bad_request(error.to_string()))?;
        if !holds {
            return Err(Refused::precondition_failed());
        }
    }
    patch.apply(&mut item, definition).map_err(|error| {
        let substatus = matches!(error, PatchError::PartitionKey(_)).then_some(PARTITION_KEY_MISMATCH);
        Refused { substatus, ..Refused::bad_request(error.to_string()) }
    })?;
    Ok(check_item(item)?)
}
