//! Effective partition keys: the hashes that place items in physical partitions, ordered as their hexadecimal text.
//!
//! Sources: the partition key code and its tests in the public .NET and Java SDKs (`PartitionKeyInternal`,
//! `PartitionKeyHashingTests`).

use std::cmp::Ordering;
use std::fmt;

use super::definition::{KeyDefinition, KeyKind, KeyVersion};
use super::murmur::{hash_32, hash_128};
use super::value::KeyValue;

/// The characters, in UTF-16 units, of a text that the first version hashes.
const MAX_V1_CHARACTERS: usize = 100;

mod marker {
    pub const UNDEFINED: u8 = 0x00;
    pub const NULL: u8 = 0x01;
    pub const FALSE: u8 = 0x02;
    pub const TRUE: u8 = 0x03;
    pub const NUMBER: u8 = 0x05;
    pub const TEXT: u8 = 0x08;
}

/// An effective partition key, or a bound of a range of them. Its order is that of its hexadecimal text.
#[derive(Clone)]
pub(crate) struct EffectiveKey(Bytes);

/// Almost all keys are of one hash, which needs no allocation.
#[derive(Clone)]
enum Bytes {
    One([u8; 16]),
    Other(Box<[u8]>),
}

impl EffectiveKey {
    /// The key of these components. Fewer components than the definition has paths make the prefix of a hierarchical key.
    pub(crate) fn of(values: &[KeyValue], definition: &KeyDefinition) -> Self {
        match (definition.kind, definition.version) {
            _ if values.is_empty() => Self::smallest(),
            (KeyKind::MultiHash, _) => {
                let hashes: Vec<u8> = values.iter().flat_map(|value| hash_v2(std::slice::from_ref(value))).collect();
                Self::from_bytes(&hashes)
            }
            (KeyKind::Hash, KeyVersion::V2) => Self(Bytes::One(hash_v2(values))),
            (KeyKind::Hash, KeyVersion::V1) => Self::from_bytes(&encode_v1(values)),
        }
    }

    /// The lower bound of all keys, whose text is empty.
    pub(crate) fn smallest() -> Self {
        Self::from_bytes(&[])
    }

    /// The upper bound of all keys, `FF`.
    pub(crate) fn largest() -> Self {
        Self::from_bytes(&[0xFF])
    }

    /// Reads hexadecimal text of either case; `None` for other text.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = text.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = pairs
            .map(|pair| match pair {
                [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
                _ => None,
            })
            .collect();
        bytes.map(|bytes| Self::from_bytes(&bytes))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(match <[u8; 16]>::try_from(bytes) {
            Ok(hash) => Bytes::One(hash),
            Err(_) => Bytes::Other(bytes.into()),
        })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::One(hash) => hash,
            Bytes::Other(bytes) => bytes,
        }
    }

    /// The next larger key in the order of all byte sequences.
    pub(crate) fn next(&self) -> Self {
        Self::from_bytes(&[self.as_bytes(), &[0]].concat())
    }
}

/// The text in upper case, as headers and ranges have it.
impl fmt::Display for EffectiveKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(formatter, "{byte:02X}"))
    }
}

impl fmt::Debug for EffectiveKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EffectiveKey({self})")
    }
}

impl PartialEq for EffectiveKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for EffectiveKey {}

impl std::hash::Hash for EffectiveKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Ord for EffectiveKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for EffectiveKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Effective keys from `min`, included, to `max`, excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub min: EffectiveKey,
    pub max: EffectiveKey,
}

impl KeyRange {
    /// All keys.
    pub(crate) fn all() -> Self {
        Self { min: EffectiveKey::smallest(), max: EffectiveKey::largest() }
    }

    /// The keys that start with these components of a hierarchical key; of a complete key, that key alone.
    pub(crate) fn of(values: &[KeyValue], definition: &KeyDefinition) -> Self {
        let key = EffectiveKey::of(values, definition);
        let max = match values.len() < definition.paths.len() {
            // No hash starts with FF, since its first two bits are cleared.
            true => EffectiveKey::from_bytes(&[key.as_bytes(), &[0xFF]].concat()),
            false => key.next(),
        };
        Self { min: key, max }
    }

    pub(crate) fn contains(&self, key: &EffectiveKey) -> bool {
        self.min <= *key && *key < self.max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.min >= self.max
    }

