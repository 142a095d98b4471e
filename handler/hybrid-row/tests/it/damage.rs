//! Damaged bodies. Each kind of damage has an error that names it, and none makes the decoder panic.

use hybrid_row::{
    DecodeError, Operation, OperationKind, OperationResult, decode_operations, decode_results, encode_operations,
    encode_results,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::recordings::read;
use crate::round_trip::{any_operation, any_result};

/// Where the parts of a body with one record are.
const SEGMENT_LENGTH: usize = 6;
const RECORD: usize = 10;
const RECORD_LENGTH: usize = 15;
const CHECKSUM: usize = 19;
const ROW: usize = 23;
const PRESENCE: usize = ROW + 5;
const FIXED: usize = ROW + 6;

/// A read of the item `a` under an etag.
fn sound() -> Vec<u8> {
    let operation =
        Operation { id: Some("a".to_owned()), if_match: Some("e".to_owned()), ..Operation::new(OperationKind::Read) };
    encode_operations(&[operation]).expect("a small operation")
}

/// A body with one record of this row.
fn body_of(row: &[u8]) -> Vec<u8> {
    let mut body = sound()[..ROW].to_vec();
    body.extend(row);
    reseal(&mut body);
    body
}

/// Corrects the length and the checksum of the only record after a change of its row.
fn reseal(body: &mut [u8]) {
    let length = (body.len() - ROW) as i32;
    body[RECORD_LENGTH..CHECKSUM].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32(&body[ROW..]);
    body[CHECKSUM..ROW].copy_from_slice(&checksum.to_le_bytes());
}

/// The CRC-32 of zlib, bit by bit, as a second opinion on the library's.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// The error of a sound body after a change, with its record header corrected.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut body = sound();
    change(&mut body);
    reseal(&mut body);
    decode_operations(&body).expect_err("damage").to_string()
}

/// The error of a sound body after a change, with its record header as it was.
fn changed_outside(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut body = sound();
    change(&mut body);
    decode_operations(&body).expect_err("damage").to_string()
}

#[test]
fn the_body_of_these_tests_is_sound() {
    assert_eq!(decode_operations(&sound()).expect("a sound body").len(), 1);
    assert_eq!(decode_operations(&body_of(&sound()[ROW..])), decode_operations(&sound()));
    assert_eq!(hex::encode(&sound()[ROW..]), "817054e17f130200000002000000016114090165");
}

#[test]
fn damage_around_the_rows_is_named() {
    assert_eq!(
        decode_operations(&[]).expect_err("nothing").to_string(),
        "The body is empty; expected a HybridRow segment header."
    );
    assert_eq!(
        decode_operations(b"[]").expect_err("JSON").to_string(),
        "Version 0x5b of a segment header at byte 0; expected 0x81."
    );
    assert_eq!(
        decode_operations(&sound()[..8]).expect_err("cut").to_string(),
        "The body is cut off: a segment header at byte 6 needs 4 bytes, and 2 remain."
    );
    assert_eq!(
        decode_operations(&sound()[RECORD..]).expect_err("no segment").to_string(),
        "Schema 2147473649 of a segment header at byte 0; expected 2147473648 (a segment header)."
    );
    assert_eq!(
        changed_outside(|body| body[5] = 0),
        "Presence bits 0x00 of a segment header at byte 5; bit 0 (length) must be set, and only bit 1 (comment) may be set besides."
    );
    assert_eq!(
        changed_outside(|body| body[SEGMENT_LENGTH] = 9),
        "Length 9 of a segment header at byte 6; at least 10 is needed."
    );
    assert_eq!(
        changed_outside(|body| body[SEGMENT_LENGTH + 3] = 0xff),
        "Length -16777206 of a segment header at byte 6; at least 10 is needed."
    );
    assert_eq!(
        changed_outside(|body| body[SEGMENT_LENGTH + 3] = 0x7f),
        "The body is cut off: a segment header at byte 0 needs 2130706442 bytes, and 43 remain."
    );
    assert_eq!(changed_outside(|body| body[RECORD] = 0x80), "Version 0x80 of a header at byte 10; expected 0x81.");
    assert_eq!(
        changed_outside(|body| body[RECORD + 1] = 0xf2),
        "Schema 2147473650 of a record header at byte 10; expected 2147473648 or 2147473649 (a segment header or a record header)."
    );
    assert_eq!(
        changed_outside(|body| body[RECORD_LENGTH + 3] = 0x80),
        "Length -2147483628 of a record at byte 15; at least 0 is needed."
    );
    assert_eq!(
        changed_outside(|body| body[RECORD_LENGTH + 3] = 0x7f),
        "The body is cut off: the row of a record at byte 23 needs 2130706452 bytes, and 20 remain."
    );
    assert_eq!(
        changed_outside(|body| body.truncate(CHECKSUM + 1)),
        "The body is cut off: the CRC-32 of a record at byte 19 needs 4 bytes, and 1 remain."
    );
    let checksum = crc32(&sound()[ROW..]);
    assert_eq!(
        changed_outside(|body| body[CHECKSUM] ^= 1),
        format!("Record 0 at byte 23 has the CRC-32 {checksum:08x}; its header says {:08x}.", checksum ^ 1)
    );
}

