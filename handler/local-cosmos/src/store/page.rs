//! A page: the part of a log that one request returns.

/// A page of a change feed.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub entries: Vec<T>,
    /// The position of the next page.
    pub next: u64,
}

/// The limits of a page. A page has at least one entry if there is one, and never a part of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimit {
    pub items: usize,
    pub bytes: usize,
}

/// An entry that may be added to a page.
pub(crate) struct Candidate<T> {
    pub entry: T,
    pub bytes: usize,
    /// The same for all entries of a transaction; they are never on different pages.
    pub transaction: u64,
}

impl<T> Page<T> {
    /// Adds entries of `log` until the page is full. `log` has numbers in ascending order, with `None` for an entry that was not
    /// requested. `after` is the number before the first one, `last` the newest in the log.
    pub(crate) fn fill(
        log: impl Iterator<Item = (u64, Option<Candidate<T>>)>,
        after: u64,
        last: u64,
        limit: PageLimit,
    ) -> Self {
        let mut page = Self { entries: Vec::new(), next: after.max(last) };
        let (mut bytes, mut transaction, mut number_before) = (0, 0, after);
        for (number, candidate) in log {
            if let Some(candidate) = candidate {
                let full = page.entries.len() >= limit.items || bytes + candidate.bytes > limit.bytes;
                if full && !page.entries.is_empty() && candidate.transaction != transaction {
                    page.next = number_before;
                    break;
                }
                bytes += candidate.bytes;
                transaction = candidate.transaction;
                page.entries.push(candidate.entry);
            }
            number_before = number;
        }
        page
    }
}
