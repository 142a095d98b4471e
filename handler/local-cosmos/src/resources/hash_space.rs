//! The space of effective partition keys: how a container divides it, and the middle of a part.
//!
//! Keys are upper-case hexadecimal texts that are compared as texts. A key starts with the hash of its first component: with
//! version 2 of the hash (hierarchical keys too) 16 bytes whose 2 highest bits are zero, with version 1 a 32-bit number in the
//! binary form of index entries. The boundaries of the service are the multiples of the highest hash divided by the number of
//! parts. Sources: the four ranges of a container of version 2 (`0FFF…F`, `1FFF…E`, `2FFF…D`), and the first of four of
//! version 1 (`05C1CFFFFFFFF8`).

use serde::{Deserialize, Serialize};

/// The lower end of the space.
pub(crate) const MIN: &str = "";
/// The upper end of the space, above every key.
pub(crate) const MAX: &str = "FF";

const HIGHEST_VERSION_1: u64 = u32::MAX as u64;
const HIGHEST_VERSION_2: u128 = u128::MAX >> 2;
/// The bytes of a hash of version 2.
const HASH_BYTES: usize = 16;
/// The marker of a number in the binary form of index entries.
const NUMBER_MARKER: u8 = 0x05;

/// The form of the hashes that effective partition keys start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HashSpace {
    Version1,
    /// Also of hierarchical keys.
    Version2,
}

impl HashSpace {
    /// The keys between `count` equal parts, ascending: one less than there are parts.
    pub(crate) fn boundaries(self, count: u32) -> Vec<String> {
        let count = count.max(1);
        match self {
            Self::Version1 => {
                let step = HIGHEST_VERSION_1 / u64::from(count);
                (1..u64::from(count)).map(|part| key_of_number((step * part) as u32)).collect()
            }
            Self::Version2 => {
                let step = HIGHEST_VERSION_2 / u128::from(count);
                (1..u128::from(count)).map(|part| format!("{:032X}", step * part)).collect()
            }
        }
    }

    /// The key in the middle between two, the ends of a range; `None` if there is none between them.
    pub(crate) fn middle(self, min: &str, max: &str) -> Option<String> {
        let middle = match self {
            Self::Version1 => {
                let low = if min == MIN { 0 } else { number_of_key(min)? };
                let high = if max == MAX { HIGHEST_VERSION_1 } else { number_of_key(max)? };
                key_of_number(((low + high) / 2) as u32)
            }
            Self::Version2 => middle_of_bytes(min, max)?,
        };
        (middle.as_str() > min && middle.as_str() < max).then_some(middle)
    }
}

/// Whether a text can be an effective partition key or an end of the space.
pub(crate) fn is_key(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
}

/// The number in the middle, with as many bytes as the longer key, or with another hash if they are too near to each other.
fn middle_of_bytes(min: &str, max: &str) -> Option<String> {
    let (low, mut high) = (bytes_of(min)?, bytes_of(max)?);
    if max == MAX {
        high = HIGHEST_VERSION_2.to_be_bytes().to_vec();
    }
    let longer = low.len().max(high.len()).max(HASH_BYTES).next_multiple_of(HASH_BYTES);
    let candidate = |length: usize| {
        let digit = |bytes: &[u8], at: usize| u16::from(bytes.get(at).copied().unwrap_or_default());
        let mut sum = vec![0u16; length];
        let mut carry = 0;
        for at in (0..length).rev() {
            let total = digit(&low, at) + digit(&high, at) + carry;
            (sum[at], carry) = (total & 0xFF, total >> 8);
        }
        let mut middle = String::with_capacity(length * 2);
        for digit in sum {
            let total = carry << 8 | digit;
            middle.push_str(&format!("{:02X}", total >> 1));
            carry = total & 1;
        }
        middle
    };
    let between = |middle: &String| middle.as_str() > min && middle.as_str() < max;
    Some(candidate(longer)).filter(between).or_else(|| Some(candidate(longer + HASH_BYTES)).filter(between))
}