    /// The keys in both ranges; `None` if there are none.
    pub(crate) fn intersection(&self, other: &Self) -> Option<Self> {
        let min = self.min.clone().max(other.min.clone());
        let max = self.max.clone().min(other.max.clone());
        Some(Self { min, max }).filter(|range| !range.is_empty())
    }
}

fn hash_v2(values: &[KeyValue]) -> [u8; 16] {
    let mut input = Vec::with_capacity(64);
    for value in values {
        match value {
            KeyValue::Text(text) => write_text(text.as_bytes(), 0xFF, &mut input),
            scalar => write_scalar(scalar, &mut input),
        }
    }
    let (low, high) = hash_128(&input);
    let mut hash = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
    hash[0] &= 0x3F;
    hash
}

/// The hash of the first version as a number, then the components, both in an encoding that has their order.
fn encode_v1(values: &[KeyValue]) -> Vec<u8> {
    let texts: Vec<Vec<u8>> = values.iter().map(|value| v1_text(value).unwrap_or_default()).collect();
    let mut input = Vec::new();
    for (value, text) in values.iter().zip(&texts) {
        match value {
            KeyValue::Text(_) => write_text(text, 0, &mut input),
            scalar => write_scalar(scalar, &mut input),
        }
    }
    let mut key = Vec::new();
    encode_number(f64::from(hash_32(&input)), &mut key);
    for (value, text) in values.iter().zip(&texts) {
        match value {
            KeyValue::Text(_) => encode_text(text, &mut key),
            KeyValue::Number(number) => encode_number(*number, &mut key),
            scalar => key.push(marker_of(scalar)),
        }
    }
    key
}

/// The part of a text that the first version uses. A pair of surrogates that the end cuts becomes the replacement character.
fn v1_text(value: &KeyValue) -> Option<Vec<u8>> {
    let KeyValue::Text(text) = value else { return None };
    let units: Vec<u16> = text.encode_utf16().take(MAX_V1_CHARACTERS).collect();
    Some(String::from_utf16_lossy(&units).into_bytes())
}

fn marker_of(value: &KeyValue) -> u8 {
    match value {
        KeyValue::Undefined => marker::UNDEFINED,
        KeyValue::Null => marker::NULL,
        KeyValue::Bool(false) => marker::FALSE,
        KeyValue::Bool(true) => marker::TRUE,
        KeyValue::Number(_) => marker::NUMBER,
        KeyValue::Text(_) => marker::TEXT,
    }
}

