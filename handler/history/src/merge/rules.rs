//! Examples of each rule of a merge, and of the other ways to treat later changes.

use changefeed_cosmos::FieldPath;
use serde_json::{Value, json};

use super::story::{MERGE, Story, action, pointers, untracked, version};
use super::{Base, DocumentWindow, LaterChanges, UndoOptions, WindowVersion};
use crate::field_selection::FieldSelection;
use crate::version::Operation;

const LATER: bool = false;
const SELECTED: bool = true;

/// Undoes the selected ones of the versions and checks the action, the document, the restored and the kept paths.
#[track_caller]
fn check(base: Value, versions: &[(bool, Value)], expected: (&str, Value, &[&str], &[&str])) {
    let story = story(base, versions);
    story.undo(&MERGE, |undo| {
        let document = undo.document().cloned().unwrap_or_default();
        let (restored, kept) = (pointers(&undo.restored), pointers(&undo.kept_paths));
        let found = (action(&undo), document, restored.as_slice(), kept.as_slice());
        let (name, document, restored, kept) = expected;
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        assert_eq!(found, (name, document, owned(restored).as_slice(), owned(kept).as_slice()), "{undo:?}");
    });
}

/// A story in which `null` is a document that does not exist.
fn story(base: Value, versions: &[(bool, Value)]) -> Story {
    let present = |document: &Value| Some(document.clone()).filter(|document| !document.is_null());
    versions
        .iter()
        .fold(Story::new(present(&base)), |story, (is_selected, document)| story.then(*is_selected, present(document)))
}

#[test]
fn a_path_returns_to_the_value_before_the_trailing_run_of_selected_changes() {
    // One run.
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, json!({"a": 2, "b": 1})), (SELECTED, json!({"a": 3, "b": 1})), (LATER, json!({"a": 3, "b": 2}))],
        ("merge", json!({"a": 1, "b": 2}), &["/a"], &[]),
    );
    // A later change between two runs: only the second run is undone.
    check(
        json!({"a": 1}),
        &[(SELECTED, json!({"a": 2})), (LATER, json!({"a": 3})), (SELECTED, json!({"a": 4}))],
        ("merge", json!({"a": 3}), &["/a"], &[]),
    );
    // Added and removed properties.
    check(
        json!({"gone": [1], "x": 1}),
        &[(SELECTED, json!({"new": 1, "x": 1})), (LATER, json!({"new": 1, "x": 2}))],
        ("merge", json!({"x": 2, "gone": [1]}), &["/new", "/gone"], &[]),
    );
}

#[test]
fn a_path_that_a_later_version_changed_stays_and_is_listed() {
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, json!({"a": 2, "b": 2})), (LATER, json!({"a": 3, "b": 2}))],
        ("merge", json!({"a": 3, "b": 1}), &["/b"], &["/a"]),
    );
    // Nothing remains to undo, whatever value the later version wrote.
    for corrected in [json!({"a": 3}), json!({"a": 1}), json!({})] {
        check(
            json!({"a": 1}),
            &[(SELECTED, json!({"a": 2})), (LATER, corrected)],
            ("unchanged", Value::Null, &[], &["/a"]),
        );
    }
    // What the window itself changed back is no change.
    check(
        json!({"a": 1}),
        &[(SELECTED, json!({"a": 2})), (SELECTED, json!({"a": 1})), (LATER, json!({"a": 5}))],
        ("unchanged", Value::Null, &[], &[]),
    );
}

