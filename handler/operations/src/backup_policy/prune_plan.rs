//! Which backups are deleted: a plan from what is at the location. Nothing is read or written here.

use std::collections::{BTreeMap, BTreeSet};

use changefeed_backup_format::{Content, Damage, Digest, Inventory, OtherState, Source, StoredBackup};
use changefeed_cosmos::timestamp;
use changefeed_history::TimeZone;
use serde::Serialize;

use super::base::{is_of_policy, time_of};
use super::keep::{Keep, KeptAs};
use crate::digests::is_digests_folder;

/// What becomes of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PruneAction {
    /// The rules keep it, or a backup that is kept needs it.
    Keep,
    /// It is not one that the rules are for.
    Leave,
    /// It is deleted.
    Delete,
}

/// A folder below the location.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrunedFolder {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: PruneAction,
    /// Why.
    pub reason: String,
    /// The id of the backup, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// The time by which it is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The size of its files, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(skip)]
    pub(super) digest: Option<Digest>,
    /// The digest of the backup that it continues.
    #[serde(skip)]
    pub(super) continues: Option<Digest>,
}

/// The plan: what is deleted comes last, in the order of deletion, which is increments before what they continue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrunePlan {
    /// All folders below the location.
    pub folders: Vec<PrunedFolder>,
}

impl PrunePlan {
    /// Whether the plan deletes the same backup.
    pub(super) fn deletes(&self, folder: &PrunedFolder) -> bool {
        self.deleted().any(|other| other.name == folder.name && other.digest == folder.digest)
    }

    /// What is deleted, in this order.
    pub fn deleted(&self) -> impl Iterator<Item = &PrunedFolder> {
        self.folders.iter().filter(|folder| folder.action == PruneAction::Delete)
    }
}

/// What is known when a plan is made.
pub(super) struct Known<'k> {
    pub inventory: &'k Inventory,
    /// The container whose backups are pruned.
    pub source: &'k Source,
    pub zone: &'k TimeZone,
    /// The names of the folders that backups under way continue.
    pub in_use: &'k BTreeSet<String>,
}

impl Known<'_> {
    pub(super) fn plan(&self, keep: Keep) -> PrunePlan {
        let backups = &self.inventory.backups;
        let mut folders = BTreeMap::<&str, PrunedFolder>::new();
        let mut counted: Vec<&StoredBackup> = Vec::new();
        // The backups whose chains must stay, and how a message names each.
        let mut roots: Vec<(Digest, String)> = Vec::new();
        for backup in backups {
            match self.left_because(backup) {
                None => counted.push(backup),
                Some(reason) => {
                    folders.insert(&backup.name, folder(backup, PruneAction::Leave, reason));
                    roots.extend(earlier(backup).map(|digest| (digest, backup.header.id.clone())));
                }
            }
        }
        let times: Vec<_> = counted.iter().map(|backup| time_of(backup)).collect();
        for (backup, kinds) in counted.iter().zip(keep.of_times(&times, self.zone)) {
            let is_used = self.in_use.contains(&backup.name);
            if !kinds.is_empty() || is_used {
                let reason = if kinds.is_empty() { "a backup under way continues it".into() } else { kept_as(&kinds) };
                folders.insert(&backup.name, folder(backup, PruneAction::Keep, reason));
                roots.extend(earlier(backup).map(|digest| (digest, backup.header.id.clone())));
            }
        }
        let mut unknown = None;
        for other in &self.inventory.others {
            let reason = match &other.state {
                OtherState::Unfinished(header) => {
                    let continued = header.incremental_from.as_ref().map(|earlier| earlier.digest);
                    roots.extend(continued.map(|digest| (digest, header.id.clone())));
                    format!("backup {} is not finished", header.id)
                }
                OtherState::Damaged(damage) => {
                    if matches!(damage, Damage::NewerFormat { .. }) {
                        unknown = Some(other.name.as_str());
                    }
                    damage.to_string()
                }
                OtherState::NoBackup if is_digests_folder(&other.name) => "digests of the history".to_owned(),
                OtherState::NoBackup => "it is not a backup".to_owned(),
            };
            let left = PrunedFolder {
                name: other.name.clone(),
                action: PruneAction::Leave,
                reason,
                backup: None,
                time: None,
                bytes: None,
                digest: None,
                continues: None,
            };
            folders.insert(&other.name, left);
        }
        self.keep_chains(roots, &mut folders);
        let mut rest: Vec<&StoredBackup> =
            counted.into_iter().filter(|backup| !folders.contains_key(backup.name.as_str())).collect();
        if let Some(unknown) = unknown {
            for backup in std::mem::take(&mut rest) {
                let reason = format!("{unknown} is of a newer format, and may continue it");
                folders.insert(&backup.name, folder(backup, PruneAction::Keep, reason));
            }
        }
        // An increment has a longer chain than what it continues.
        rest.sort_by_cached_key(|backup| (std::cmp::Reverse(self.depth(backup)), time_of(backup)));
        let deleted = rest.into_iter().map(|backup| folder(backup, PruneAction::Delete, "no rule keeps it".to_owned()));
        let mut plan: Vec<PrunedFolder> = folders.into_values().collect();
        plan.extend(deleted);
        PrunePlan { folders: plan }
    }

    /// Why the rules are not for a backup; none if they are.
    fn left_because(&self, backup: &StoredBackup) -> Option<String> {
        let header = &backup.header;
        if header.source != *self.source {
            return Some(format!(
                "it is of container {} of database {}",
                header.source.container, header.source.database
            ));
        }
        if !is_of_policy(backup, self.source) {
            return Some(match (header.content, header.filter.is_empty()) {
                (Content::AsOf { moment }, _) => format!("it is as of {moment}"),
                (Content::Live {}, _) => format!("it has a filter: {}", header.filter.join(", ")),
            });
        }
        self.inventory.chain(backup).err()
    }

    /// Keeps what the chains of backups have.
    fn keep_chains<'f>(&'f self, mut roots: Vec<(Digest, String)>, folders: &mut BTreeMap<&'f str, PrunedFolder>) {
        while let Some((digest, needed_by)) = roots.pop() {
            let Some(backup) = self.inventory.by_digest(digest) else { continue };
            if !folders.contains_key(backup.name.as_str()) {
                let kept = folder(backup, PruneAction::Keep, format!("{needed_by} needs it"));
                folders.insert(&backup.name, kept);
                roots.extend(earlier(backup).map(|digest| (digest, needed_by)));
            }
        }
    }

    /// The length of the chain of a backup.
    fn depth(&self, backup: &StoredBackup) -> usize {
        self.inventory.chain(backup).map_or(0, |chain| chain.len())
    }
}

