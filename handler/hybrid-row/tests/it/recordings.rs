//! Bodies that version 3.64.0 of the .NET SDK sent and took. Each decodes to what its description says, and encodes to the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use hybrid_row::{
    DecodeError, Operation, OperationKind, OperationResult, decode_operations, decode_results, encode_operations,
    encode_results, is_hybrid_row,
};
use serde_json::Value;

/// Recorded bodies that are not lists of results: JSON errors, a body with a changed byte, and an empty one.
const NOT_RESULTS: &[&str] = &[
    "answer-bad-crc",
    "answer-json-200",
    "answer-json-413",
    "answer-json-error-400",
    "answer-whole-batch-429",
    "bulk-answer-json-error-400",
];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// The names of all recordings, and their descriptions.
fn descriptions() -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = fs::read_dir(folder())
        .expect("the folder of the recordings")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_str().expect("a plain name").to_owned();
            (name, serde_json::from_slice(&fs::read(&path).expect("a description")).expect("JSON"))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text(described: &Value, name: &str) -> Option<String> {
    described.get(name).map(|value| value.as_str().unwrap_or_else(|| panic!("{name} is text")).to_owned())
}

/// Bytes, which are written as text, after `hex:`, or as parts of which one is repeated.
fn bytes(described: &Value, name: &str) -> Option<Vec<u8>> {
    if let Some(parts) = described.get("resourceBodyParts").filter(|_| name == "resourceBody") {
        let part = |part: &Value| match part.as_str() {
            Some(text) => text.to_owned(),
            None => text(part, "repeat").expect("a character").repeat(number(part, "count").expect("a count") as usize),
        };
        return Some(parts.as_array().expect("parts").iter().map(part).collect::<String>().into_bytes());
    }
    let text = text(described, name)?;
    Some(match text.strip_prefix("hex:") {
        Some(digits) => hex::decode(digits).expect("hexadecimal digits"),
        None => text.into_bytes(),
    })
}

fn number(described: &Value, name: &str) -> Option<i64> {
    described.get(name).map(|value| value.as_i64().unwrap_or_else(|| panic!("{name} is a whole number")))
}

fn int32(described: &Value, name: &str) -> Option<i32> {
    number(described, name).map(|number| number.try_into().expect("an int32"))
}

fn refuse_unknown(described: &Value, known: &[&str]) {
    for name in described.as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "no test compares {name}");
    }
}

fn operation(described: &Value) -> Operation {
    refuse_unknown(
        described,
        &[
            "operation",
            "operationType",
            "resourceType",
            "partitionKey",
            "effectivePartitionKey",
            "id",
            "binaryId",
            "resourceBody",
            "resourceBodyParts",
            "resourceBodyBytes",
            "indexingDirective",
            "ifMatch",
            "ifNoneMatch",
            "timeToLiveInSeconds",
            "minimalReturnPreference",
        ],
    );
    let kind = match (described["operation"].as_str(), int32(described, "operationType")) {
        (Some("Create"), Some(0)) => OperationKind::Create,
        (Some("Patch"), Some(1)) => OperationKind::Patch,
        (Some("Read"), Some(2)) => OperationKind::Read,
        (Some("Delete"), Some(4)) => OperationKind::Delete,
        (Some("Replace"), Some(5)) => OperationKind::Replace,
        (Some("Upsert"), Some(20)) => OperationKind::Upsert,
        other => panic!("unknown operation {other:?}"),
    };
    assert_eq!(int32(described, "resourceType"), Some(2));
    Operation {
        kind,
        partition_key: text(described, "partitionKey"),
        effective_partition_key: bytes(described, "effectivePartitionKey"),
        id: text(described, "id"),
        binary_id: bytes(described, "binaryId"),
        body: bytes(described, "resourceBody"),
        indexing_directive: text(described, "indexingDirective"),
        if_match: text(described, "ifMatch"),
        if_none_match: text(described, "ifNoneMatch"),
        time_to_live_seconds: int32(described, "timeToLiveInSeconds"),
        minimal_return: described.get("minimalReturnPreference").is_some_and(|value| value == true),
    }
}

fn result(described: &Value) -> OperationResult {
    refuse_unknown(
        described,
        &["statusCode", "subStatusCode", "eTag", "resourceBody", "retryAfterMilliseconds", "requestCharge"],
    );
    OperationResult {
        status: int32(described, "statusCode").expect("a status"),
        substatus: int32(described, "subStatusCode"),
        etag: text(described, "eTag"),
        body: bytes(described, "resourceBody"),
        retry_after_milliseconds: number(described, "retryAfterMilliseconds").map(|number| number as u32),
        request_charge: described.get("requestCharge").map(|charge| charge.as_f64().expect("a number")),
    }
}

#[test]
fn every_request_decodes_to_its_description_and_encodes_to_the_same_bytes() {
    let mut count = 0;
    for (name, description) in descriptions() {
        let Some(operations) = description.get("operations") else { continue };
        let operations: Vec<Operation> = operations.as_array().expect("a list").iter().map(operation).collect();
        let encoded = encode_operations(&operations).expect("small operations");
        // The large body is not stored. The SDK sent these bytes around it.
        let recorded = if name == "batch-1mb" {
            let body = operations[0].body.as_deref().expect("a body");
            assert_eq!(body.len(), 1_048_607);
            let before = "81f0d8ff7f010a00000081f1d8ff7f3000100067946c88817054e17f4300000000020000009f8040";
            [&hex::decode(before).expect("digits"), body].concat()
        } else {
            read(&format!("{name}.request.bin"))
        };
        assert!(encoded == recorded, "{name} encodes to other bytes");
        assert!(is_hybrid_row(&recorded), "{name}");
        assert_eq!(decode_operations(&recorded).as_ref(), Ok(&operations), "{name}");
        count += 1;
    }
    assert_eq!(count, 18, "requests among the recordings");
}

#[test]
fn every_response_decodes_to_its_description_and_encodes_to_the_same_bytes() {
    let mut count = 0;
    for (name, description) in descriptions() {
        let Some(results) = description.get("results").and_then(Value::as_array) else { continue };
        let results: Vec<OperationResult> = results.iter().map(result).collect();
        let recorded = read(&format!("{name}.response.bin"));
        assert!(is_hybrid_row(&recorded), "{name}");
        assert_eq!(decode_results(&recorded).as_ref(), Ok(&results), "{name}");
        assert!(encode_results(&results).as_ref() == Ok(&recorded), "{name} encodes to other bytes");
        count += 1;
    }
    assert_eq!(count, 17, "responses among the recordings");
}

#[test]
fn recorded_bodies_that_are_not_lists_of_results_are_refused() {
    let without_results: Vec<String> = descriptions()
        .into_iter()
        .filter(|(_, description)| description.get("results").is_some_and(Value::is_null))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(without_results, NOT_RESULTS);
    for name in NOT_RESULTS {
        let recorded = read(&format!("{name}.response.bin"));
        let error = decode_results(&recorded).expect_err(name);
        match *name {
            "answer-bad-crc" => assert!(matches!(error, DecodeError::Checksum { record: 3, .. }), "{error}"),
            "answer-whole-batch-429" => assert_eq!(error, DecodeError::Empty),
            _ => {
                assert!(!is_hybrid_row(&recorded), "{name}");
                assert!(matches!(error, DecodeError::Version { at: 0, .. }), "{error}");
            }
        }
    }
}
