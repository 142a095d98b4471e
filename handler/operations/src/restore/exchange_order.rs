//! Documents that exchange values of unique keys: which of them must be written together, and in which order.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::unique_keys::UniqueValues;

/// The unique values of a document, before and after its write.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Those that it has; `None` if it does not exist.
    pub held: Option<UniqueValues>,
    /// Those that it is to have.
    pub wanted: UniqueValues,
}

/// A write of the document of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create(usize),
    Replace(usize),
    Delete(usize),
}

/// Another document that is to have the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rival {
    /// Its number.
    pub number: usize,
    /// The number of the unique key.
    pub unique_key: usize,
}

/// A value of the unique key of a number.
type Named = (usize, String);

fn named(values: &UniqueValues) -> impl Iterator<Item = Named> {
    values.iter().enumerate().map(|(unique_key, values)| (unique_key, format!("{values:?}")))
}

/// The documents that cannot all be written, because two of them are to have the same value. Each has one of its rivals.
pub(super) fn rivals(documents: &[&Exchange]) -> BTreeMap<usize, Rival> {
    let mut rivals = BTreeMap::new();
    let mut first: HashMap<Named, usize> = HashMap::new();
    for (number, document) in documents.iter().enumerate() {
        for (unique_key, value) in named(&document.wanted) {
            let other = *first.entry((unique_key, value)).or_insert(number);
            if other != number {
                rivals.entry(number).or_insert(Rival { number: other, unique_key });
                rivals.entry(other).or_insert(Rival { number, unique_key });
            }
        }
    }
    rivals
}

/// Groups of documents that must be written together, because they exchange values: each is to have a value that another one of its
/// group has, directly or through others. A group comes after those that have values which it needs.
pub(super) fn groups(documents: &[&Exchange]) -> Vec<Vec<usize>> {
    let mut holders: HashMap<Named, usize> = HashMap::new();
    for (number, document) in documents.iter().enumerate() {
        holders.extend(document.held.iter().flat_map(named).map(|value| (value, number)));
    }
    let mut needed: Edges = vec![Vec::new(); documents.len()];
    let mut needed_by = needed.clone();
    for (number, document) in documents.iter().enumerate() {
        let others = named(&document.wanted).filter_map(|value| holders.get(&value).copied());
        for other in others.filter(|other| *other != number) {
            needed.get_mut(number).into_iter().for_each(|edges| edges.push(other));
            needed_by.get_mut(other).into_iter().for_each(|edges| edges.push(number));
        }
    }
    // Kosaraju's algorithm: strongly connected components, in a topological order.
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for number in 0..documents.len() {
        order.extend(reached(number, &needed_by, &mut seen));
    }
    seen.clear();
    let groups = order.into_iter().rev().map(|number| reached(number, &needed, &mut seen));
    let mut groups: Vec<Vec<usize>> = groups.filter(|group| !group.is_empty()).collect();
    groups.iter_mut().for_each(|members| members.sort_unstable());
    groups
}

/// For each document, the numbers of others.
type Edges = Vec<Vec<usize>>;

/// The documents that are reached from one and were not seen before: each after those that are reached from it.
fn reached(start: usize, edges: &Edges, seen: &mut HashSet<usize>) -> Vec<usize> {
    let mut reached = Vec::new();
    let mut path: Vec<(usize, usize)> = Vec::from_iter(seen.insert(start).then_some((start, 0)));
    while let Some((number, next)) = path.last_mut() {
        let edge = edges.get(*number).and_then(|edges| edges.get(*next)).copied();
        *next += 1;
        match edge {
            Some(other) if seen.insert(other) => path.push((other, 0)),
            Some(_) => {}
            None => {
                reached.push(*number);
                path.pop();
            }
        }
    }
    reached
}

