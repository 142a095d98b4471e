//! A container in parts that are read concurrently, page by page, and the position in each of them.

use changefeed_cosmos::{Container, Error, KeyRange, split_ranges};
use futures::StreamExt;
use futures::future::{Join, Ready, join, ready};
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

use crate::run::Run;

/// The most parts.
const MAX_PARTS: u64 = 256;

/// The parts, and the position in each of those that were started. Cursors consist of it: its size does not depend on how
/// much there is to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parts {
    /// Where one part ends and the next begins, as effective partition keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bounds: Vec<String>,
    /// The number of parts, where they have no bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    /// The number of the first part: of a portion, not 0.
    #[serde(skip_serializing_if = "is_zero")]
    first: usize,
    /// The number of the first part that was not started.
    next: usize,
    active: Vec<Part>,
    /// The number of items in all parts, where it is known and none was read.
    #[serde(skip)]
    items: u64,
    /// The ranges of the physical partitions, if none was read.
    #[serde(skip)]
    physical: Vec<KeyRange>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A part that was started and is not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its number.
    #[serde(rename = "part")]
    pub number: usize,
    /// The number of the next page.
    pub page: u32,
    /// Where the next page starts; `None` at the start of the part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continuation: Option<String>,
}

/// The outcome of a page.
pub struct PartPage<T> {
    /// Where the next page starts; `None` at the end of the part.
    pub continuation: Option<String>,
    /// Whether the page has a number, so that the next one has the next number.
    pub is_numbered: bool,
    /// Whether an interrupted worker had started it, and perhaps the next one too.
    pub was_begun: bool,
    /// The outcome.
    pub result: T,
}

impl Parts {
    /// A single part: a partition key value, or a source that needs no bounds.
    pub fn one() -> Self {
        Self { bounds: vec![String::new(), "FF".to_owned()], ..Self::default() }
    }

    /// This many parts, which only their numbers distinguish.
    pub fn numbered(count: usize) -> Self {
        Self { count: Some(count), ..Self::default() }
    }

    /// The parts of a container: at least one for each physical partition, and more when it has many items.
    ///
    /// # Errors
    /// When the ranges cannot be read.
    pub async fn of(container: &Container, items: Option<u64>, part_items: u64) -> Result<Self, Error> {
        let wanted = items.unwrap_or_default().div_ceil(part_items.max(1)).min(MAX_PARTS);
        let physical = container.ranges().await?;
        let bounds = split_ranges(physical.clone(), wanted as usize);
        Ok(Self { bounds, items: items.unwrap_or_default(), physical, ..Self::default() })
    }

    /// The range of a part.
    pub fn range(&self, part: &Part) -> KeyRange {
        let bound = |number: usize| self.bounds.get(number).cloned().unwrap_or_default();
        let index = part.number.saturating_sub(self.first);
        KeyRange { min: bound(index), max: bound(index + 1) }
    }

    /// Whether every part was read to its end.
    pub fn is_done(&self) -> bool {
        self.active.is_empty() && self.next >= self.end()
    }

    /// The same parts, which have so many items.
    pub fn with_items(self, items: u64) -> Self {
        Self { items, ..self }
    }

    pub(crate) fn items(&self) -> u64 {
        self.items
    }

    /// The parts after all of them were read.
    pub fn read(self) -> Self {
        Self { next: self.end(), active: Vec::new(), ..self }
    }

    /// The number of parts that were not read to their end.
    pub fn open(&self) -> usize {
        self.active.len() + self.end().saturating_sub(self.next)
    }

    /// The parts, none of which was started, as at least so many parts of about the same size.
    pub(crate) fn at_least(self, parts: usize) -> Self {
        let parts = parts.min(MAX_PARTS as usize);
        if self.physical.is_empty() || parts < self.bounds.len() {
            return self;
        }
        Self { bounds: split_ranges(self.physical.clone(), parts), ..self }
    }

    /// The parts, none of which was started, divided into so many portions of about the same size: fewer if there are not so many
    /// parts, and none without bounds.
    pub(crate) fn divided(&self, portions: usize) -> Vec<Self> {
        let parts = self.bounds.len().saturating_sub(1);
        let portions = portions.min(parts);
        let portion = |number: usize| {
            let (first, end) = (parts * number / portions, parts * (number + 1) / portions);
            let bounds = self.bounds[first..=end].to_vec();
            Self { bounds, first: self.first + first, next: self.first + first, ..Self::default() }
        };
        (0..portions).map(portion).collect()
    }

    /// The number after that of the last part.
    fn end(&self) -> usize {
        self.first + self.count.unwrap_or_else(|| self.bounds.len().saturating_sub(1))
    }

    fn begin(&mut self) -> Option<Part> {
        let part = Part { number: self.next, page: 0, continuation: None };
        if self.next >= self.end() {
            return None;
        }
        self.next += 1;
        self.active.push(part.clone());
        Some(part)
    }