#[test]
fn damage_within_a_row_is_named() {
    assert_eq!(
        decode_operations(&body_of(&[])).expect_err("an empty row").to_string(),
        "The body is cut off: an operation at byte 23 needs 1 bytes, and 0 remain."
    );
    assert_eq!(changed(|body| body[ROW] = 0x82), "Version 0x82 of an operation at byte 23; expected 0x81.");
    assert_eq!(
        changed(|body| body[ROW + 1] = 0x71),
        "Schema 2145473649 of an operation at byte 23; expected 2145473648 (an operation)."
    );
    assert_eq!(
        changed(|body| body[PRESENCE] = 0x93),
        "Presence bits 0x93 of an operation at byte 28; a bit is set that the schema has no column for."
    );
    assert_eq!(
        changed(|body| body[PRESENCE] = 0x12),
        "Presence bits 0x12 of an operation at byte 28; bits 0 and 1 (operationType and resourceType) must be set."
    );
    assert_eq!(
        changed(|body| body[FIXED] = 3),
        "Value 3 of column operationType in record 0; expected 0 (create), 1 (patch), 2 (read), 4 (delete), 5 (replace) or 20 (upsert)."
    );
    assert_eq!(
        changed(|body| body[FIXED + 4] = 7),
        "Value 7 of column resourceType in record 0; expected 2 (document)."
    );
    assert_eq!(
        changed(|body| body[FIXED + 8] = 0x7f),
        "The body is cut off: id at byte 38 needs 127 bytes, and 5 remain."
    );
    assert_eq!(
        changed(|body| body.splice(FIXED + 8..FIXED + 9, [0xff; 9].into_iter().chain([1])).for_each(drop)),
        format!("The body is cut off: id at byte 47 needs {} bytes, and 5 remain.", u64::MAX)
    );
    assert_eq!(
        changed(|body| body.splice(FIXED + 8..FIXED + 9, [0xff; 11]).for_each(drop)),
        "The variable-length number of id at byte 37 is longer than 64 bits."
    );
    assert_eq!(changed(|body| body[FIXED + 9] = 0xff), "Column id at byte 38 is not UTF-8.");
}

#[test]
fn damage_of_sparse_columns_is_named() {
    let sparse = FIXED + 10;
    assert_eq!(changed(|body| body[sparse + 1] = 7), "Path token 7 at byte 40 of an operation; expected 8 to 12.");
    assert_eq!(changed(|body| body[sparse + 1] = 13), "Path token 13 at byte 40 of an operation; expected 8 to 12.");
    assert_eq!(
        changed(|body| body[sparse] = 0x09),
        "Type code 0x09 at byte 39 of ifMatch; expected 0x02 or 0x03 (false, true), 0x07 (int32), 0x0b (uint32), 0x10 (float64) or 0x14 (utf8)."
    );
    assert_eq!(
        changed(|body| body[sparse + 1] = 11),
        "Type code 0x14 at byte 39 of timeToLiveInSeconds; expected 0x07 (int32)."
    );
    assert_eq!(
        changed(|body| body[sparse + 1] = 12),
        "Type code 0x14 at byte 39 of minimalReturnPreference; expected 0x02 (false) or 0x03 (true)."
    );
    assert_eq!(
        changed(|body| body[sparse] = 0x07),
        "The body is cut off: ifMatch at byte 41 needs 4 bytes, and 2 remain."
    );
    assert_eq!(
        changed(|body| body.extend([0x14, 9, 1, b'f'])),
        "Column ifMatch is in the row twice; the second is at byte 43."
    );
    assert_eq!(
        changed(|body| body.push(0)),
        "The body is cut off: a path token at byte 44 needs 1 bytes, and 0 remain."
    );
}

#[test]
fn damage_of_results_is_named() {
    let result = OperationResult { status: 429, retry_after_milliseconds: Some(20), ..OperationResult::default() };
    let body = encode_results(&[result]).expect("a small result");
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = body.clone();
        change(&mut body);
        reseal(&mut body);
        decode_results(&body).expect_err("damage").to_string()
    };
    assert_eq!(
        error(&|body| body[PRESENCE] = 0),
        "Presence bits 0x00 of a result at byte 28; bit 0 (statusCode) must be set."
    );
    assert_eq!(
        error(&|body| body[PRESENCE] = 0x11),
        "Presence bits 0x11 of a result at byte 28; a bit is set that the schema has no column for."
    );
    assert_eq!(error(&|body| body[FIXED + 9] = 7), "Path token 7 at byte 38 of a result; expected 5 or 6.");
    assert_eq!(
        error(&|body| body[FIXED + 9] = 6),
        "Type code 0x0b at byte 37 of requestCharge; expected 0x10 (float64)."
    );
    assert_eq!(
        error(&|body| body[FIXED + 8] = 0x10),
        "The body is cut off: retryAfterMilliseconds at byte 39 needs 8 bytes, and 4 remain."
    );
    assert_eq!(
        error(&|body| body[ROW + 1] = 0x70),
        "Schema 2145473648 of a result at byte 23; expected 2145473649 (a result)."
    );
}