fn write_scalar(value: &KeyValue, input: &mut Vec<u8>) {
    input.push(marker_of(value));
    if let KeyValue::Number(number) = value {
        input.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_text(text: &[u8], end: u8, input: &mut Vec<u8>) {
    input.push(marker::TEXT);
    input.extend_from_slice(text);
    input.push(end);
}

/// Each byte is one larger than in the text, so that 0 ends it. A long text is cut after 101 bytes and has no end.
fn encode_text(text: &[u8], key: &mut Vec<u8>) {
    const MAX_ENDED: usize = 100;
    key.push(marker::TEXT);
    key.extend(text.iter().take(MAX_ENDED + 1).map(|byte| byte.saturating_add(1)));
    if text.len() <= MAX_ENDED {
        key.push(0);
    }
}

/// The bits of the number, changed so that their order is that of numbers: eight of them, then seven a byte. The last bit of each
/// byte but the last is 1.
fn encode_number(number: f64, key: &mut Vec<u8>) {
    const SIGN: u64 = 1 << 63;
    let bits = number.to_bits();
    let ordered = if bits < SIGN { bits ^ SIGN } else { (!bits).wrapping_add(1) };
    key.push(marker::NUMBER);
    key.push((ordered >> 56) as u8);
    let mut rest = ordered << 8;
    loop {
        let seven = (rest >> 56) as u8 & 0xFE;
        rest <<= 7;
        if rest == 0 {
            key.push(seven);
            return;
        }
        key.push(seven | 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn definition(kind: &str, version: u8, paths: usize) -> KeyDefinition {
        let paths: Vec<String> = (0..paths).map(|index| format!("/{index}")).collect();
        KeyDefinition::from_json(&json!({"paths": paths, "kind": kind, "version": version}))
    }

    fn values(components: &Value) -> Vec<KeyValue> {
        let components = components.as_array().expect("components");
        components.iter().map(|component| KeyValue::from_json(component).expect("a key")).collect()
    }

    fn key(kind: &str, version: u8, components: &Value) -> String {
        let values = values(components);
        EffectiveKey::of(&values, &definition(kind, version, values.len())).to_string()
    }

    /// The vectors of the Java SDK's `PartitionKeyHashingTests`.
    #[test]
    fn both_versions_of_the_hash_give_the_keys_of_the_sdks() {
        let long = format!("05C1EB5921F70608{}00", "62".repeat(100));
        for (component, first, second) in [
            (json!(""), "05C1CF33970FF80800", "32E9366E637A71B4E710384B2F4970A0"),
            (json!("partitionKey"), "05C1E1B3D9CD2608716273756A756A706F4C667A00", "013AEFCF77FA271571CF665A58C933F1"),
            (json!("a".repeat(1024)), long.as_str(), "332BDF5512AE49615F32C7D98C2DB86C"),
            (json!(null), "05C1ED45D7475601", "378867E4430E67857ACE5C908374FE16"),
            (json!({}), "05C1D529E345DC00", "11622DAA78F835834610ABE56EFF5CB5"),
            (json!(true), "05C1D7C5A903D803", "0E711127C5B5A8E4726AC6DD306A3E59"),
            (json!(false), "05C1DB857D857C02", "2FE1BE91E90A3439635E0E9E37361EF2"),
            (json!(-128), "05C1D73349F54C053FA0", "01DAEDABF913540367FE219B2AD06148"),
            (json!(127), "05C1DD539DDFCC05C05FE0", "0C507ACAC853ECA7977BF4CEFB562A25"),
            (json!(i64::MIN), "05C1DB35F33D1C053C20", "23D5C6395512BDFEAFADAD15328AD2BB"),
            (json!(i64::MAX), "05C1B799AB2DD005C3E0", "2EDB959178DFCCA18983F89384D1629B"),
            (json!(i32::MIN), "05C1DFBF252BCC053E20", "0B1660D5233C3171725B30D4A5F4CC1F"),
            (json!(i32::MAX), "05C1E1F503DFB205C1DFFFFFFFFC", "2D9349D64712AEB5EB1406E2F0BE2725"),
            (json!(5e-324), "05C1E5C91F4D3005800101010101010102", "0E6CBA63A280927DE485DEF865800139"),
            (json!(f64::MAX), "05C1CBE367C53005FFEFFFFFFFFFFFFFFE", "31424D996457102634591FF245DBCC4D"),
        ] {
            assert_eq!(key("Hash", 1, &json!([component])), first, "{component}");
            assert_eq!(key("Hash", 2, &json!([component])), second, "{component}");
        }
    }

    /// The vectors of the tests of the Rust SDK's driver for texts at the limits of the first version.
    #[test]
    fn the_first_version_cuts_long_texts_in_utf_16_and_their_encoding_in_bytes() {
        for (text, hash, end) in [
            (format!("{}\u{1f600}", "a".repeat(97)), "05C1C973BF7968", "F1A09981"),
            (format!("{}\u{1f600}", "a".repeat(98)), "05C1DD87B7E74C", "F1A099"),
            (format!("{}\u{1f600}", "a".repeat(99)), "05C1E153DB4558", "F0C0"),
            (format!("{}\u{1f600}", "a".repeat(100)), "05C1EB5921F706", "626200"),
            (format!("{}\u{20ac}", "a".repeat(99)), "05C1D747E54D90", "E383"),
        ] {
            let key = key("Hash", 1, &json!([text]));
            assert!(key.starts_with(hash) && key.ends_with(end), "{key}");
        }
        assert_eq!(
            key("Hash", 2, &json!([format!("{}\u{1f600}", "a".repeat(99))])),
            "3DCDC7ABFC5BF49867B328ECDB14F0BF"
        );
    }

    /// Vectors of the Rust SDK's driver; the prefix range of the .NET SDK as it was recorded.
    #[test]
    fn components_of_a_hierarchical_key_are_hashed_by_themselves() {
        assert_eq!(key("Hash", 2, &json!([5.0, "redmond", true, null])), "3032DECBE2AB1768D8E0AEDEA35881DF");
        assert_eq!(
            key("MultiHash", 2, &json!(["redmond", true, null])),
            "22E342F38A486A088463DFF7838A59630E711127C5B5A8E4726AC6DD306A3E59378867E4430E67857ACE5C908374FE16"
        );
        let definition = definition("MultiHash", 2, 3);
        let prefix = KeyRange::of(&values(&json!(["t1"])), &definition);
        assert_eq!(prefix.min.to_string(), "3D48BB14DA9D090D22112C96695028B6");
        assert_eq!(prefix.max.to_string(), "3D48BB14DA9D090D22112C96695028B6FF");
        let key = |components| EffectiveKey::of(&values(&components), &definition);
        assert!(prefix.contains(&key(json!(["t1", 7, true]))) && prefix.contains(&key(json!(["t1", null, {}]))));
        assert!(!prefix.contains(&key(json!(["t2", 7, true]))));
        let complete = KeyRange::of(&values(&json!(["t1", 7, true])), &definition);
        assert!(complete.contains(&complete.min) && !complete.contains(&key(json!(["t1", 7, false]))));
        assert_eq!(KeyRange::of(&[], &definition), KeyRange::all());
    }

    #[test]
    fn keys_have_the_order_of_their_text() {
        let texts = ["", "05C1CF33970FF80800", "05C1E8", "0E711127C5B5A8E4726AC6DD306A3E59", "10", "3F", "3FFF", "FF"];
        let keys: Vec<EffectiveKey> = texts.iter().map(|text| EffectiveKey::from_hex(text).expect("hex")).collect();
        assert!(keys.is_sorted());
        for (key, text) in keys.iter().zip(texts) {
            assert_eq!(key.to_string(), text);
            assert_eq!(EffectiveKey::from_hex(&text.to_lowercase()).as_ref(), Some(key));
        }
        for text in ["0", "GG", "+1", "05C1E", "ü"] {
            assert_eq!(EffectiveKey::from_hex(text), None, "{text}");
        }
        assert!(size_of::<EffectiveKey>() <= 24);
    }

    #[test]
    fn ranges_have_an_intersection_only_where_keys_are_in_both() {
        let range = |min: &str, max: &str| KeyRange {
            min: EffectiveKey::from_hex(min).expect("hex"),
            max: EffectiveKey::from_hex(max).expect("hex"),
        };
        assert_eq!(KeyRange::all().intersection(&range("05", "10")), Some(range("05", "10")));
        assert_eq!(range("05C1E8", "FF").intersection(&range("05C1D0", "10")), Some(range("05C1E8", "10")));
        assert_eq!(range("", "05").intersection(&range("05", "FF")), None);
        assert!(range("10", "05").is_empty());
    }

    /// The SDK computes keys too, to find the partition of a request.
    #[test]
    fn the_keys_are_those_of_the_sdk() {
        use azure_data_cosmos_driver::models::{FeedRange, PartitionKey, PartitionKeyDefinition, PartitionKeyValue};
        let values = [
            KeyValue::Undefined,
            KeyValue::Null,
            KeyValue::Bool(false),
            KeyValue::Bool(true),
            KeyValue::Number(0.0),
            KeyValue::Number(-1.5),
            KeyValue::Number(1e300),
            KeyValue::Number(9_007_199_254_740_993.0),
            KeyValue::Text(String::new()),
            KeyValue::Text("a".into()),
            KeyValue::Text("Z\u{fc}rich \u{1F600}".into()),
            KeyValue::Text("x".repeat(150)),
            KeyValue::Text("\u{0}y".repeat(700)),
        ];
        let of_sdk = |value: &KeyValue| match value {
            KeyValue::Undefined => PartitionKeyValue::UNDEFINED,
            KeyValue::Null => PartitionKeyValue::NULL,
            KeyValue::Bool(value) => PartitionKeyValue::from(*value),
            KeyValue::Number(number) => PartitionKeyValue::try_from(*number).expect("a number"),
            KeyValue::Text(text) => PartitionKeyValue::from(text.clone()),
        };
        let assert_same = |values: &[KeyValue], definition: &Value| {
            let key = PartitionKey::try_from(values.iter().map(of_sdk).collect::<Vec<_>>()).expect("a key");
            let sdk: PartitionKeyDefinition = serde_json::from_value(definition.clone()).expect("a definition");
            let expected = FeedRange::for_partition(key, &sdk).min_inclusive().to_hex();
            let key = EffectiveKey::of(values, &KeyDefinition::from_json(definition));
            assert_eq!(key.to_string(), expected, "{values:?} {definition}");
        };
        for value in &values {
            for version in [1, 2] {
                let definition = json!({"paths": ["/a"], "kind": "Hash", "version": version});
                assert_same(std::slice::from_ref(value), &definition);
            }
            for other in &values {
                let definition = json!({"paths": ["/a", "/b"], "kind": "MultiHash", "version": 2});
                assert_same(&[value.clone(), other.clone()], &definition);
            }
        }
    }
}
