//! Copies versions from a source to a destination, a page at a time.

use anyhow::Result;

use super::encoder::Encoder;
use super::source::VersionSource;
use crate::cli::list::Reader;

/// Versions of the first page.
const FIRST_PAGE_ITEMS: usize = 100;
/// The size of the pages after it: as many versions as have about so many bytes of text, within these numbers.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
const MIN_PAGE_ITEMS: usize = 10;
// The service returns at most 1,000 items, and a page needs a few items more than it has.
const MAX_PAGE_ITEMS: usize = 900;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub versions: usize,
}

/// Where encoded versions go.
pub trait Output {
    /// Writes bytes.
    async fn write(&mut self, bytes: Vec<u8>) -> Result<Reader>;
}

/// Copies all versions. It ends early when nothing reads the output.
pub async fn copy(source: &mut impl VersionSource, mut encoder: Encoder, output: &mut impl Output) -> Result<Copied> {
    let mut copied = Copied::default();
    let mut page_items = FIRST_PAGE_ITEMS;
    if output.write(encoder.begin()?).await? == Reader::Gone {
        return Ok(copied);
    }
    while let Some(page) = source.next(page_items).await? {
        let (versions, text_bytes) = (page.len(), encoder.text_bytes());
        for version in page {
            let bytes = encoder.add(version)?;
            copied.versions += 1;
            if !bytes.is_empty() && output.write(bytes).await? == Reader::Gone {
                return Ok(copied);
            }
        }
        let average = (encoder.text_bytes() - text_bytes) / versions.max(1);
        page_items = (PAGE_BYTES / average.max(1)).clamp(MIN_PAGE_ITEMS, MAX_PAGE_ITEMS);
    }
    _ = output.write(encoder.end()?).await?;
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use changefeed_history::Version;
    use serde_json::json;

    use super::super::arguments::ExportFormat;
    use super::*;

    /// Versions of 64 kB, and the most bytes of them that were read and not written when the next page was read.
    struct Pages {
        left: usize,
        made: usize,
        written: Rc<Cell<usize>>,
        most_in_flight: usize,
        text: String,
    }

    struct Counted {
        bytes: Rc<Cell<usize>>,
        largest: usize,
    }

    const TEXT: usize = 64 * 1024;

    impl VersionSource for Pages {
        async fn next(&mut self, page_items: usize) -> Result<Option<Vec<Version>>> {
            self.most_in_flight = self.most_in_flight.max((self.made * TEXT).saturating_sub(self.written.get()));
            let count = page_items.min(self.left);
            self.left -= count;
            let page: Vec<Version> = (0..count).map(|_| self.version()).collect();
            Ok((count > 0).then_some(page))
        }
    }

    impl Pages {
        fn version(&mut self) -> Version {
            self.made += 1;
            // The same text, turned, is not compressed.
            let (end, start) = self.text.split_at(self.made * 97 % TEXT);
            let text = format!("{start}{end}");
            let record = json!({"id": format!("1700000000-{}", self.made), "pk": "a", "sourceId": "1", "partitionKey": ["a"],
                "operation": "write", "sourceTs": 1_700_000_000, "lsn": self.made, "capturedAt": "2026-11-20T10:31:00.000Z",
                "capturedBy": "i", "exact": true, "schema": 1, "document": {"id": "1", "text": text}});
            serde_json::from_value(record).expect("a version")
        }
    }

    fn noise() -> String {
        let mut state = 1_u64;
        let letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'#' + (state >> 33) as u8 % 56)
        };
        std::iter::repeat_with(letter).take(TEXT).collect()
    }

    impl Output for Counted {
        async fn write(&mut self, bytes: Vec<u8>) -> Result<Reader> {
            self.bytes.set(self.bytes.get() + bytes.len());
            self.largest = self.largest.max(bytes.len());
            Ok(Reader::Reads)
        }
    }

    #[tokio::test]
    async fn what_is_in_memory_does_not_grow_with_the_number_of_versions() {
        let formats: &[ExportFormat] =
            if cfg!(feature = "parquet") { &[ExportFormat::Csv, ExportFormat::Parquet] } else { &[ExportFormat::Csv] };
        for format in formats {
            let mut most: Vec<(usize, usize)> = Vec::new();
            for versions in [800, 1600] {
                let bytes = Rc::new(Cell::new(0));
                let (written, text) = (Rc::clone(&bytes), noise());
                let mut pages = Pages { left: versions, made: 0, written, most_in_flight: 0, text };
                let mut output = Counted { bytes: Rc::clone(&bytes), largest: 0 };
                let encoder = Encoder::new(*format, None, false).expect("an encoder");
                let copied = copy(&mut pages, encoder, &mut output).await.expect("copied");
                assert_eq!((copied.versions, pages.made), (versions, versions), "{format:?}");
                assert!(bytes.get() > versions * TEXT / 2, "{format:?}: {} bytes", bytes.get());
                most.push((pages.most_in_flight, output.largest));
            }
            // A page and a row group, however many versions there are: all of them have 50 and 100 MB.
            for (in_flight, largest) in &most {
                assert!(in_flight.max(largest) < &(32 * 1024 * 1024), "{format:?}: {most:?}");
            }
        }
    }
}