#[test]
fn a_comment_and_a_second_segment_header_are_skipped_and_sparse_columns_have_any_order() {
    let mut body = sound();
    let comment = [b"\x81\xf0\xd8\xff\x7f\x03\x0d\x00\x00\x00".as_slice(), b"\x02hi"].concat();
    body.splice(..RECORD, comment.clone());
    body.extend(comment);
    body.extend(&sound()[RECORD..]);
    assert_eq!(decode_operations(&body).expect("two records").len(), 2);

    let mut row = sound()[ROW..FIXED + 10].to_vec();
    row.extend([0x03, 12, 0x14, 9, 1, b'e', 0x07, 11, 60, 0, 0, 0]);
    let operations = decode_operations(&body_of(&row)).expect("a sound row");
    assert!(operations[0].minimal_return);
    assert_eq!(operations[0].if_match.as_deref(), Some("e"));
    assert_eq!(operations[0].time_to_live_seconds, Some(60));
}

#[test]
fn every_cut_of_a_recorded_body_is_refused_or_ends_between_records() {
    let recorded = read("batch-mixed.request.bin");
    let sound = decode_operations(&recorded).expect("a sound body");
    let mut shorter = 0;
    for length in 0..recorded.len() {
        match decode_operations(&recorded[..length]) {
            Ok(operations) => {
                assert_eq!(operations, sound[..operations.len()]);
                shorter += 1;
            }
            Err(DecodeError::Empty) => assert_eq!(length, 0),
            Err(error) => assert!(matches!(error, DecodeError::Cut { .. }), "{length}: {error}"),
        }
    }
    assert_eq!(shorter, sound.len());
}

/// A change of a body: at a place, another byte, bytes more, or bytes less.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (any::<Index>(), 1..12_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
    ]
}

fn mutate(body: &mut Vec<u8>, from: usize, mutations: &[Mutation]) {
    for mutation in mutations {
        let place = |at: &Index, body: &[u8]| from + at.index(body.len() - from + 1);
        match mutation {
            Mutation::Replace(at, byte) => {
                let at = place(at, body);
                if let Some(changed) = body.get_mut(at) {
                    *changed = *byte;
                }
            }
            Mutation::Insert(at, bytes) => {
                let at = place(at, body);
                body.splice(at..at, bytes.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = place(at, body);
                body.drain(at..body.len().min(at + count));
            }
        }
    }
}

/// All bytes that decoded operations have besides their fixed parts.
fn held_bytes(operations: &[Operation]) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::capacity);
    operations
        .iter()
        .map(|operation| {
            [&operation.partition_key, &operation.id, &operation.indexing_directive, &operation.if_match]
                .map(text)
                .into_iter()
                .chain([text(&operation.if_none_match)])
                .chain([&operation.effective_partition_key, &operation.binary_id, &operation.body].map(bytes))
                .sum::<usize>()
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_are_decoded_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_operations(&bytes);
        let _ = decode_results(&bytes);
        let _ = decode_operations(&body_of(&bytes));
        let _ = decode_results(&body_of(&bytes));
    }

    #[test]
    fn mutated_operations_are_refused_or_hold_no_more_than_the_body(
        operations in vec(any_operation(), 1..4),
        mutations in vec(any_mutation(), 1..4),
    ) {
        let mut body = encode_operations(&operations).expect("small operations");
        mutate(&mut body, 0, &mutations);
        if let Ok(decoded) = decode_operations(&body) {
            prop_assert!(held_bytes(&decoded) <= body.len());
        }
    }

    #[test]
    fn a_mutated_row_with_a_right_checksum_is_refused_or_is_a_row(
        operation in any_operation(),
        result in any_result(),
        mutations in vec(any_mutation(), 1..4),
    ) {
        let mut body = encode_operations(&[operation]).expect("a small operation");
        mutate(&mut body, ROW, &mutations);
        reseal(&mut body);
        if let Ok(decoded) = decode_operations(&body) {
            prop_assert!(held_bytes(&decoded) <= body.len());
            let encoded = encode_operations(&decoded).expect("small operations");
            prop_assert_eq!(decode_operations(&encoded), Ok(decoded));
        }
        let mut body = encode_results(&[result]).expect("a small result");
        mutate(&mut body, ROW, &mutations);
        reseal(&mut body);
        let _ = decode_results(&body);
    }
}
