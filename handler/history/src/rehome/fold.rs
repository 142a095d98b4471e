//! Which copies of a document's changes are changes of their own, and in which order.
//!
//! A function that stores each change under a random id stores it again when a batch is delivered again. With sequence numbers, copies
//! with the same number and content are one change, and the numbers are the order. Without, the order is that of the copies' times, and
//! a copy with the content of the one before it is the same change.

use std::collections::HashSet;

/// A copy of a change, or a version that the history has.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeToFold {
    /// The id of the copy; `None` for a version of the history.
    pub copy_id: Option<String>,
    /// In seconds since 1970.
    pub second: i64,
    /// The sequence number.
    pub lsn: Option<i64>,
    /// The digest of the document; `None` for a removal.
    pub digest: Option<[u8; 32]>,
}

/// A change that the history lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedChange {
    /// The id of the copy that has its document.
    pub copy_id: String,
    /// Its time, in seconds since 1970: not after that of any later change.
    pub second: i64,
}

/// The changes that the history lacks, oldest first. The result depends on the set of copies, not on their order.
pub fn fold_changes(mut changes: Vec<ChangeToFold>) -> Vec<FoldedChange> {
    let is_numbered = changes.iter().all(|change| change.lsn.is_some());
    let place = |change: &ChangeToFold| {
        let lsn = change.lsn.filter(|_| is_numbered);
        (lsn, change.second, change.copy_id.is_some(), change.digest, change.copy_id.clone())
    };
    changes.sort_by_cached_key(place);
    let mut folded = Vec::new();
    let mut seen = HashSet::new();
    let mut before: Option<[u8; 32]> = None;
    for change in &changes {
        let is_known = match is_numbered {
            // Versions of the history come first, unless their number is that of another container.
            true => !seen.insert((change.lsn, change.digest)),
            false => before.is_some() && before == change.digest,
        };
        before = change.digest;
        if let Some(copy_id) = change.copy_id.clone().filter(|_| !is_known) {
            folded.push(FoldedChange { copy_id, second: change.second });
        }
    }
    if is_numbered {
        not_after_later_ones(&mut folded, &changes);
    }
    folded
}

/// Sets the time of each change to the earliest one of its copies and of the changes after it: a copy can be made long after the change.
fn not_after_later_ones(folded: &mut [FoldedChange], changes: &[ChangeToFold]) {
    let mut earliest = i64::MAX;
    let mut left = folded.iter_mut().rev().peekable();
    for change in changes.iter().rev() {
        earliest = earliest.min(change.second);
        if let Some(folded) = left.next_if(|folded| Some(&folded.copy_id) == change.copy_id.as_ref()) {
            folded.second = earliest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copy(id: &str, second: i64, lsn: Option<i64>, content: u8) -> ChangeToFold {
        ChangeToFold { copy_id: Some(id.to_owned()), second, lsn, digest: Some([content; 32]) }
    }

    fn version(second: i64, lsn: Option<i64>, content: Option<u8>) -> ChangeToFold {
        ChangeToFold { copy_id: None, second, lsn, digest: content.map(|content| [content; 32]) }
    }

    fn folded(changes: Vec<ChangeToFold>) -> Vec<(String, i64)> {
        fold_changes(changes).into_iter().map(|change| (change.copy_id, change.second)).collect()
    }

    fn expected(changes: &[(&str, i64)]) -> Vec<(String, i64)> {
        changes.iter().map(|(id, second)| ((*id).to_owned(), *second)).collect()
    }

    #[test]
    fn copies_of_one_change_are_one_and_a_value_that_comes_back_is_another() {
        let changes =
            vec![copy("a", 10, None, 1), copy("again", 12, None, 1), copy("b", 20, None, 2), copy("back", 30, None, 1)];
        assert_eq!(folded(changes), expected(&[("a", 10), ("b", 20), ("back", 30)]));
    }

    #[test]
    fn numbers_are_the_order_and_no_change_is_later_than_the_next() {
        // The copy of the first change was made when its batch was delivered again, after the second one.
        let changes =
            vec![copy("second", 10, Some(2), 2), copy("first", 15, Some(1), 1), copy("twice", 16, Some(2), 2)];
        assert_eq!(folded(changes), expected(&[("first", 10), ("second", 10)]));
    }

    #[test]
    fn a_change_that_was_captured_is_not_imported() {
        let changes = vec![copy("a", 10, Some(1), 1), copy("b", 21, Some(2), 2), version(20, Some(2), Some(2))];
        assert_eq!(folded(changes), expected(&[("a", 10)]));
        let changes = vec![copy("a", 10, None, 1), version(20, Some(2), Some(2)), copy("b", 21, None, 2)];
        assert_eq!(folded(changes), expected(&[("a", 10)]));
        // A removal has no content.
        let changes =
            vec![version(5, None, None), copy("a", 10, None, 1), version(20, None, None), copy("b", 30, None, 1)];
        assert_eq!(folded(changes), expected(&[("a", 10), ("b", 30)]));
    }

    proptest! {
        #[test]
        fn each_change_is_folded_to_one_whatever_is_delivered_again(
            contents in prop::collection::vec(0_u8..3, 1..12),
            again in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..5), 0..12),
            is_numbered in any::<bool>(), rotate in any::<prop::sample::Index>(),
        ) {
            // Change n has the time 10 n. Without numbers, what is delivered again is copied before the next change.
            let lsn = |number: usize| is_numbered.then_some(number as i64);
            let second = |number: usize| 10 * number as i64;
            let mut changes: Vec<ChangeToFold> = contents
                .iter()
                .enumerate()
                .map(|(number, content)| copy(&format!("0-{number}"), second(number), lsn(number), *content))
                .collect();
            for (index, (which, late)) in again.iter().enumerate() {
                let number = which.index(contents.len());
                let late = if is_numbered { 100 * late } else { *late };
                changes.push(copy(&format!("{}-{number}", index + 1), second(number) + late, lsn(number), contents[number]));
            }
            let middle = rotate.index(changes.len());
            changes.rotate_left(middle);
            let number = |change: &FoldedChange| -> usize {
                change.copy_id.split_once('-').expect("a number").1.parse().expect("a number")
            };
            let folded = fold_changes(changes);
            let mut wanted: Vec<(usize, i64)> = Vec::new();
            for (number, content) in contents.iter().enumerate() {
                if is_numbered || number == 0 || contents[number - 1] != *content {
                    wanted.push((number, second(number)));
                }
            }
            let found: Vec<(usize, i64)> = folded.iter().map(|change| (number(change), change.second)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
