//! Blame against a naive model, and each rule by itself.

use super::*;
use changefeed_cosmos::Key;
use proptest::prelude::*;
use serde_json::json;

use crate::same_value::same_value;
use crate::version::SCHEMA;

fn version(number: i64, operation: Operation, document: Option<Value>) -> Version {
    Version {
        id: VersionId::of_write(1000 + number, &format!("e{number}")),
        pk: None,
        source_id: "1".into(),
        partition_key: Key::text("a"),
        operation,
        source_ts: 1000 + number,
        lsn: Some(number),
        etag: None,
        actor: document.as_ref().and_then(|document| document["by"].as_str()).map(str::to_owned),
        expires_at: None,
        captured_at: String::new(),
        captured_by: String::new(),
        exact: true,
        inferred: false,
        omitted: Vec::new(),
        schema: SCHEMA,
        document,
        previous: None,
    }
}

fn untracked() -> UntrackedFields {
    UntrackedFields::new(["restored_at"], &["/pk".parse().expect("a path")])
}

/// Blames the newest of the versions, which are in order.
fn blame(versions: &[Version], max_versions: usize, horizon: i64) -> Vec<BlamedField> {
    let (newest, older) = versions.split_last().expect("a version");
    let mut blaming = Blaming::new(newest.clone(), true, &untracked());
    for version in older.iter().rev() {
        if blaming.is_done() || blaming.observed() == max_versions {
            break;
        }
        blaming.observe(version.clone());
    }
    let is_end = blaming.observed() == versions.len();
    blaming.explain_oldest();
    blaming.finish(horizon, is_end)
}

/// The number of the version that set each leaf; `b` and a number for the oldest one that was read, `?` if it is unknown.
fn short(fields: &[BlamedField]) -> Vec<(String, String)> {
    let number = |id: &VersionId| id.rsplit_once('e').expect("an etag").1.to_owned();
    let origin = |origin: &Origin| match origin {
        Origin::Version(set_by) => number(&set_by.version_id),
        Origin::AtOrBefore { at_or_before } => format!("b{}", number(at_or_before)),
        Origin::Unknown { .. } => "?".to_owned(),
    };
    fields.iter().map(|field| (field.path.pointer(), origin(&field.origin))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, origin)| ((*path).to_owned(), (*origin).to_owned())).collect()
}

#[test]
fn a_leaf_belongs_to_the_newest_version_that_changed_its_value() {
    let id = |rest: Value| {
        let mut document = json!({"id": "1", "pk": "a", "restored_at": 5, "_ts": 5});
        document.as_object_mut().expect("object").extend(rest.as_object().expect("object").clone());
        Some(document)
    };
    let versions = [
        version(1, Operation::Create, id(json!({"a": 1, "o": {"b": 1, "c": {"x": 1}}, "l": [1, 2], "by": "x"}))),
        version(2, Operation::Replace, id(json!({"a": 2, "o": {"b": 1, "c": {"x": 1}}, "l": [1, 3], "by": "x"}))),
        version(
            3,
            Operation::Replace,
            id(json!({"a": 1.0, "o": {"b": 1, "c": {}}, "l": [1, 3], "by": "y", "0": null})),
        ),
    ];
    let all =
        [("/id", "1"), ("/pk", "1"), ("/a", "3"), ("/o/b", "1"), ("/o/c", "3"), ("/l", "2"), ("/by", "3"), ("/0", "3")];
    let blamed = blame(&versions, 1000, -1);
    assert_eq!(short(&blamed), pairs(&all));
    assert_eq!(
        serde_json::to_value(&blamed[5]).expect("json"),
        json!({"path": "/l", "value": [1, 3], "versionId": "0000001002-e2", "sourceTs": 1002, "operation": "replace",
            "actor": "x", "exact": true})
    );
    let cut = short(&blame(&versions, 2, -1));
    assert_eq!(cut[2..6], pairs(&[("/a", "3"), ("/o/b", "b2"), ("/o/c", "3"), ("/l", "b2")]));
    let cut = blame(&versions, 2, -1);
    assert_eq!(
        serde_json::to_value(&cut[3]).expect("json"),
        json!({"path": "/o/b", "value": 1, "atOrBefore": "0000001002-e2"})
    );
    // Beyond the horizon only a creation is certain.
    assert_eq!(
        short(&blame(&versions, 1000, 1002))[2..6],
        pairs(&[("/a", "3"), ("/o/b", "1"), ("/o/c", "3"), ("/l", "?")])
    );
    // The first known version is not a creation.
    let known = blame(&versions[1..], 1000, -1);
    assert_eq!(short(&known)[..4], pairs(&[("/id", "?"), ("/pk", "?"), ("/a", "3"), ("/o/b", "?")]));
    assert_eq!(serde_json::to_value(&known[0]).expect("json"), json!({"path": "/id", "value": "1", "unknown": true}));
    let mut with_image = versions[1..].to_vec();
    with_image[0].previous = versions[0].document.clone();
    assert_eq!(short(&blame(&with_image, 1000, -1))[3..6], pairs(&[("/o/b", "?"), ("/o/c", "3"), ("/l", "2")]));
    for field in blamed.iter().chain(&cut).chain(&known) {
        let json = serde_json::to_string(field).expect("json");
        assert_eq!(&serde_json::from_str::<BlamedField>(&json).expect("a field"), field);
    }
}

