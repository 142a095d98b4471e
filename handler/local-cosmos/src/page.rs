//! How much of a log is read at once.

/// What is read of a change feed at once.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub entries: Vec<T>,
    /// Where the next page starts.
    pub next: u64,
}

/// The most of a page. It has at least one entry if there is one, and no transaction in part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimit {
    pub items: usize,
    pub bytes: usize,
}

/// An entry that may go on a page.
pub(crate) struct Candidate<T> {
    pub entry: T,
    pub bytes: usize,
    /// Entries of one transaction have the same; they are never on different pages.
    pub transaction: u64,
}

impl<T> Page<T> {
    /// Takes of `log` (numbers in order, and what of them is wanted) what fits. `after` is the number that the log is read
    /// from, `last` its newest.
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