    /// Advances a part; its new position, unless it is done.
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

/// Reads the parts, several concurrently, until all are done or the run is stopping. `page` processes one page of a part and
/// returns `None` when the run is stopping; its second argument is whether an interrupted worker may have started the page.
/// After each page, `advanced` gets the positions and the outcome.
///
/// # Errors
/// The first failure of a page, after the pages under way have ended.
pub async fn read_parts<T, F: Future<Output = Result<Option<PartPage<T>>, Error>>>(
    run: &Run,
    parts: Parts,
    parallel: usize,
    page: impl Fn(Part, bool) -> F,
    mut advanced: impl FnMut(&Parts, T) -> Result<(), Error>,
) -> Result<Parts, Error> {
    let mut reader = PartsReader::new(run, parts, parallel, page);
    while let Some(result) = reader.next().await? {
        advanced(&reader.parts, result)?;
    }
    Ok(reader.parts)
}

/// Reads the parts to their end, one page after the other, even if the run is stopping.
///
/// # Errors
/// The failure of a page.
pub async fn read_to_end<T, F: Future<Output = Result<PartPage<T>, Error>>>(
    mut parts: Parts,
    page: impl Fn(Part) -> F,
    mut done: impl FnMut(T),
) -> Result<(), Error> {
    while let Some(part) = parts.active.first().cloned().or_else(|| parts.begin()) {
        let number = part.number;
        let read = page(part).await?;
        parts.advance(number, &read);
        done(read.result);
    }
    Ok(())
}

/// [`read_parts`] for callers that await something between pages.
pub struct PartsReader<'a, P, F: Future> {
    run: &'a Run,
    /// The positions.
    pub parts: Parts,
    parallel: usize,
    page: P,
    pages: FuturesUnordered<Join<Ready<usize>, F>>,
    failure: Option<Error>,
}

impl<'a, T, P: Fn(Part, bool) -> F, F: Future<Output = Result<Option<PartPage<T>>, Error>>> PartsReader<'a, P, F> {
    /// A reader of these parts. Parts that an interrupted worker had started come first.
    pub fn new(run: &'a Run, parts: Parts, parallel: usize, page: P) -> Self {
        let reader = Self { run, parts, parallel, page, pages: FuturesUnordered::new(), failure: None };
        reader.parts.active.iter().for_each(|part| reader.start(part.clone(), true));
        reader
    }

    fn start(&self, part: Part, may_be_begun: bool) {
        let number = part.number;
        self.pages.push(join(ready(number), (self.page)(part, may_be_begun)));
    }

    /// The outcome of the next page that is done; `parts` is then safe to resume from. `None` at the end, and when the run is
    /// stopping.
    ///
    /// # Errors
    /// The first failure of a page, after the pages under way have ended.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            while self.is_running() && self.pages.len() < self.parallel {
                let Some(part) = self.parts.begin() else { break };
                self.start(part, true);
            }
            match self.pages.next().await {
                Some((number, Ok(Some(done)))) => {
                    if let Some(part) = self.parts.advance(number, &done).filter(|_| self.is_running()) {
                        self.start(part, done.was_begun);
                    }
                    return Ok(Some(done.result));
                }
                Some((_, Ok(None))) => {}
                Some((_, Err(error))) => self.failure = self.failure.take().or(Some(error)),
                None => return self.failure.take().map_or(Ok(None), Err),
            }
        }
    }

    fn is_running(&self) -> bool {
        self.failure.is_none() && !self.run.is_stopping()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portions_of_parts_have_each_part_once_and_are_about_as_large() {
        for (partitions, portions, parallel) in [(1, 4, 8), (3, 4, 8), (4, 4, 8), (5, 2, 3), (40, 32, 8)] {
            let bound = |number: usize| match number {
                0 => String::new(),
                number if number == partitions => "FF".to_owned(),
                number => format!("{:08X}", 0x4000_0000 / partitions * number),
            };
            let physical = (0..partitions).map(|number| KeyRange { min: bound(number), max: bound(number + 1) });
            let physical: Vec<KeyRange> = physical.collect();
            let bounds = split_ranges(physical.clone(), 1);
            let whole = Parts { bounds, physical, ..Parts::default() }.at_least(portions * parallel);
            let divided = whole.divided(portions);
            assert_eq!(divided.len(), portions);
            let mut ranges = Vec::new();
            for mut portion in divided {
                let open = portion.open();
                let fair = whole.open() as f64 / portions as f64;
                assert!((open as f64 - fair).abs() <= 1.0, "{open} parts of {}, {portions} portions", whole.open());
                while let Some(part) = portion.begin() {
                    assert_eq!(portion.range(&part), whole.range(&part), "its number is that of the whole");
                    ranges.push(portion.range(&part));
                }
                assert_eq!((portion.open(), portion.is_done()), (open, false));
                assert!(portion.read().is_done());
            }
            assert_eq!(ranges.first().map(|range| range.min.as_str()), Some(""));
            assert_eq!(ranges.last().map(|range| range.max.as_str()), Some("FF"));
            assert!(ranges.windows(2).all(|pair| pair[0].max == pair[1].min), "{ranges:?}");
        }
        assert!(Parts::numbered(5).divided(4).is_empty(), "files have no bounds");
    }
}