#[test]
fn a_recreated_document_has_a_history_of_its_own() {
    let document = |n: i64| Some(json!({"id": "1", "a": 1, "n": n}));
    let mut versions = vec![
        version(1, Operation::Create, document(1)),
        version(2, Operation::Delete, None),
        version(3, Operation::Create, document(1)),
        version(4, Operation::Replace, document(2)),
    ];
    assert_eq!(short(&blame(&versions, 1000, -1)), pairs(&[("/id", "3"), ("/a", "3"), ("/n", "4")]));
    // An expiry without a version of its own.
    versions.remove(1);
    versions[0].expires_at = Some(1002);
    versions[1].operation = Operation::Write;
    assert_eq!(short(&blame(&versions, 1000, -1)), pairs(&[("/id", "3"), ("/a", "3"), ("/n", "4")]));
    versions[0].expires_at = None;
    assert_eq!(short(&blame(&versions, 1000, -1)), pairs(&[("/id", "1"), ("/a", "1"), ("/n", "4")]));
}

#[test]
fn records_of_one_version_are_one_and_an_inexact_neighbour_marks_the_leaf() {
    let document = |text: &str, n: i64| Some(json!({"id": "1", "t": text, "n": n}));
    let inexact = version(2, Operation::Replace, document("2020-01-01T00:00:00", 2));
    let versions = [
        version(1, Operation::Create, document("2020-01-01T00:00:00Z", 1)),
        Version { exact: false, ..inexact.clone() },
        Version { id: inexact.id.exact(), ..version(2, Operation::Replace, document("2020-01-01T00:00:00Z", 2)) },
        version(3, Operation::Replace, document("2020-01-01T00:00:00Z", 3)),
    ];
    assert_eq!(short(&blame(&versions[..3], 1000, -1))[1].1, "1");
    let exact = |fields: &[BlamedField]| match &fields[1].origin {
        Origin::Version(set_by) => set_by.exact,
        origin => panic!("{origin:?}"),
    };
    assert!(exact(&blame(&versions[..3], 1000, -1)));
    let doubtful = [versions[0].clone(), versions[1].clone(), versions[3].clone()];
    assert_eq!(short(&blame(&doubtful, 1000, -1))[1].1, "3");
    assert!(!exact(&blame(&doubtful, 1000, -1)));
}