/// An order of writes in which each unique value is free when a document takes it. `None` when two documents are to have the same
/// value.
pub(super) fn steps(documents: &[&Exchange]) -> Option<Vec<Step>> {
    let mut held: Vec<Option<&UniqueValues>> = documents.iter().map(|document| document.held.as_ref()).collect();
    let mut pending: Vec<(usize, &UniqueValues)> =
        documents.iter().enumerate().map(|(number, document)| (number, &document.wanted)).collect();
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
    use proptest::prelude::*;
    use serde_json::json;

    fn exchange(held: Option<&[u8]>, wanted: &[u8]) -> Exchange {
        let values = |values: &[u8]| values.iter().map(|value| vec![json!(value)]).collect();
        Exchange { held: held.map(values), wanted: values(wanted) }
    }

    /// Documents of one unique key, each with the value that it has, 0 for none, and the one that it is to have.
    fn documents(values: &[(u8, u8)]) -> Vec<Exchange> {
        let document = |(held, wanted): &(u8, u8)| exchange((*held > 0).then_some(&[*held][..]), &[*wanted]);
        values.iter().map(document).collect()
    }

    fn order(values: &[(u8, u8)]) -> Option<Vec<Step>> {
        let documents = documents(values);
        steps(&documents.iter().collect::<Vec<_>>())
    }

    fn groups_of(values: &[(u8, u8)]) -> Vec<Vec<usize>> {
        let documents = documents(values);
        groups(&documents.iter().collect::<Vec<_>>())
    }

    #[test]
    fn documents_that_exchange_values_are_deleted_replaced_and_created_in_an_order_without_duplicates() {
        use Step::{Create, Delete, Replace};
        assert_eq!(order(&[(1, 2)]), Some(vec![Replace(0)]));
        assert_eq!(order(&[(1, 2), (2, 3)]), Some(vec![Replace(1), Replace(0)]));
        assert_eq!(order(&[(0, 1), (1, 2)]), Some(vec![Replace(1), Create(0)]));
        assert_eq!(order(&[(1, 2), (2, 1)]), Some(vec![Delete(0), Replace(1), Create(0)]));
        assert_eq!(order(&[(1, 2), (2, 3), (3, 1)]), Some(vec![Delete(0), Replace(2), Replace(1), Create(0)]));
        assert_eq!(order(&[(0, 1), (0, 1)]), None);
    }

    #[test]
    fn only_documents_that_exchange_values_are_in_one_group() {
        let sorted = |values: &[(u8, u8)]| {
            let mut groups = groups_of(values);
            groups.sort_unstable();
            groups
        };
        assert_eq!(sorted(&[(1, 2), (3, 9), (2, 1)]), [vec![0, 2], vec![1]]);
        assert_eq!(sorted(&[(1, 2), (5, 6), (2, 3), (6, 5), (3, 1)]), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(sorted(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn documents_that_need_values_of_others_come_after_them_in_groups_of_their_own() {
        assert_eq!(groups_of(&[(1, 2), (3, 4), (2, 3)]), [[1], [2], [0]]);
        assert_eq!(groups_of(&[(9, 2), (1, 2), (2, 1)]), [vec![1, 2], vec![0]]);
        let chain: Vec<(u8, u8)> = (1..250).map(|value| (value, value + 1)).collect();
        assert_eq!(groups_of(&chain), (0..249).rev().map(|number| vec![number]).collect::<Vec<_>>());
    }

    #[test]
    fn values_of_different_unique_keys_are_different_values() {
        let documents = [exchange(Some(&[1, 2]), &[3, 4]), exchange(Some(&[4, 3]), &[2, 1])];
        assert_eq!(groups(&documents.iter().collect::<Vec<_>>()).len(), 2);
        let documents = [exchange(None, &[1, 2]), exchange(None, &[2, 2])];
        let rivals = rivals(&documents.iter().collect::<Vec<_>>());
        assert_eq!(rivals.get(&0), Some(&Rival { number: 1, unique_key: 1 }));
        assert_eq!(rivals.get(&1), Some(&Rival { number: 0, unique_key: 1 }));
    }

    /// Up to eight documents with two unique keys, whose values of each key are all different now.
    fn any_documents() -> impl Strategy<Value = Vec<Exchange>> {
        let distinct = || Just((0..8).collect::<Vec<u8>>()).prop_shuffle();
        let wanted = proptest::collection::vec((any::<bool>(), 0..12_u8, 0..12_u8), 0..8);
        (distinct(), distinct(), wanted).prop_map(|(first, second, wanted)| {
            let held = first.into_iter().zip(second);
            let document = |((exists, one, other), (first, second)): ((bool, u8, u8), (u8, u8))| {
                exchange(exists.then_some(&[first, second][..]), &[one, other])
            };
            wanted.into_iter().zip(held).map(document).collect()
        })
    }

    fn has_duplicates(live: &[Option<UniqueValues>]) -> bool {
        let mut seen = HashSet::new();
        live.iter().flatten().flat_map(named).any(|value| !seen.insert(value))
    }

    proptest! {
        #[test]
        fn groups_are_written_in_their_order_without_duplicates_whether_or_not_others_are_written(
            documents in any_documents(),
            is_written in proptest::collection::vec(any::<bool>(), 8),
        ) {
            let all: Vec<&Exchange> = documents.iter().collect();
            let rivals = rivals(&all);
            let rest: Vec<&Exchange> =
                all.iter().enumerate().filter(|(number, _)| !rivals.contains_key(number)).map(|(_, one)| *one).collect();
            let groups = groups(&rest);
            let mut members: Vec<usize> = groups.iter().flatten().copied().collect();
            members.sort_unstable();
            prop_assert_eq!(members, (0..rest.len()).collect::<Vec<_>>(), "each document is in one group");
            let mut live: Vec<Option<UniqueValues>> = rest.iter().map(|document| document.held.clone()).collect();
            let mut is_all_written = true;
            for (group, is_written) in groups.iter().zip(is_written) {
                let others = live.iter().enumerate().filter(|(number, _)| !group.contains(number));
                let taken: HashSet<Named> = others.flat_map(|(_, values)| values).flat_map(named).collect();
                let is_refused = group.iter().flat_map(|number| named(&rest[*number].wanted)).any(|it| taken.contains(&it));
                prop_assert!(!is_refused || !is_all_written, "{:?} of {:?} comes too early", group, rest);
                if is_refused || !is_written {
                    is_all_written = false;
                    continue;
                }
                let together: Vec<&Exchange> = group.iter().map(|number| rest[*number]).collect();
                let steps = steps(&together);
                prop_assert!(steps.is_some(), "{:?}", together);
                for step in steps.into_iter().flatten() {
                    let (Step::Create(number) | Step::Replace(number) | Step::Delete(number)) = step;
                    let document = &mut live[group[number]];
                    prop_assert_eq!(document.is_some(), !matches!(step, Step::Create(_)));
                    *document = (!matches!(step, Step::Delete(_))).then(|| together[number].wanted.clone());
                    prop_assert!(!has_duplicates(&live), "{:?} of {:?}", step, together);
                }
                prop_assert!(group.iter().all(|number| live[*number].as_ref() == Some(&rest[*number].wanted)));
            }
        }
    }
}
