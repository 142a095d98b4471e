//! Request charges, in request units.
//!
//! Sources: Microsoft's pages "Understand request units consumption in Azure Cosmos DB" (sizes, index terms, patch, feeds), "Optimize
//! request cost in Azure Cosmos DB" (reads of 100 KB, replaces) and the query metrics on the pages about query performance. All figures
//! are for one region and session consistency. What has no published figure says so.

mod size;
mod terms;

use size::{KILOBYTE, read_units, write_units};

pub(crate) use terms::{ChangedTerms, PathStep, changed_terms, terms};

/// A refused operation, such as a read of a missing item. An estimate: no figure is published.
pub(crate) const REFUSED: f64 = 1.0;
/// A page of the list of partition key ranges. An estimate.
pub(crate) const PARTITION_KEY_RANGES: f64 = 1.0;
/// A read of a database, container or offer, or of a list of them. An estimate.
pub(crate) const READ_RESOURCE: f64 = 1.0;
/// A create or delete of a database or container, as a write of 1 KB. An estimate.
pub(crate) const WRITE_RESOURCE: f64 = 4.95;
/// A call of the change feed without its items.
const CHANGE_FEED_CALL: f64 = 2.0;
/// A term that is added to the index or removed from it.
const INDEX_TERM: f64 = 0.2;
/// An operation of a patch, beside the replace.
const PATCH_OPERATION: f64 = 0.4;

/// A point read of an item of this size.
pub(crate) fn read(bytes: usize) -> f64 {
    read_units(bytes)
}

/// A create, or an upsert that creates. `terms` is the number of the item's index terms.
pub(crate) fn create(bytes: usize, terms: usize) -> f64 {
    write_units(bytes) + index(terms)
}

/// A replace, or an upsert that replaces: a delete and an insert, and the change of the index.
pub(crate) fn replace(old_bytes: usize, new_bytes: usize, changed: ChangedTerms) -> f64 {
    write_units(old_bytes) + write_units(new_bytes) + index(changed.removed + changed.added)
}

/// The operations of a patch, beside the replace.
pub(crate) fn patch_operations(operations: usize) -> f64 {
    PATCH_OPERATION * operations as f64
}

/// A delete. It removes the item's terms from the index.
pub(crate) fn delete(bytes: usize, terms: usize) -> f64 {
    create(bytes, terms)
}

/// A call of the change feed, in either mode, that returns items of this total size. Each is charged as its point read.
pub(crate) fn change_feed(items: usize, bytes: usize) -> f64 {
    CHANGE_FEED_CALL + read_all(items, bytes)
}

/// A page of a read of all items. Each is charged as its point read.
pub(crate) fn read_feed(items: usize, bytes: usize) -> f64 {
    read_all(items, bytes).max(1.0)
}

/// A page of a query.
///
/// `loaded_bytes` is the total size of the documents that the service would load: of those that satisfy the filters which the index
/// can decide, or of all in the range where it decides none. A query of values in the index loads no documents.
pub(crate) fn query(loaded_bytes: usize, rows: usize, rows_bytes: usize) -> f64 {
    const BASE: f64 = 2.3;
    const LOADED_KILOBYTE: f64 = 0.0104;
    const ROW: f64 = 0.27;
    const ROW_KILOBYTE: f64 = 0.04;
    let kilobytes = |bytes: usize| bytes as f64 / KILOBYTE;
    BASE + LOADED_KILOBYTE * kilobytes(loaded_bytes) + ROW * rows as f64 + ROW_KILOBYTE * kilobytes(rows_bytes)
}

fn index(terms: usize) -> f64 {
    INDEX_TERM * terms as f64
}

fn read_all(items: usize, bytes: usize) -> f64 {
    match bytes.checked_div(items) {
        Some(average) => read_units(average) * items as f64,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: usize = 1024;

    /// Published figures, each with its tolerance of 20%.
    #[track_caller]
    fn assert_about(charge: f64, published: f64) {
        assert!((charge / published - 1.0).abs() <= 0.2, "{charge} instead of {published}");
    }

    #[test]
    fn the_examples_of_writes() {
        let changed = ChangedTerms { removed: 2, added: 2 };
        assert_about(create(KB, 10), 7.0);
        assert_about(replace(KB, KB, changed), 10.8);
        assert_about(replace(KB, KB, changed) + patch_operations(2), 11.6);
        assert_about(delete(KB, 10), 7.0);
        // "Inserting a 1 KB item without indexing costs around ~5.5 RUs. Replacing an item costs two times the charge."
        assert_about(create(KB, 0), 5.5);
        assert_about(replace(KB, KB, ChangedTerms::default()), 11.0);
        assert_about(create(100 * KB, 0), 50.0);
    }

    #[test]
    fn a_feed_costs_about_the_point_reads_of_its_items() {
        assert_about(read_feed(5, 5 * KB), 5.0);
        assert_about(change_feed(100, 100 * KB), 100.0);
        assert_about(change_feed(10, 1000 * KB), 100.0);
        assert_eq!(change_feed(0, 0), 2.0);
        assert_eq!(change_feed(30, 30 * 200), 32.0);
        assert_eq!(read_feed(0, 0), 1.0);
    }

    /// Request charges that are published with the query's metrics.
    #[test]
    fn the_queries_whose_metrics_are_published() {
        assert_about(query(9_963, 1, 10_012), 3.19);
        assert_about(query(1_125_600, 2_000, 1_125_600), 604.42);
        assert_about(query(399_998_938, 7, 510), 4_059.95);
        // One item of the same data, found by the index.
        assert_about(query(6_562, 1, 6_562), 2.98);
        assert_about(query(0, 0, 0), 2.3);
    }
}