#[test]
fn with_strict_a_kept_path_is_a_conflict_that_names_it() {
    let story = story(
        json!({"a": 1, "b": 1, "c": {"d e": 1}, "f": 1}),
        &[
            (SELECTED, json!({"a": 2, "b": 2, "c": {"d e": 2}, "f": 2})),
            (LATER, json!({"a": 3, "b": 3, "c": {"d e": 3}, "f": 3})),
        ],
    );
    story.undo(&UndoOptions { strict: true, ..MERGE }, |undo| {
        assert_eq!((action(&undo), undo.kept_paths.len()), ("conflict", 4));
        let reason = undo.reason.unwrap_or_default();
        assert!(reason.contains(r#"a, b, c."d e" and 1 more"#), "{reason}");
    });
    let story = Story::new(Some(json!({"a": 1}))).selected(json!({"a": 2})).later(json!({"a": 2, "b": 1}));
    story.undo(&UndoOptions { strict: true, ..MERGE }, |undo| assert_eq!(action(&undo), "merge"));
}

#[test]
fn a_document_without_a_known_state_before_the_window_is_unknown() {
    let mut story = Story::new(None).selected(json!({"a": 2})).later(json!({"a": 2, "b": 1}));
    story.is_base_known = false;
    for later_changes in [LaterChanges::Merge, LaterChanges::Overwrite] {
        story.undo(&UndoOptions { later_changes, ..MERGE }, |undo| assert_eq!(action(&undo), "unknown"));
    }
    // A version before the first selected one shows the state.
    let mut story = Story::new(None).later(json!({"a": 1})).selected(json!({"a": 2})).later(json!({"a": 2, "b": 1}));
    story.is_base_known = false;
    assert_eq!(story.document_after(&MERGE), Some(json!({"a": 1, "b": 1})));
}

#[test]
fn arrays_are_values_and_objects_merge_by_property() {
    check(
        json!({"list": [1, 2], "o": {"a": 1, "b": 1}}),
        &[
            (SELECTED, json!({"list": [9, 2], "o": {"a": 2, "b": 1}})),
            (LATER, json!({"list": [9, 3], "o": {"a": 2, "b": 2}})),
        ],
        ("merge", json!({"list": [9, 3], "o": {"a": 1, "b": 2}}), &["/o/a"], &["/list"]),
    );
}

#[test]
fn an_object_that_the_window_created_is_removed_if_the_merge_empties_it() {
    let created = json!({"o": {"p": {"a": 1}, "b": 1}, "x": 1});
    // Later versions changed nothing in it.
    check(
        json!({"x": 1}),
        &[(SELECTED, created.clone()), (LATER, json!({"o": {"p": {"a": 1}, "b": 1}, "x": 2}))],
        ("merge", json!({"x": 2}), &["/o"], &[]),
    );
    // A later version added a property, which stays with the objects around it.
    check(
        json!({"x": 1}),
        &[(SELECTED, created.clone()), (LATER, json!({"o": {"p": {"a": 1, "c": 1}, "b": 1}, "x": 1}))],
        ("merge", json!({"o": {"p": {"c": 1}}, "x": 1}), &["/o/p/a", "/o/b"], &[]),
    );
    // It removed the property again.
    check(
        json!({"x": 1}),
        &[
            (SELECTED, created.clone()),
            (LATER, json!({"o": {"p": {"a": 1, "c": 1}, "b": 1}, "x": 1})),
            (LATER, created.clone()),
        ],
        ("merge", json!({"x": 1}), &["/o"], &[]),
    );
    // Later versions have emptied it, not the merge.
    check(
        json!({"x": 1}),
        &[(SELECTED, json!({"o": {"a": 1}, "x": 2})), (LATER, json!({"o": {}, "x": 2}))],
        ("merge", json!({"o": {}, "x": 1}), &["/x"], &["/o/a"]),
    );
    // An object that existed before stays.
    check(
        json!({"o": {"a": 1}}),
        &[(SELECTED, json!({"o": {"a": 1, "b": 1}})), (LATER, json!({"o": {"b": 1}}))],
        ("merge", json!({"o": {}}), &["/o/b"], &[]),
    );
}

#[test]
fn between_a_path_and_its_parent_the_change_that_is_not_selected_wins() {
    // Above: the object became another value, or was removed.
    for later in [json!({"o": 5}), json!({"o": []}), json!({})] {
        check(
            json!({"o": {"a": 1, "b": 1}}),
            &[(SELECTED, json!({"o": {"a": 2, "b": 1}})), (LATER, later)],
            ("unchanged", Value::Null, &[], &["/o/a"]),
        );
    }
    check(
        json!({"o": {"a": 1, "b": 1}}),
        &[(SELECTED, json!({"o": {"a": 1}})), (LATER, json!({}))],
        ("unchanged", Value::Null, &[], &["/o/b"]),
    );
    // Below: the window made it an object, and a later version changed a property of that.
    check(
        json!({"o": 5, "x": 1}),
        &[(SELECTED, json!({"o": {"a": 1, "b": 1}, "x": 2})), (LATER, json!({"o": {"a": 2, "b": 1}, "x": 2}))],
        ("merge", json!({"o": {"a": 2, "b": 1}, "x": 1}), &["/x"], &["/o"]),
    );
    // Below: the window removed the object, and a later version added it again.
    check(
        json!({"o": {"a": 1, "b": 1}}),
        &[(SELECTED, json!({})), (LATER, json!({"o": {"b": 2}}))],
        ("unchanged", Value::Null, &[], &["/o"]),
    );
    // After the kept change, a selected one changed a property once more.
    check(
        json!({"o": 5}),
        &[
            (SELECTED, json!({"o": {"a": 1, "b": 1}})),
            (LATER, json!({"o": {"a": 2, "b": 1}})),
            (SELECTED, json!({"o": {"a": 2, "b": 7}})),
        ],
        ("merge", json!({"o": {"a": 2, "b": 1}}), &["/o/b"], &["/o"]),
    );
}

#[test]
fn a_document_that_the_window_deleted_is_created_only_if_it_is_absent_now() {
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, json!({"a": 2, "b": 1})), (LATER, json!({"a": 2, "b": 3})), (SELECTED, Value::Null)],
        ("create", json!({"a": 1, "b": 3}), &[""], &[]),
    );
    // It was created again later.
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, Value::Null), (LATER, json!({"a": 5}))],
        ("unchanged", Value::Null, &[], &[""]),
    );
    // And changed by the window after that.
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, Value::Null), (LATER, json!({"a": 5})), (SELECTED, json!({"a": 6}))],
        ("merge", json!({"a": 5}), &["/a"], &[""]),
    );
    // The window itself created it again.
    check(
        json!({"a": 1, "b": 1}),
        &[(SELECTED, Value::Null), (SELECTED, json!({"b": 2})), (LATER, json!({"b": 2, "c": 1}))],
        ("merge", json!({"b": 1, "c": 1, "a": 1}), &["/b", "/a"], &[]),
    );
    // A later version deleted it.
    check(
        json!({"a": 1}),
        &[(SELECTED, json!({"a": 2})), (LATER, Value::Null)],
        ("unchanged", Value::Null, &[], &["/a"]),
    );
}

