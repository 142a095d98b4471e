//! Whether a backup of the policy is a full one or an increment, and of which backup.

use changefeed_backup_format::{BackupLocation, Content, Inventory, Source, StoredBackup, missing_segment};
use changefeed_cosmos::{Error, SourceName};
use chrono::{DateTime, NaiveDateTime, Utc};

use super::deletes::DeletesKnown;
use super::interval::Interval;
use super::policy_record::PolicyRun;
use crate::backup::format_error;

/// The form of the name of a slot's folder. Names sort by time.
const FOLDER: &str = "%Y-%m-%dT%H%M%SZ";

/// The name of the folder of a slot of a source. Several sources may share a location.
pub(super) fn folder_of(slot: DateTime<Utc>, source: &SourceName) -> String {
    let slot = slot.format(FOLDER);
    if source.is_default() { slot.to_string() } else { format!("{source}-{slot}") }
}

/// The time by which a backup is counted: the slot that its folder is named after, or when it was started.
pub(super) fn time_of(backup: &StoredBackup) -> DateTime<Utc> {
    let of_source = backup.name.split_once('-').filter(|(source, _)| source.parse::<SourceName>().is_ok());
    let name = of_source.map_or(backup.name.as_str(), |(_, slot)| slot);
    let slot = NaiveDateTime::parse_from_str(name, FOLDER).map(|slot| slot.and_utc());
    slot.unwrap_or_else(|_| backup.header.started_at.time())
}

/// Whether a backup has all live documents of a container.
pub(super) fn is_of_policy(backup: &StoredBackup, source: &Source) -> bool {
    let header = &backup.header;
    header.source == *source && header.filter.is_empty() && matches!(header.content, Content::Live {})
}

/// What is backed up, and what is known of it.
pub(super) struct Wanted<'w> {
    pub slot: DateTime<Utc>,
    pub source: &'w Source,
    /// The container whose change feed is read.
    pub resource_id: &'w str,
    pub full_every: Interval,
    pub deletes: &'w DeletesKnown,
    /// The last run of the policy that has succeeded.
    pub last_done: Option<&'w PolicyRun>,
}

/// The backup that an increment continues, or why a full backup is taken.
pub(super) enum Choice<'i> {
    Increment(&'i StoredBackup),
    Full(String),
}

impl Wanted<'_> {
    /// Chooses the newest backup below a location, if an increment that continues it can be restored.
    pub(super) async fn choose<'i>(
        &self,
        location: &BackupLocation,
        inventory: &'i Inventory,
    ) -> Result<Choice<'i>, Error> {
        let full = |why: String| Ok(Choice::Full(why));
        let own = inventory.backups.iter().filter(|backup| is_of_policy(backup, self.source));
        let newest = own.max_by_key(|backup| (backup.header.started_at, time_of(backup)));
        if let Some(last) = self.last_done
            && newest.is_none_or(|newest| newest.header.id != last.backup)
        {
            return full(format!("the last backup, {}, is missing or damaged, or another one is newer", last.backup));
        }
        let Some(newest) = newest else { return full("there is no earlier backup at the location".into()) };
        let chain = match inventory.chain(newest) {
            Ok(chain) => chain,
            Err(broken) => return full(broken),
        };
        let began = chain.first().map_or(self.slot, |first| time_of(first));
        if self.slot - began >= self.full_every.duration() {
            return full(format!("a full one is due every {}", self.full_every));
        }
        let newest_id = &newest.header.id;
        if let DeletesKnown::No(why) = self.deletes {
            return full(format!("deletes are not known: {why}"));
        }
        if !self.last_done.is_some_and(|last| last.deletes_known) {
            return full(format!("deletes may not have been captured since the last backup, {newest_id}"));
        }
        if newest.feed_resource_id.as_deref() != Some(self.resource_id) {
            return full(format!(
                "the last backup, {newest_id}, has no position in the change feed of this container: it was created again"
            ));
        }
        for backup in chain {
            let folder = location.child(&backup.name).map_err(format_error)?;
            if let Some(damage) = missing_segment(&folder).await.map_err(format_error)? {
                return full(format!("backup {} is damaged: {damage}", backup.header.id));
            }
        }
        Ok(Choice::Increment(newest))
    }
}
