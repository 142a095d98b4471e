//! Entries and versions as they are stored: a line of JSON, then the items.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::PersistenceError;
use crate::partition_key::EffectiveKey;
use crate::store::entry::Entry;
use crate::store::version_log::{Change, Removal, Version};

#[derive(Serialize, Deserialize)]
struct EntryHead {
    document: u64,
    position: u64,
    transaction: u64,
    epk: String,
    id: Box<str>,
    key: Box<str>,
    etag: Box<str>,
    ts: i64,
    ttl: Option<i64>,
    lsn: u64,
    has_own_lsn: bool,
    /// The bytes of the item.
    size: usize,
}

#[derive(Serialize, Deserialize)]
struct VersionHead {
    logged_at: i64,
    previous_lsn: Option<u64>,
    change: ChangeHead,
    previous: Option<EntryHead>,
}

#[derive(Serialize, Deserialize)]
enum ChangeHead {
    Created(EntryHead),
    Replaced(EntryHead),
    Deleted { epk: String, id: Box<str>, key: Box<str>, ts: i64, lsn: u64, is_expired: bool },
}

impl EntryHead {
    fn of(entry: &Entry) -> Self {
        Self {
            document: entry.document,
            position: entry.position,
            transaction: entry.transaction,
            epk: entry.epk.to_string(),
            id: entry.id.clone(),
            key: entry.key.clone(),
            etag: entry.etag.clone(),
            ts: entry.ts,
            ttl: entry.ttl,
            lsn: entry.lsn,
            has_own_lsn: entry.has_own_lsn,
            size: entry.body.len(),
        }
    }

    /// The entry, whose item is at the start of `items`.
    fn read(self, items: &mut &[u8]) -> Result<Entry, PersistenceError> {
        let (body, rest) = items.split_at_checked(self.size).ok_or_else(|| damaged("an item is cut"))?;
        *items = rest;
        Ok(Entry {
            document: self.document,
            position: self.position,
            transaction: self.transaction,
            epk: key(&self.epk)?,
            id: self.id,
            key: self.key,
            etag: self.etag,
            ts: self.ts,
            ttl: self.ttl,
            lsn: self.lsn,
            has_own_lsn: self.has_own_lsn,
            body: body.into(),
        })
    }
}

pub(super) fn write_entry(entry: &Entry) -> Result<Vec<u8>, PersistenceError> {
    write(&EntryHead::of(entry), [entry])
}

pub(super) fn read_entry(record: &[u8]) -> Result<Entry, PersistenceError> {
    let (head, mut items) = split::<EntryHead>(record)?;
    head.read(&mut items)
}

pub(super) fn write_version(version: &Version, logged_at: i64) -> Result<Vec<u8>, PersistenceError> {
    let (change, current) = match &version.change {
        Change::Created(entry) => (ChangeHead::Created(EntryHead::of(entry)), Some(&**entry)),
        Change::Replaced(entry) => (ChangeHead::Replaced(EntryHead::of(entry)), Some(&**entry)),
        Change::Deleted(removal) => {
            let Removal { epk, id, key, ts, lsn, is_expired } = Removal::clone(removal);
            (ChangeHead::Deleted { epk: epk.to_string(), id, key, ts, lsn, is_expired }, None)
        }
    };
    let previous = version.previous.as_deref();
    let head =
        VersionHead { logged_at, previous_lsn: version.previous_lsn, change, previous: previous.map(EntryHead::of) };
    write(&head, current.into_iter().chain(previous))
}

/// The version, and when it was logged.
pub(super) fn read_version(record: &[u8]) -> Result<(Version, i64), PersistenceError> {
    let (head, mut items) = split::<VersionHead>(record)?;
    let change = match head.change {
        ChangeHead::Created(entry) => Change::Created(Arc::new(entry.read(&mut items)?)),
        ChangeHead::Replaced(entry) => Change::Replaced(Arc::new(entry.read(&mut items)?)),
        ChangeHead::Deleted { epk, id, key: header, ts, lsn, is_expired } => {
            Change::Deleted(Arc::new(Removal { epk: key(&epk)?, id, key: header, ts, lsn, is_expired }))
        }
    };
    let previous = head.previous.map(|entry| entry.read(&mut items)).transpose()?.map(Arc::new);
    Ok((Version { change, previous_lsn: head.previous_lsn, previous }, head.logged_at))
}

fn write<'e>(head: &impl Serialize, entries: impl IntoIterator<Item = &'e Entry>) -> Result<Vec<u8>, PersistenceError> {
    let mut record = serde_json::to_vec(head)?;
    record.push(b'\n');
    for entry in entries {
        record.extend_from_slice(&entry.body);
    }
    Ok(record)
}

fn split<'r, T: Deserialize<'r>>(record: &'r [u8]) -> Result<(T, &'r [u8]), PersistenceError> {
    let end = record.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("its head is cut"))?;
    Ok((serde_json::from_slice(&record[..end])?, &record[end + 1..]))
}

fn key(hex: &str) -> Result<EffectiveKey, PersistenceError> {
    EffectiveKey::from_hex(hex).ok_or_else(|| damaged("an effective key is not hexadecimal"))
}

fn damaged(what: &str) -> PersistenceError {
    PersistenceError(format!("a record is damaged: {what}"))
}
