//! The elements of two arrays in one order: equal ones opposite to each other, and those that have moved as such.
//!
//! Equal elements are matched, the first with the first and so on. The longest run of matches in the order of both arrays stays; the other
//! matches have moved. The time is almost linear in the size of the arrays.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use changefeed_history::same_value;
use serde_json::Value;

/// What is at a place of both arrays, with positions in the first and in the second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Equal elements.
    Same(usize, usize),
    /// An element and the one that replaces it.
    Changed(usize, usize),
    /// An element of the first array that the second one has not.
    Removed(usize),
    /// An element of the second array that the first one has not.
    Added(usize),
    /// The first position of an element that moved; its place in the second array is given.
    MovedAway(usize, usize),
    /// The second position of an element that moved; its place in the first array is given.
    MovedHere(usize, usize),
}

/// Aligns two arrays. The steps have the elements of each array in its order.
pub fn align(before: &[Value], after: &[Value]) -> Vec<Step> {
    let is_same = |(one, other): &(&Value, &Value)| same_value(one, other);
    let first = before.iter().zip(after).take_while(is_same).count();
    let (old, new) = (&before[first..], &after[first..]);
    let last = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
    let (old, new) = (&old[..old.len() - last], &new[..new.len() - last]);

    let mut steps: Vec<Step> = (0..first).map(|at| Step::Same(at, at)).collect();
    let matches = matches(old, new);
    let mut middle = Middle {
        offset: first,
        away: matches.iter().copied().collect(),
        here: matches.iter().map(|(old, new)| (*new, *old)).collect(),
        steps: &mut steps,
    };
    let (mut from, mut to) = (0, 0);
    for (stays_old, stays_new) in longest_run(&matches) {
        middle.gap(from..stays_old, to..stays_new);
        middle.steps.push(Step::Same(first + stays_old, first + stays_new));
        (from, to) = (stays_old + 1, stays_new + 1);
    }
    middle.gap(from..old.len(), to..new.len());
    steps.extend((0..last).map(|at| Step::Same(before.len() - last + at, after.len() - last + at)));
    steps
}

/// The elements between those that stay.
struct Middle<'s> {
    offset: usize,
    away: HashMap<usize, usize>,
    here: HashMap<usize, usize>,
    steps: &'s mut Vec<Step>,
}

impl Middle<'_> {
    /// Elements that have not moved replace each other if they are equally many.
    fn gap(&mut self, old: std::ops::Range<usize>, new: std::ops::Range<usize>) {
        let left = old.clone().filter(|at| !self.away.contains_key(at)).count();
        let are_pairs = left == new.clone().filter(|at| !self.here.contains_key(at)).count();
        let mut new = new.peekable();
        for old in old {
            if let Some(to) = self.away.get(&old) {
                self.steps.push(Step::MovedAway(self.offset + old, self.offset + to));
            } else if are_pairs {
                let pair = new.by_ref().find(|at| {
                    let from = self.here.get(at);
                    self.steps.extend(from.map(|from| Step::MovedHere(self.offset + at, self.offset + from)));
                    from.is_none()
                });
                self.steps.extend(pair.map(|new| Step::Changed(self.offset + old, self.offset + new)));
            } else {
                self.steps.push(Step::Removed(self.offset + old));
            }
        }
        for new in new {
            self.steps.push(match self.here.get(&new) {
                Some(from) => Step::MovedHere(self.offset + new, self.offset + from),
                None => Step::Added(self.offset + new),
            });
        }
    }
}

/// The positions of equal elements, in the order of the first array. An element is matched once.
fn matches(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, value) in new.iter().enumerate().rev() {
        places.entry(digest(value)).or_default().push(at);
    }
    let mut next = |value: &Value| {
        let found = places.get_mut(&digest(value))?;
        let at = *found.last()?;
        // Values that are not equal may have the same digest.
        same_value(value, &new[at]).then(|| found.pop()).flatten()
    };
    old.iter().enumerate().filter_map(|(at, value)| Some((at, next(value)?))).collect()
}

/// The longest part of the matches whose order is the same in both arrays.
fn longest_run(matches: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length, the match with the smallest second position with which a run of this length ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(matches.len());
    for (number, (_, new)) in matches.iter().enumerate() {
        let length = ends.partition_point(|end| matches[*end].1 < *new);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(number);
        } else {
            ends[length] = number;
        }
    }
    let mut run: Vec<_> =
        std::iter::successors(ends.last().copied(), |number| before[*number]).map(|number| matches[number]).collect();
    run.reverse();
    run
}

