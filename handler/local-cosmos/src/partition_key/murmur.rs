//! The hash functions MurmurHash3 for 32 bits (x86) and 128 bits (x64), with a seed of 0.
//!
//! Source: the public description of MurmurHash3 by its author, Austin Appleby, who placed it in the public domain.

/// The hash of 32 bits.
pub(super) fn hash_32(data: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |word: u32| word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = 0_u32;
    let mut blocks = data.chunks_exact(4);
    for block in &mut blocks {
        hash = (hash ^ mix(little_endian(block) as u32)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    // A tail of no bytes mixes to 0.
    hash ^= mix(little_endian(blocks.remainder()) as u32);
    hash ^= data.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// The hash of 128 bits: its low and its high half.
pub(super) fn hash_128(data: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix_low = |word: u64| word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix_high = |word: u64| word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut low, mut high) = (0_u64, 0_u64);
    let mut blocks = data.chunks_exact(16);
    for block in &mut blocks {
        low ^= mix_low(little_endian(&block[..8]));
        low = low.rotate_left(27).wrapping_add(high).wrapping_mul(5).wrapping_add(0x52dc_e729);
        high ^= mix_high(little_endian(&block[8..]));
        high = high.rotate_left(31).wrapping_add(low).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (tail_low, tail_high) = blocks.remainder().split_at(blocks.remainder().len().min(8));
    low ^= mix_low(little_endian(tail_low));
    high ^= mix_high(little_endian(tail_high));
    low ^= data.len() as u64;
    high ^= data.len() as u64;
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    low = finish(low);
    high = finish(high);
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    (low, high)
}

fn finish(mut half: u64) -> u64 {
    half = (half ^ (half >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    half = (half ^ (half >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    half ^ (half >> 33)
}

/// At most eight bytes as a number.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_of_known_texts() {
        assert_eq!(hash_32(b""), 0);
        assert_eq!(hash_32(b"hello"), 0x248b_fa47);
        assert_eq!(hash_32(b"hello, world"), 0x149b_bb7f);
        assert_eq!(hash_128(b""), (0, 0));
        assert_eq!(hash_128(b"hello"), (0xcbd8_a7b3_41bd_9b02, 0x5b1e_906a_48ae_1d19));
        assert_eq!(hash_128(b"hello, world"), (0x342f_ac62_3a5e_bc8e, 0x4cdc_bc07_9642_414d));
    }
}
