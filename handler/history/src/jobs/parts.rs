//! A container in parts that are read side by side, page by page; and where each of them is.

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};

use super::run::Run;
use crate::cosmos::{Container, Error, KeyRange, cut};

/// The most parts.
const MAX_PARTS: u64 = 256;

/// The parts, and how far each of those that were begun is. It is what a cursor consists of: its size does not depend on
/// how much there is to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Parts {
    /// Where one part ends and the next begins, as effective partition keys.
    bounds: Vec<String>,
    /// The number of the first part that was not begun.
    next: usize,
    active: Vec<Part>,
}

/// A part that was begun and is not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Its number.
    #[serde(rename = "part")]
    pub number: usize,
    /// The number of the next page.
    pub page: u32,
    /// Where the next page starts; nothing at the part's start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continuation: Option<String>,
}

/// A page that was done.
pub(crate) struct PartPage<T> {
    /// Where the next page starts; `None` at the part's end.
    pub continuation: Option<String>,
    /// Whether it took a number.
    pub is_numbered: bool,
    /// Whether an interrupted runner had begun with it: perhaps with the next one too.
    pub was_begun: bool,
    /// What came of it.
    pub result: T,
}

impl Parts {
    /// A single part: a partition key value, or what needs no bounds.
    pub fn one() -> Self {
        Self { bounds: vec![String::new(), "FF".to_owned()], ..Self::default() }
    }

    /// The parts of a container: at least its physical partitions, and more when there is much in it.
    pub async fn of(container: &Container, items: Option<u64>, part_items: u64) -> Result<Self, Error> {
        let wanted = items.unwrap_or_default().div_ceil(part_items.max(1)).min(MAX_PARTS);
        Ok(Self { bounds: cut(container.ranges().await?, wanted as usize), ..Self::default() })
    }

    /// The bounds of a part.
    pub fn range(&self, part: &Part) -> KeyRange {
        let bound = |number: usize| self.bounds.get(number).cloned().unwrap_or_default();
        KeyRange { min: bound(part.number), max: bound(part.number + 1) }
    }

    /// Whether every part was read to its end.
    pub fn is_done(&self) -> bool {
        self.active.is_empty() && self.next + 1 >= self.bounds.len()
    }

    fn begin(&mut self) -> Option<Part> {
        let part = Part { number: self.next, page: 0, continuation: None };
        if self.next + 1 >= self.bounds.len() {
            return None;
        }
        self.next += 1;
        self.active.push(part.clone());
        Some(part)
    }

    /// Moves a part on; where it is then, unless it is done.
    fn advance<T>(&mut self, number: usize, page: &PartPage<T>) -> Option<Part> {
        let index = self.active.iter().position(|part| part.number == number)?;
        if page.continuation.is_none() {
            self.active.swap_remove(index);
            return None;
        }
        let part = self.active.get_mut(index)?;
        part.page += u32::from(page.is_numbered);
        part.continuation.clone_from(&page.continuation);
        Some(part.clone())
    }
}

/// Reads the parts, several side by side, until all are done or the run is stopping. `page` does one page of a part, and
/// `None` when the run is stopping; it is told whether an interrupted runner may have begun with it. After each, `moved` is told where the parts are and what came of it.
///
/// # Errors
/// The first failure of a page, after those beside it have ended.
pub(crate) async fn read_parts<T, F: Future<Output = Result<Option<PartPage<T>>, Error>>>(
    run: &Run,
    mut parts: Parts,
    parallel: usize,
    page: impl Fn(Part, bool) -> F,
    mut moved: impl FnMut(&Parts, T) -> Result<(), Error>,
) -> Result<Parts, Error> {
    let start = |part: Part, may_be_begun: bool| {
        let number = part.number;
        page(part, may_be_begun).map(move |done| (number, done))
    };
    let mut pages: FuturesUnordered<_> = parts.active.clone().into_iter().map(|part| start(part, true)).collect();
    let mut failure = None;
    loop {
        while failure.is_none() && !run.is_stopping() && pages.len() < parallel {
            let Some(part) = parts.begin() else { break };
            pages.push(start(part, true));
        }
        let Some((number, done)) = pages.next().await else { break };
        match done {
            Ok(Some(done)) => {
                let (next, was_begun) = (parts.advance(number, &done), done.was_begun);
                moved(&parts, done.result)?;
                if let Some(part) = next.filter(|_| failure.is_none() && !run.is_stopping()) {
                    pages.push(start(part, was_begun));
                }
            }
            Ok(None) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(parts),
    }
}