/// A digest that is the same for equal values.
pub fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(value) => (1_u8, value).hash(&mut hasher),
        // 2 and 2.0 are equal, and so are 0 and -0.
        Value::Number(number) => (2_u8, (number.as_f64().unwrap_or_default() + 0.0).to_bits()).hash(&mut hasher),
        Value::String(text) => (3_u8, text).hash(&mut hasher),
        Value::Array(elements) => {
            (4_u8, elements.len()).hash(&mut hasher);
            elements.iter().for_each(|element| digest(element).hash(&mut hasher));
        }
        // The order of properties does not matter.
        Value::Object(properties) => {
            let of_property = |(name, value): (&String, &Value)| {
                let mut hasher = DefaultHasher::new();
                (name, digest(value)).hash(&mut hasher);
                hasher.finish()
            };
            let sum = properties.iter().map(of_property).fold(0_u64, u64::wrapping_add);
            (5_u8, properties.len(), sum).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn steps(before: &str, after: &str) -> String {
        let values = |text: &str| text.chars().map(|letter| json!(letter.to_string())).collect::<Vec<_>>();
        let (old, new) = (values(before), values(after));
        let letter = |values: &[Value], at: usize| values[at].as_str().unwrap_or_default().to_owned();
        let shown = align(&old, &new).into_iter().map(|step| match step {
            Step::Same(_, at) => letter(&new, at),
            Step::Changed(from, to) => format!("({}>{})", letter(&old, from), letter(&new, to)),
            Step::Removed(at) => format!("-{}", letter(&old, at)),
            Step::Added(at) => format!("+{}", letter(&new, at)),
            Step::MovedAway(at, _) => format!("[{}", letter(&old, at)),
            Step::MovedHere(at, _) => format!("{}]", letter(&new, at)),
        });
        shown.collect()
    }

    #[test]
    fn what_moved_is_not_removed_and_added() {
        for (before, after, expected) in [
            ("abc", "abc", "abc"),
            ("abcd", "bcda", "[abcda]"),
            ("abcd", "dabc", "d]abc[d"),
            ("abc", "axc", "a(b>x)c"),
            ("abc", "abxyc", "ab+x+yc"),
            ("abxyc", "abc", "ab-x-yc"),
            ("aa", "aaa", "aa+a"),
            ("xa", "axa", "+axa"),
            ("abxcd", "bycda", "[ab(x>y)cda]"),
            ("abc", "xyz", "(a>x)(b>y)(c>z)"),
            ("ab", "xyz", "-a-b+x+y+z"),
            ("", "a", "+a"),
        ] {
            assert_eq!(steps(before, after), expected, "{before} {after}");
        }
    }

    // With a comparison of each element with each other one, this would not end within the time that a test has.
    #[test]
    fn many_elements_are_aligned() {
        let before: Vec<Value> = (0..50_000).map(|n| json!({"n": n})).collect();
        let after: Vec<Value> = before.iter().rev().cloned().collect();
        assert_eq!(align(&before, &after).len(), 2 * 50_000 - 1);
    }

    proptest! {
        #[test]
        fn each_array_is_in_the_steps_in_its_order(before in "[a-f]{0,12}", after in "[a-f]{0,12}") {
            let values = |text: &str| text.chars().map(|letter| json!(letter.to_string())).collect::<Vec<_>>();
            let (old, new) = (values(&before), values(&after));
            let (mut of_old, mut of_new) = (Vec::new(), Vec::new());
            for step in align(&old, &new) {
                match step {
                    Step::Same(from, to) => {
                        prop_assert_eq!(&old[from], &new[to]);
                        of_old.push(from);
                        of_new.push(to);
                    }
                    Step::Changed(from, to) => {
                        of_old.push(from);
                        of_new.push(to);
                    }
                    Step::Removed(from) => of_old.push(from),
                    Step::Added(to) => of_new.push(to),
                    Step::MovedAway(from, to) => {
                        prop_assert_eq!(&old[from], &new[to]);
                        of_old.push(from);
                    }
                    Step::MovedHere(to, from) => {
                        prop_assert_eq!(&old[from], &new[to]);
                        of_new.push(to);
                    }
                }
            }
            prop_assert_eq!(of_old, (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(of_new, (0..new.len()).collect::<Vec<_>>());
        }
    }
}