#[test]
fn a_live_document_has_the_operation_and_actor_of_its_version_once_that_is_observed() {
    let document = |n: i64| Some(json!({"id": "1", "n": n, "by": "x"}));
    let older = version(1, Operation::Create, document(1));
    let live = version(2, Operation::Write, document(2));
    let captured = Version { operation: Operation::Replace, exact: false, ..live.clone() };
    for (observed, operation, is_captured) in
        [(vec![older.clone()], Operation::Write, false), (vec![captured, older], Operation::Replace, true)]
    {
        let mut blaming = Blaming::new(live.clone(), false, &untracked());
        observed.into_iter().for_each(|version| blaming.observe(version));
        let fields = blaming.finish(-1, true);
        let Origin::Version(set_by) = &fields[1].origin else { panic!("{fields:?}") };
        assert_eq!((set_by.operation, set_by.captured, set_by.exact), (operation, is_captured, true));
    }
}

#[test]
fn a_value_in_an_array_is_no_value_of_an_object() {
    let versions = [
        version(1, Operation::Create, Some(json!({"id": "1", "a": [1]}))),
        version(2, Operation::Replace, Some(json!({"id": "1", "a": {"0": 1}}))),
    ];
    assert_eq!(short(&blame(&versions, 1000, -1)), pairs(&[("/id", "1"), ("/a/0", "2")]));
}

fn document() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![3 => (0..2).prop_map(Value::from), 1 => Just(json!({})), 1 => Just(json!([1]))];
    let value = leaf.prop_recursive(2, 6, 2, |inner| {
        prop::collection::btree_map("[a-b]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    let document = prop::collection::btree_map("[a-c]", value, 0..4).prop_map(|map| {
        let mut document = json!({"id": "1", "pk": "a"});
        document.as_object_mut().expect("object").extend(map);
        document
    });
    prop::option::weighted(0.85, document)
}

fn naive_leaves(value: &Value, path: String, found: &mut Vec<(String, Value)>) {
    match value.as_object().filter(|properties| !properties.is_empty()) {
        Some(properties) => {
            properties.iter().for_each(|(name, value)| naive_leaves(value, format!("{path}/{name}"), found));
        }
        None => found.push((path, value.clone())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn blame_is_what_the_full_list_of_versions_says(
        documents in prop::collection::vec(document(), 1..7), max_versions in 1..8usize, is_first_known in any::<bool>(),
    ) {
        let mut documents = documents;
        *documents.last_mut().expect("a document") = Some(json!({"id": "1", "pk": "a", "a": 1, "b": {"a": 0}, "c": {}}));
        let versions: Vec<Version> = documents.iter().enumerate().map(|(number, document)| {
            let existed = if number == 0 { !is_first_known } else { documents[number - 1].is_some() };
            let operation = match (existed, document) {
                (_, None) => Operation::Delete,
                (false, Some(_)) => Operation::Create,
                (true, Some(_)) => Operation::Replace,
            };
            version(number as i64, operation, document.clone())
        }).collect();
        let mut leaves = Vec::new();
        naive_leaves(documents.last().expect("a document").as_ref().expect("live"), String::new(), &mut leaves);
        // The newest version at which the value differs from the one before, over all versions.
        let newest_change = |path: &str, value: &Value| (0..versions.len()).rev().find(|number| {
            let before = match number {
                0 if !is_first_known => return false,
                0 => None,
                number => documents[number - 1].as_ref(),
            };
            !before.and_then(|before| before.pointer(path)).is_some_and(|before| same_value(before, value))
        });
        let read_until = |number: usize| versions.len() - number;
        for (path, found) in short(&blame(&versions, max_versions, -1)) {
            let (_, value) = leaves.iter().find(|leaf| leaf.0 == path).expect("a leaf");
            let is_identity = ["/id", "/pk"].contains(&path.as_str());
            match newest_change(&path, value) {
                Some(number) if found == number.to_string() => {}
                // A version is known to have set a value when the one before it was read.
                Some(number) => {
                    let is_cut = max_versions <= read_until(number);
                    prop_assert!(is_identity || is_cut && found.starts_with('b'), "{path}: {found}, not {number}");
                }
                None => prop_assert!(is_identity || found == "?" || max_versions < versions.len(), "{path}: {found}"),
            }
        }
        prop_assert_eq!(leaves.len(), blame(&versions, max_versions, -1).len());
    }
}