#[test]
fn a_document_that_the_window_created_is_deleted_only_on_request_and_if_nothing_changed_it_later() {
    let keep = UndoOptions { delete_created_after: false, ..MERGE };
    let created = Story::new(None).selected(json!({"a": 1})).selected(json!({"a": 2}));
    created.undo(&MERGE, |undo| assert_eq!((action(&undo), pointers(&undo.restored)), ("delete", vec![String::new()])));
    created.undo(&keep, |undo| {
        assert_eq!(action(&undo), "kept");
        assert!(undo.reason.is_some_and(|reason| reason.contains("deleteCreatedAfter")));
    });
    let edited = created.later(json!({"a": 2, "b": 1}));
    for options in [MERGE, keep] {
        edited.undo(&options, |undo| {
            assert_eq!((action(&undo), pointers(&undo.kept_paths)), ("kept", vec![String::new()]));
        });
    }
    // A later version deleted it, and the window created it again.
    check(
        json!({"a": 1}),
        &[(SELECTED, json!({"a": 2})), (LATER, Value::Null), (SELECTED, json!({"a": 3}))],
        ("delete", Value::Null, &[""], &[]),
    );
    check(Value::Null, &[(SELECTED, json!({"a": 2})), (LATER, Value::Null)], ("unchanged", Value::Null, &[], &[""]));
}