fn bytes_of(key: &str) -> Option<Vec<u8>> {
    if !is_key(key) {
        return None;
    }
    (0..key.len() / 2).map(|at| u8::from_str_radix(key.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}

/// The key of a 32-bit hash: the marker of a number, then the first byte of the double with its sign inverted, then 7 bits a
/// byte, in which a lowest bit of 1 says that more follow.
fn key_of_number(hash: u32) -> String {
    let bits = f64::from(hash).to_bits() ^ 1 << 63;
    let mut key = format!("{NUMBER_MARKER:02X}{:02X}", bits >> 56);
    let mut rest = bits << 8;
    loop {
        let next = (rest >> 56) as u8;
        rest <<= 7;
        if rest == 0 {
            key.push_str(&format!("{:02X}", next & 0xFE));
            return key;
        }
        key.push_str(&format!("{:02X}", next | 1));
    }
}

/// The hash that a key starts with.
fn number_of_key(key: &str) -> Option<u64> {
    let bytes = bytes_of(key)?;
    let (first, rest) = match bytes.as_slice() {
        [NUMBER_MARKER, first, rest @ ..] => (*first, rest),
        _ => return None,
    };
    let mut bits = u64::from(first) << 56;
    let mut shift = 49;
    for byte in rest {
        bits |= u64::from(byte >> 1).checked_shl(shift)?;
        if byte & 1 == 0 {
            break;
        }
        shift = shift.checked_sub(7)?;
    }
    let number = f64::from_bits(bits ^ 1 << 63);
    (0.0..=HIGHEST_VERSION_1 as f64).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boundaries of containers of the service.
    #[test]
    fn equal_parts_have_the_boundaries_of_the_service() {
        let four = [
            "0FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
            "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE",
            "2FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFD",
        ];
        assert_eq!(HashSpace::Version2.boundaries(4), four);
        assert_eq!(HashSpace::Version2.boundaries(2), ["1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"]);
        assert_eq!(HashSpace::Version1.boundaries(4)[0], "05C1CFFFFFFFF8");
        assert_eq!(HashSpace::Version1.boundaries(2), ["05C1DFFFFFFFFC"]);
        assert!(HashSpace::Version2.boundaries(1).is_empty());
    }

    #[test]
    fn boundaries_ascend() {
        for space in [HashSpace::Version1, HashSpace::Version2] {
            for count in [2, 3, 5, 7, 16, 100, 1_000] {
                let boundaries = space.boundaries(count);
                assert_eq!(boundaries.len(), count as usize - 1);
                assert!(boundaries.is_sorted_by(|one, next| one < next), "{space:?} {count}");
                assert!(boundaries.iter().all(|key| is_key(key) && key.as_str() > MIN && key.as_str() < MAX));
            }
        }
    }

    #[test]
    fn numbers_are_read_from_their_keys() {
        for hash in [0, 1, 2, 3, 127, 128, 0xFFFF, 0x3FFF_FFFF, 0x8000_0000, 0xDEAD_BEEF, u32::MAX] {
            assert_eq!(number_of_key(&key_of_number(hash)), Some(u64::from(hash)), "{hash}");
        }
        let keys: Vec<String> = (0..4_000).map(|step| key_of_number(step * 1_000_003)).collect();
        assert!(keys.is_sorted());
        // An end of a range of the service, in the tests of its SDKs.
        assert!(number_of_key("05C1E18D2D7F08").is_some());
        assert_eq!(number_of_key("05C1CFFFFFFFF80861626300"), Some(0x3FFF_FFFF));
        for key in ["", "05", "08C1", "05C", "05c1cffffffff8", "05FFFFFFFFFFFFFFFFFFFFFFFF"] {
            assert_eq!(number_of_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_middle_is_between_the_ends() {
        for space in [HashSpace::Version1, HashSpace::Version2] {
            assert_eq!(space.middle(MIN, MAX), space.boundaries(2).pop());
            let mut ends = (MIN.to_owned(), MAX.to_owned());
            for step in 0..20 {
                let middle = space.middle(&ends.0, &ends.1).expect("a middle");
                assert!(ends.0 < middle && middle < ends.1, "{ends:?} {middle}");
                if step % 2 == 0 { ends.0 = middle } else { ends.1 = middle }
            }
        }
    }

    #[test]
    fn a_range_within_one_hash_is_divided_by_the_next_hash() {
        let hash = "1A".repeat(16);
        let (low, high) = (format!("{hash}{}", "00".repeat(16)), format!("{hash}{}", "3F".repeat(16)));
        let middle = HashSpace::Version2.middle(&low, &high).expect("a middle");
        assert!(low < middle && middle < high && middle.starts_with(&hash), "{middle}");
        let next = "1A".repeat(15) + "1B";
        let middle = HashSpace::Version2.middle(&hash, &next).expect("a middle");
        assert!(hash < middle && middle < next && middle.len() == 64, "{middle}");
    }

    #[test]
    fn a_range_without_a_middle_has_none() {
        let key = key_of_number(5);
        assert_eq!(HashSpace::Version1.middle(&key, &format!("{key}08")), None);
        assert_eq!(HashSpace::Version1.middle("XX", MAX), None);
        assert_eq!(HashSpace::Version2.middle("1", MAX), None);
        assert_eq!(HashSpace::Version2.middle("30", "20"), None);
    }
}
