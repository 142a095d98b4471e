//! How a JSON text gets into an item that may not be larger than the service allows: as it is, compressed, or compressed
//! and spread over part items. Nothing is ever cut short.
//!
//! Format: a field `x` becomes `xZstd`, the base64 (standard alphabet, padded) of the zstd frame of its JSON text; or
//! `xParts`, the number of part items whose `data`, put together in order, is that base64 text, and `xDigest`, which those
//! parts bear: parts that an interrupted write left behind are never taken for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::limits::MAX_PART_BYTES;

const LEVEL: i32 = 3;

/// Compresses a text to base64.
pub(crate) fn compress(text: &str) -> std::io::Result<String> {
    Ok(STANDARD.encode(zstd::bulk::compress(text.as_bytes(), LEVEL)?))
}

/// A short name for a text that tells it from others: the first eight bytes of its SHA-256, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Cuts base64 text into the data of part items.
pub(crate) fn cut(encoded: &str) -> Vec<&str> {
    // Base64 is ASCII: every cut is on a character's border.
    encoded.as_bytes().chunks(MAX_PART_BYTES).filter_map(|part| std::str::from_utf8(part).ok()).collect()
}

/// Reads what [`compress`] made. `max_bytes` bounds what a damaged or hostile text may unpack to.
///
/// # Errors
/// Says what is wrong with the text.
pub(crate) fn decompress(encoded: &str, max_bytes: usize) -> Result<String, String> {
    let compressed = STANDARD.decode(encoded).map_err(|error| format!("not base64: {error}"))?;
    let bytes = zstd::bulk::decompress(&compressed, max_bytes).map_err(|error| format!("not zstd: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_enclosed_comes_out_the_same(text in ".{0,2000}") {
            let encoded = compress(&text).expect("compressed");
            let parts = cut(&encoded);
            prop_assert_eq!(decompress(&parts.concat(), 1 << 20).expect("text"), text);
        }
    }

    #[test]
    fn a_text_that_unpacks_to_more_than_allowed_is_refused() {
        let bomb = compress(&"x".repeat(10_000_000)).expect("compressed");
        assert!(bomb.len() < 10_000);
        assert!(decompress(&bomb, 1_000_000).is_err());
    }
}