#[test]
fn an_inexact_version_is_a_conflict_without_force() {
    let story = Story::new(Some(json!({"a": 1, "t": "2020-01-01"}))).selected(json!({"a": 2, "t": "2020-01-01"}));
    let edited = story.clone().later(json!({"a": 2, "t": "2020-01-01", "b": 1}));
    for mut story in [story, edited] {
        story.versions[0].0.exact = false;
        // The last version is the live document, which is exact.
        story.live.as_mut().expect("live").exact = true;
        let is_last = story.versions.len() == 1;
        story.undo(&MERGE, |undo| {
            let expected = if is_last { "replace" } else { "conflict" };
            assert_eq!(action(&undo), expected, "{undo:?}");
        });
        story.undo(&UndoOptions { force: true, ..MERGE }, |undo| {
            assert_eq!(action(&undo), if is_last { "replace" } else { "merge" });
            assert_eq!(undo.reason.is_some(), !is_last);
        });
    }
}

#[test]
fn an_inexact_later_version_is_a_conflict_of_a_merge_without_force() {
    let mut story = Story::new(Some(json!({"a": 1, "t": "2020-01-01T00:00:00Z"})))
        .selected(json!({"a": 2, "t": "2020-01-01T00:00:00Z"}))
        .later(json!({"a": 2, "t": "2020-01-01T00:00:00"}))
        .later(json!({"a": 2, "t": "2020-01-01T00:00:00Z", "b": 1}));
    story.versions[1].0.exact = false;
    story.undo(&MERGE, |undo| {
        assert_eq!(action(&undo), "conflict");
        assert!(undo.reason.is_some_and(|reason| reason.contains("only with force")));
    });
    story.undo(&UndoOptions { force: true, ..MERGE }, |undo| assert_eq!(action(&undo), "merge"));
    // Nothing of it is used to return to the state before the window.
    let overwrite = UndoOptions { later_changes: LaterChanges::Overwrite, ..MERGE };
    story.undo(&overwrite, |undo| assert_eq!(action(&undo), "replace"));
}

#[test]
fn a_delete_that_has_two_records_is_not_changed_later() {
    for is_second_selected in [true, false] {
        let story = Story::new(Some(json!({"a": 1}))).then(SELECTED, None).then(is_second_selected, None);
        story.undo(&UndoOptions::default(), |undo| assert_eq!(action(&undo), "create"));
    }
}

#[test]
fn what_the_window_changed_and_changed_back_before_a_later_version_is_no_change() {
    let story =
        Story::new(Some(json!({"a": 1}))).selected(json!({"a": 2})).selected(json!({"a": 1})).later(json!({"a": 3}));
    story.undo(&UndoOptions { strict: true, ..MERGE }, |undo| {
        assert_eq!((action(&undo), undo.kept_paths), ("unchanged", Vec::new()));
    });
}

#[test]
fn kept_paths_are_those_of_the_selected_fields() {
    let story = Story::new(Some(json!({"a": 1, "b": {"c": 1, "d": 1}, "e": 1})))
        .selected(json!({"a": 2, "b": {"c": 2, "d": 2}, "e": 2}))
        .later(json!({"a": 2, "b": {"c": 3, "d": 3}, "e": 3}));
    let live = story.live.clone();
    let versions: Vec<WindowVersion<'_>> = story
        .versions
        .iter()
        .map(|(version, is_selected)| WindowVersion { version, is_selected: *is_selected })
        .collect();
    let document = story.base.clone().expect("a document");
    let base = Base::Document { document: &document, exact: true };
    let path = |text: &str| text.parse::<FieldPath>().expect(text);
    for (fields, kept, strict) in [
        (FieldSelection::Only(vec![path("a")]), vec![], "merge"),
        (FieldSelection::Only(vec![path("a"), path("b.c")]), vec!["/b/c"], "conflict"),
        (FieldSelection::Only(vec![path("b")]), vec!["/b/c", "/b/d"], "conflict"),
        (FieldSelection::Except(vec![path("b"), path("e")]), vec![], "merge"),
        (FieldSelection::Except(vec![path("b.c")]), vec!["/b/d", "/e"], "conflict"),
    ] {
        let window = DocumentWindow { base, versions: &versions, live: live.as_ref(), fields: Some(&fields) };
        let undo = window.undo(&MERGE, &untracked());
        assert_eq!(
            (action(&undo), pointers(&undo.kept_paths)),
            ("merge", kept.iter().map(ToString::to_string).collect())
        );
        let undo = window.undo(&UndoOptions { strict: true, ..MERGE }, &untracked());
        assert_eq!(action(&undo), strict, "{fields:?}");
    }
}

