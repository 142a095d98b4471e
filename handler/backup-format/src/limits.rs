//! Limits on backups and on files of documents. `docs/reference/backup-format.md` publishes those of the format.

/// The maximum number of entries directly below a location.
pub(crate) const MAX_ENTRIES: usize = 200_000;
/// The longest file name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// The longest line, in bytes. The service stores documents of up to 2 MB; in JSON text a character can take six bytes.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// A writer ends a segment after this number of lines.
pub(crate) const SEGMENT_LINES: u64 = 200_000;
/// A writer ends a segment after this number of uncompressed bytes.
pub(crate) const SEGMENT_UNPACKED_BYTES: u64 = 64 * 1024 * 1024;
/// A writer ends a segment after this number of compressed bytes, which it holds in memory.
pub(crate) const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// The largest segment that is read, in compressed bytes, which the reader holds in memory: a full segment and one more line.
pub(crate) const MAX_SEGMENT_BYTES: usize = SEGMENT_BYTES + MAX_LINE_BYTES + 8 * 1024 * 1024;
/// The largest segment, in uncompressed bytes.
pub(crate) const MAX_UNPACKED_SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// The base-two logarithm of the largest zstd window, which the reader holds in memory: 8 MiB, as zstd recommends.
pub(crate) const MAX_WINDOW_LOG: u32 = 23;
/// The largest `manifest.json` or `progress.json`, in bytes: one with the greatest number of segments.
pub(crate) const MAX_MANIFEST_BYTES: usize = 40 * 1024 * 1024;
/// The maximum number of damages that a verification lists.
pub(crate) const MAX_DAMAGES: usize = 1000;
