//! A chain: a full backup and the incremental backups that continue it.

use super::digest::Digest;
use super::manifest::{BackupHeader, Manifest};

/// Checks that manifests, each with its digest, form a chain: a full backup, then its increments in order, without a gap.
///
/// # Errors
/// Says where the chain is broken, and what to do about it.
pub fn check_chain(backups: &[(Manifest, Digest)]) -> Result<(), String> {
    let Some(((base, _), _)) = backups.split_first() else { return Err("no backup given".into()) };
    if let Some(earlier) = &base.backup.incremental_from {
        return Err(format!("{} is incremental; list {} before it", base.backup.id, earlier.id));
    }
    for pair in backups.windows(2) {
        let [(before, digest), (after, _)] = pair else { continue };
        check_link(&before.backup, *digest, &after.backup)?;
    }
    Ok(())
}

/// Checks that a backup continues another one, whose manifest has this digest.
pub(crate) fn check_link(before: &BackupHeader, digest: Digest, after: &BackupHeader) -> Result<(), String> {
    let (before_id, after_id) = (&before.id, &after.id);
    match &after.incremental_from {
        Some(earlier) if earlier.digest != digest => {
            Err(format!("{after_id} continues {}, not {before_id}", earlier.id))
        }
        Some(earlier) if earlier.since > before.complete_until() => Err(format!(
            "the changes between {} and {} are in neither {before_id} nor {after_id}",
            before.complete_until(),
            earlier.since
        )),
        Some(_) if after.source != before.source => {
            Err(format!("{after_id} and {before_id} are backups of different containers"))
        }
        Some(_) if after.filter != before.filter => Err(format!("{after_id} and {before_id} have different filters")),
        Some(_) => Ok(()),
        None => Err(format!("{after_id} is a full backup and does not continue {before_id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{EarlierBackup, tests::header};
    use crate::timestamp::Timestamp;
    use chrono::DateTime;

    fn at(second: i64) -> Timestamp {
        DateTime::from_timestamp(second, 0).expect("time").into()
    }

    /// A backup started at a second, which may continue another one from a second on.
    fn backup(id: &str, started: i64, from: Option<(&(Manifest, Digest), i64)>) -> (Manifest, Digest) {
        let mut header = header();
        (header.id, header.started_at) = (id.to_owned(), at(started));
        header.incremental_from =
            from.map(|((manifest, digest), since)| EarlierBackup { since: at(since), ..manifest.as_earlier(*digest) });
        let manifest = Manifest::new(header, at(started + 1), Vec::new());
        let (_, digest) = manifest.encode().expect("text");
        (manifest, digest)
    }

    #[test]
    fn a_chain_has_a_full_backup_first_and_no_gap() {
        let base = backup("base", 100, None);
        let first = backup("first", 200, Some((&base, 100)));
        let second = backup("second", 300, Some((&first, 150)));
        let check =
            |chain: &[&(Manifest, Digest)]| check_chain(&chain.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
        assert_eq!(check(&[&base]), Ok(()));
        assert_eq!(check(&[&base, &first, &second]), Ok(()));
        assert!(check(&[]).is_err());
        assert!(check(&[&first, &second]).expect_err("no base").contains("list base before"));
        assert!(check(&[&base, &second]).expect_err("one left out").contains("continues first, not base"));
        assert!(check(&[&base, &base]).expect_err("two bases").contains("full backup"));
        let late = backup("late", 300, Some((&first, 201)));
        assert!(check(&[&base, &first, &late]).expect_err("gap").contains("in neither"));
    }
}