/// The digest of the backup that another one continues.
pub(super) fn earlier(backup: &StoredBackup) -> Option<Digest> {
    backup.header.incremental_from.as_ref().map(|earlier| earlier.digest)
}

fn folder(backup: &StoredBackup, action: PruneAction, reason: String) -> PrunedFolder {
    PrunedFolder {
        name: backup.name.clone(),
        action,
        reason,
        backup: Some(backup.header.id.clone()),
        time: Some(timestamp(time_of(backup))),
        bytes: Some(backup.compressed_bytes),
        digest: Some(backup.digest),
        continues: earlier(backup),
    }
}

fn kept_as(kinds: &BTreeSet<KeptAs>) -> String {
    let names = kinds.iter().map(|kind| match kind {
        KeptAs::Daily => "daily",
        KeptAs::Weekly => "weekly",
        KeptAs::Monthly => "monthly",
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use changefeed_backup_format::{BackupHeader, OtherFolder};
    use chrono::{DateTime, Utc};

    use super::*;

    fn source() -> Source {
        Source {
            account: "a".into(),
            database: "d".into(),
            container: "c".into(),
            partition_key_paths: vec!["/pk".into()],
        }
    }

    /// A full backup of a day.
    fn full(day: u32) -> StoredBackup {
        let name = format!("2026-11-{day:02}T020000Z");
        let started: DateTime<Utc> = format!("2026-11-{day:02}T02:00:07Z").parse().expect("a time");
        let header = BackupHeader {
            id: format!("b{day}"),
            source: source(),
            content: Content::Live {},
            filter: Vec::new(),
            incremental_from: None,
            started_at: started.into(),
            created_by: "test".into(),
        };
        StoredBackup { digest: Digest::of(name.as_bytes()), name, header, feed_resource_id: None, compressed_bytes: 7 }
    }

    /// The actions of the newest backup and then of older ones, when one a day is kept.
    fn actions(inventory: &Inventory, in_use: &[&str]) -> Vec<PruneAction> {
        let in_use = in_use.iter().map(|name| (*name).to_owned()).collect();
        let known = Known { inventory, source: &source(), zone: &TimeZone::UTC, in_use: &in_use };
        let plan = known.plan(Keep { daily: 1, ..Keep::default() });
        let action = |backup: &StoredBackup| {
            plan.folders.iter().find(|folder| folder.name == backup.name).map(|folder| folder.action).expect("a folder")
        };
        inventory.backups.iter().rev().map(action).collect()
    }

    #[test]
    fn nothing_is_deleted_that_a_backup_of_a_newer_format_or_one_under_way_may_need() {
        use PruneAction::{Delete, Keep};
        let mut inventory = Inventory { backups: vec![full(1), full(2), full(3)], others: Vec::new() };
        assert_eq!(actions(&inventory, &[]), [Keep, Delete, Delete]);
        assert_eq!(actions(&inventory, &["2026-11-01T020000Z"]), [Keep, Delete, Keep]);
        let state = OtherState::Damaged(Damage::NewerFormat { found: 3, known: 2 });
        inventory.others.push(OtherFolder { name: "later".into(), state });
        assert_eq!(actions(&inventory, &[]), [Keep, Keep, Keep]);
    }
}