#[test]
fn an_exact_record_takes_the_place_of_the_inexact_one_of_its_version() {
    let mut story = Story::new(Some(json!({"a": 1, "t": "2020-01-01T00:00:00Z"})))
        .selected(json!({"a": 2, "t": "2020-01-01T00:00:00"}))
        .selected(json!({"a": 2, "t": "2020-01-01T00:00:00Z"}))
        .later(json!({"a": 2, "t": "2020-01-01T00:00:00Z", "b": 1}));
    let inexact = &mut story.versions[0].0;
    inexact.exact = false;
    let id = inexact.id.exact();
    let exact = &mut story.versions[1];
    (exact.0.id, exact.0.operation, exact.1) = (id, Operation::Replace, false);
    story.undo(&MERGE, |undo| {
        assert_eq!(
            (action(&undo), pointers(&undo.restored), undo.kept_paths.len()),
            ("merge", vec!["/a".to_owned()], 0)
        );
    });
}

#[test]
fn the_stamp_system_properties_the_id_and_the_key_stay_as_they_are() {
    check(
        json!({"id": "1", "pk": "a", "restored_at": 1, "a": 1}),
        &[
            (SELECTED, json!({"id": "1", "pk": "a", "restored_at": 2, "a": 2})),
            (LATER, json!({"id": "1", "pk": "a", "restored_at": 3, "a": 2, "b": 1})),
        ],
        ("merge", json!({"id": "1", "pk": "a", "restored_at": 3, "a": 1, "b": 1}), &["/a"], &[]),
    );
    check(
        json!({"id": "1", "pk": "a", "a": 1}),
        &[(SELECTED, json!({"id": "1", "pk": "a", "a": 1, "restored_at": 3}))],
        ("unchanged", Value::Null, &[], &[]),
    );
}

#[test]
fn values_are_equal_as_json_values() {
    check(
        json!({"a": 1, "o": {"x": 1, "y": 2}, "z": 1}),
        &[
            (SELECTED, json!({"a": 1.0, "o": {"y": 2, "x": 1}, "z": 2})),
            (LATER, json!({"a": 1, "o": {"y": 2.0, "x": 1}, "z": 2, "b": 1})),
        ],
        ("merge", json!({"a": 1, "o": {"y": 2.0, "x": 1}, "z": 1, "b": 1}), &["/z"], &[]),
    );
}

#[test]
fn a_document_without_later_versions_returns_to_the_state_before_the_window() {
    check(
        json!({"a": 1, "o": {"b": 1}}),
        &[(SELECTED, json!({"a": 2})), (SELECTED, json!({"a": 3, "c": 1}))],
        ("replace", json!({"a": 1, "o": {"b": 1}}), &["/a", "/c", "/o/b"], &[]),
    );
    check(json!({"a": 1}), &[(SELECTED, Value::Null)], ("create", json!({"a": 1}), &[""], &[]));
    check(json!({"a": 1}), &[(LATER, json!({"a": 2}))], ("unchanged", Value::Null, &[], &[]));
}

#[test]
fn later_versions_are_a_conflict_or_kept_or_overwritten_as_the_caller_says() {
    let edited = story(json!({"a": 1}), &[(SELECTED, json!({"a": 2})), (LATER, json!({"a": 2, "b": 1}))]);
    let deleted = story(json!({"a": 1}), &[(SELECTED, json!({"a": 2})), (LATER, Value::Null)]);
    let inside =
        story(json!({"a": 1}), &[(SELECTED, json!({"a": 2})), (LATER, json!({"a": 3})), (SELECTED, json!({"a": 4}))]);
    for (later_changes, expected) in [
        (LaterChanges::Conflict, ["conflict", "conflict", "conflict"]),
        (LaterChanges::Keep, ["kept", "kept", "kept"]),
        (LaterChanges::Overwrite, ["replace", "create", "replace"]),
        (LaterChanges::Merge, ["merge", "unchanged", "merge"]),
    ] {
        for (story, expected) in [&edited, &deleted, &inside].into_iter().zip(expected) {
            story.undo(&UndoOptions { later_changes, ..MERGE }, |undo| {
                assert_eq!(action(&undo), expected, "{later_changes:?}: {undo:?}");
                let is_left = matches!(expected, "conflict" | "kept");
                assert_eq!(undo.reason.is_some_and(|reason| reason.contains("-e2")), is_left);
                if later_changes == LaterChanges::Overwrite {
                    assert_eq!(story.document_after(&UndoOptions { later_changes, ..MERGE }), Some(json!({"a": 1})));
                }
            });
        }
    }
    assert_eq!(UndoOptions::default().later_changes, LaterChanges::Conflict);
    assert_eq!(serde_json::to_value(LaterChanges::Overwrite).expect("json"), json!("overwrite"));
}

