//! What is encoded decodes to itself.

use hybrid_row::{
    Operation, OperationKind, OperationResult, decode_operations, decode_results, encode_operations, encode_results,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn any_operation() -> impl Strategy<Value = Operation> {
    let kind = prop_oneof![
        Just(OperationKind::Create),
        Just(OperationKind::Patch),
        Just(OperationKind::Read),
        Just(OperationKind::Delete),
        Just(OperationKind::Replace),
        Just(OperationKind::Upsert),
    ];
    let bytes = || option::of(vec(any::<u8>(), 0..300));
    let text = || option::of(vec(any::<char>(), 0..150).prop_map(String::from_iter));
    let keys = (text(), bytes(), text(), bytes(), bytes());
    let options = (text(), text(), text(), option::of(any::<i32>()), any::<bool>());
    (kind, keys, options).prop_map(|(kind, keys, options)| {
        let (partition_key, effective_partition_key, id, binary_id, body) = keys;
        let (indexing_directive, if_match, if_none_match, time_to_live_seconds, minimal_return) = options;
        Operation {
            kind,
            partition_key,
            effective_partition_key,
            id,
            binary_id,
            body,
            indexing_directive,
            if_match,
            if_none_match,
            time_to_live_seconds,
            minimal_return,
        }
    })
}

pub(crate) fn any_result() -> impl Strategy<Value = OperationResult> {
    let text = option::of(vec(any::<char>(), 0..150).prop_map(String::from_iter));
    let numbers = (any::<i32>(), option::of(any::<i32>()), option::of(any::<u32>()), option::of(0.0..1e9));
    (numbers, text, option::of(vec(any::<u8>(), 0..300))).prop_map(|(numbers, etag, body)| {
        let (status, substatus, retry_after_milliseconds, request_charge) = numbers;
        OperationResult { status, substatus, etag, body, retry_after_milliseconds, request_charge }
    })
}

proptest! {
    #[test]
    fn operations_are_decoded_as_they_were_encoded(operations in vec(any_operation(), 0..8)) {
        let body = encode_operations(&operations).expect("small operations");
        prop_assert_eq!(decode_operations(&body), Ok(operations));
    }

    #[test]
    fn results_are_decoded_as_they_were_encoded(results in vec(any_result(), 0..8)) {
        let body = encode_results(&results).expect("small results");
        prop_assert_eq!(decode_results(&body), Ok(results));
    }
}
