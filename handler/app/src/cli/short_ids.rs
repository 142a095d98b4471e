//! Short ids of versions, for tables. Every command accepts them.
//!
//! An id begins with the ten digits of its time. Among the versions of a document the time is what differs, so a short id has all of it,
//! and the id of a later version is never the same. Versions of one second differ in what follows: then a short id has as much of it as is
//! needed among the rows of the table.

use std::collections::HashSet;

use changefeed_history::VersionId;

/// The ids that are shown.
#[derive(Debug, Default)]
pub struct ShortIds {
    sorted: Vec<String>,
    is_wide: bool,
}

impl ShortIds {
    /// Short ids that differ from each other. With `is_wide`, all ids are shown in full.
    pub fn among<'a>(ids: impl IntoIterator<Item = &'a str>, is_wide: bool) -> Self {
        let distinct: HashSet<&str> = ids.into_iter().collect();
        let mut sorted: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        sorted.sort_unstable();
        Self { sorted, is_wide }
    }

    /// The shortest beginning of an id that no other shown id has.
    pub fn short<'a>(&self, id: &'a str) -> &'a str {
        let Some(least) = VersionId::from(id).second().map(|_| VersionId::TIME_DIGITS).filter(|_| !self.is_wide) else {
            return id;
        };
        let at = self.sorted.partition_point(|other| other.as_str() < id);
        let is_other = |other: &&String| other.as_str() != id;
        let neighbors = [at.checked_sub(1), Some(at), Some(at + 1)];
        let neighbors = neighbors.into_iter().flatten().filter_map(|at| self.sorted.get(at)).filter(is_other);
        let shared = neighbors.map(|other| shared(id, other)).max().unwrap_or(0);
        let end = least.max(shared + 1);
        // A dash alone distinguishes nothing for a reader.
        let end = if id[..end.min(id.len())].ends_with('-') { end + 1 } else { end };
        id.get(..end).unwrap_or(id)
    }
}

/// The number of bytes at the beginning that are the same.
fn shared(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_time_is_enough_unless_versions_have_the_same_second() {
        let ids = [
            "1592926406-0000c5f6-0000-0700-0000-5ef1a4860000",
            "1592926407-0000c5f7-0000-0700-0000-5ef1a4870000",
            "1592926407-0000d5f7-0000-0700-0000-5ef1a4870000",
            "1592926407-delete-20591",
            "1592926408-0000d5f7-0000-0700-0000-5ef1a4870000",
            "1592926408-0000d5f7-0000-0700-0000-5ef1a4870000-gone",
        ];
        let short = ShortIds::among(ids, false);
        let shown: Vec<&str> = ids.iter().map(|id| short.short(id)).collect();
        // The last id but one is the beginning of the last one, so it has no short form.
        let last = "1592926408-0000d5f7-0000-0700-0000-5ef1a4870000-g";
        assert_eq!(shown, ["1592926406", "1592926407-0000c", "1592926407-0000d", "1592926407-d", ids[4], last]);
        assert_eq!(ShortIds::among(ids, true).short(ids[0]), ids[0]);
        assert_eq!(ShortIds::among([], false).short("live"), "live");
    }

    proptest! {
        #[test]
        fn a_short_id_begins_one_shown_id_only(
            parts in prop::collection::vec((0_u32..3, "[0-9a-b]{1,4}(-exact|-gone)?"), 1..12),
        ) {
            let ids: Vec<String> = parts.iter().map(|(second, rest)| format!("{:010}-{rest}", 1_592_926_400 + second)).collect();
            let short = ShortIds::among(ids.iter().map(String::as_str), false);
            for id in &ids {
                let shown = short.short(id);
                prop_assert!(id.starts_with(shown) && shown.len() >= 10 && !shown.ends_with('-'));
                let others = ids.iter().filter(|other| *other != id && other.starts_with(shown));
                prop_assert!(shown == id || others.count() == 0, "{} of {:?}", shown, ids);
            }
        }
    }
}