#[test]
fn the_live_document_is_a_later_version_if_it_is_not_captured_yet() {
    let mut story = Story::new(Some(json!({"a": 1}))).selected(json!({"a": 2}));
    story.live = Some(version(9, Operation::Write, Some(json!({"a": 2, "b": 1}))));
    assert_eq!(story.document_after(&MERGE), Some(json!({"a": 1, "b": 1})));
    story.undo(&UndoOptions::default(), |undo| assert_eq!(action(&undo), "conflict"));
    // A delete that is not recorded.
    story.live = None;
    story.undo(&MERGE, |undo| {
        assert_eq!((action(&undo), pointers(&undo.kept_paths)), ("unchanged", vec!["/a".to_owned()]))
    });
    story.undo(&UndoOptions::default(), |undo| {
        assert!(undo.reason.is_some_and(|reason| reason.contains("no delete is recorded")));
    });
    // A live document that was read before the newest version.
    let mut story = Story::new(Some(json!({"a": 1}))).selected(json!({"a": 2})).later(json!({"a": 3}));
    story.live = Some(story.versions[0].0.clone());
    story.undo(&MERGE, |undo| assert_eq!(action(&undo), "conflict"));
}

#[test]
fn an_expiry_between_two_versions_is_a_removal_that_is_not_selected() {
    let mut story = Story::new(Some(json!({"a": 1}))).selected(json!({"a": 2})).later(json!({"a": 5}));
    story.versions[0].0.expires_at = Some(story.versions[0].0.source_ts + 1);
    story.versions[1].0.operation = Operation::Write;
    story.undo(&MERGE, |undo| {
        assert_eq!((action(&undo), pointers(&undo.kept_paths)), ("unchanged", vec!["/a".to_owned()]))
    });
    story.versions[1].1 = true;
    story.undo(&MERGE, |undo| assert_eq!(action(&undo), "delete"));
}

#[test]
fn the_state_before_a_version_follows_from_the_version_before_it_or_from_its_own_image() {
    let document = json!({"a": 1});
    let earlier = version(1, Operation::Write, Some(document.clone()));
    let at = |operation| version(2, operation, Some(json!({"a": 2})));
    let known = Base::Document { document: &document, exact: true };
    assert_eq!(Base::before(&at(Operation::Write), Some(&earlier)), known);
    assert_eq!(Base::before(&at(Operation::Create), None), Base::Absent);
    assert_eq!(Base::before(&at(Operation::Write), None), Base::Unknown);
    assert_eq!(Base::before(&at(Operation::Replace), None), Base::Unknown);
    let mut first = at(Operation::Replace);
    first.previous = Some(document.clone());
    assert_eq!(Base::before(&first, None), known);
    let deleted = version(1, Operation::Delete, None);
    assert_eq!(Base::before(&first, Some(&deleted)), Base::Absent);
}

#[test]
fn a_window_of_borrowed_versions_returns_the_borrowed_base() {
    let base = json!({"a": 1});
    let changed = version(1, Operation::Replace, Some(json!({"a": 2})));
    let versions = [WindowVersion { version: &changed, is_selected: true }];
    let window = DocumentWindow {
        base: Base::Document { document: &base, exact: true },
        versions: &versions,
        live: Some(&changed),
        fields: None,
    };
    let undo = window.undo(&UndoOptions::default(), &untracked());
    assert!(undo.document().is_some_and(|document| std::ptr::eq(document, &base)));
}
