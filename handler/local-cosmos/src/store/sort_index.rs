//! An index of a container by one property, so that a page of a sorted query reads only the items that are on it.
//!
//! An index is made when a query needs it, and then kept with every write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::entry::Entry;
use crate::partition_key::{EffectiveKey, KeyRange};

/// The items of a container in the order of one property, for each partition key by itself or for the whole container.
#[derive(Debug)]
pub(crate) struct SortIndex {
    path: Vec<String>,
    is_by_key: bool,
    rows: BTreeSet<Row>,
    /// The number of items whose value has no bytes that are ordered like it. As long as there are any, the index is not used.
    unordered: usize,
    /// When it was used last, as a number that rises with each use of an index.
    used: AtomicU64,
}

/// The order of a scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SortOrder<'o> {
    pub path: &'o [String],
    /// Whether the scan is of one partition key.
    pub is_by_key: bool,
    /// The value to start at, which can be undefined.
    pub from: Option<Option<&'o Value>>,
    /// The last value.
    pub to: Option<&'o Value>,
    pub is_descending: bool,
}

/// An item: its key, its value in bytes that are ordered like values, and its number.
type Row = (EffectiveKey, Box<[u8]>, u64);

impl SortIndex {
    pub(super) fn new(path: &[String], is_by_key: bool) -> Self {
        Self { path: path.to_vec(), is_by_key, rows: BTreeSet::new(), unordered: 0, used: AtomicU64::new(next_use()) }
    }

    pub(super) fn mark_used(&self) {
        self.used.store(next_use(), Ordering::Relaxed);
    }

    pub(super) fn last_use(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn is_for(&self, path: &[String], is_by_key: bool) -> bool {
        self.path == path && self.is_by_key == is_by_key
    }

    pub(super) fn is_usable(&self) -> bool {
        self.unordered == 0
    }

    /// Adds an entry, whose body is `item`.
    pub(super) fn add(&mut self, entry: &Entry, item: &Value) {
        match self.row(entry, item) {
            Some(row) => drop(self.rows.insert(row)),
            None => self.unordered += 1,
        }
    }

    /// Removes an entry, whose body is `item`.
    pub(super) fn remove(&mut self, entry: &Entry, item: &Value) {
        match self.row(entry, item) {
            Some(row) => drop(self.rows.remove(&row)),
            None => self.unordered -= 1,
        }
    }

    /// The numbers of the items with keys of a range, those with equal values by their numbers. With `from`, items before that value
    /// are left out, and with `to` those after that one. By key, the range is one key; otherwise the caller selects the items of the range.
    pub(super) fn numbers<'i>(
        &'i self,
        range: &KeyRange,
        order: &SortOrder<'_>,
    ) -> Option<Box<dyn Iterator<Item = u64> + 'i>> {
        let key = if self.is_by_key { range.min.clone() } else { EffectiveKey::smallest() };
        let first = order.from.map(ordered_bytes);
        let last = order.to.map(|value| ordered_bytes(Some(value)));
        let (low, high) = if order.is_descending { (last, first) } else { (first, last) };
        let low = low.unwrap_or(Some(Vec::new()))?;
        let high = high.unwrap_or(Some(vec![u8::MAX]))?;
        if low > high {
            return Some(Box::new(std::iter::empty()));
        }
        let rows = self.rows.range((key.clone(), low.into(), 0)..=(key, high.into(), u64::MAX)).map(|row| row.2);
        Some(if order.is_descending { Box::new(rows.rev()) } else { Box::new(rows) })
    }

    /// The numbers of the items of a key with a value. `None` for an array or object.
    pub(super) fn equal<'i>(
        &'i self,
        key: &EffectiveKey,
        value: &Value,
    ) -> Option<impl Iterator<Item = u64> + use<'i>> {
        let bytes: Box<[u8]> = ordered_bytes(Some(value))?.into();
        let bounds = (key.clone(), bytes.clone(), 0)..=(key.clone(), bytes, u64::MAX);
        Some(self.rows.range(bounds).map(|row| row.2))
    }

    fn row(&self, entry: &Entry, item: &Value) -> Option<Row> {
        let value = self.path.iter().try_fold(item, |value, name| value.as_object()?.get(name));
        let key = if self.is_by_key { entry.epk.clone() } else { EffectiveKey::smallest() };
        Some((key, ordered_bytes(value)?.into(), entry.document))
    }
}

fn next_use() -> u64 {
    static USES: AtomicU64 = AtomicU64::new(0);
    USES.fetch_add(1, Ordering::Relaxed)
}

/// Bytes whose order is that of ORDER BY: undefined, null, false, true, numbers, texts. `None` for arrays and objects.
fn ordered_bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    const SIGN: u64 = 1 << 63;
    Some(match value {
        None => vec![0],
        Some(Value::Null) => vec![1],
        Some(Value::Bool(false)) => vec![2],
        Some(Value::Bool(true)) => vec![3],
        Some(Value::Number(number)) => {
            // Adding zero makes the negative zero a positive one.
            let bits = (number.as_f64()? + 0.0).to_bits();
            let ordered = if bits < SIGN { bits | SIGN } else { !bits };
            [&[4], ordered.to_be_bytes().as_slice()].concat()
        }
        // The order of UTF-8 bytes is that of code points.
        Some(Value::String(text)) => [&[5], text.as_bytes()].concat(),
        Some(Value::Array(_) | Value::Object(_)) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_are_ordered_like_values() {
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-2),
            json!(-1.5),
            json!(0),
            json!(1e-300),
            json!(7),
            json!(1e300),
            json!(""),
            json!("A"),
            json!("a"),
            json!("ab"),
            json!("b"),
            json!("\u{10000}"),
        ];
        let bytes: Vec<_> = [None].into_iter().chain(values.iter().map(Some)).map(ordered_bytes).collect();
        assert!(bytes.windows(2).all(|pair| pair[0] < pair[1]), "{bytes:?}");
        assert_eq!(ordered_bytes(Some(&json!(-0.0))), ordered_bytes(Some(&json!(0))));
        assert_eq!((ordered_bytes(Some(&json!([]))), ordered_bytes(Some(&json!({})))), (None, None));
    }
}
