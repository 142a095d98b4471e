//! A merge of random histories is compared with a naive model, which replays the changes that are not selected one path after the other.

use changefeed_cosmos::FieldPath;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::story::{MERGE, Story, action, untracked};
use super::{LaterChanges, UndoAction, UndoOptions};
use crate::changed_paths::changed_paths;
use crate::same_value::same_optional_value;

/// The changes of a version against the one before: the outermost paths at which not both have an object.
fn naive_changes(path: &[String], before: Option<&Value>, after: Option<&Value>) -> Vec<(Vec<String>, Option<Value>)> {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            let at = |name: &String| [path, std::slice::from_ref(name)].concat();
            names.into_iter().flat_map(|name| naive_changes(&at(name), old.get(name), new.get(name))).collect()
        }
        _ if same_optional_value(before, after) => Vec::new(),
        _ => vec![(path.to_vec(), after.cloned())],
    }
}

fn value_at<'v>(document: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(document, |value, name| value.as_object()?.get(name))
}

/// Sets or removes a value. The objects around it are created; they are added to `created`.
fn set(document: &mut Value, path: &[String], value: Option<Value>, created: &mut Vec<Vec<String>>) {
    let (name, parents) = path.split_last().expect("a path");
    let mut object = document.as_object_mut().expect("an object");
    for depth in 0..parents.len() {
        if !object.contains_key(&parents[depth]) {
            created.push(parents[..=depth].to_vec());
        }
        let inner = object.entry(parents[depth].clone()).or_insert_with(|| json!({}));
        object = inner.as_object_mut().expect("an object");
    }
    match value {
        Some(value) => _ = object.insert(name.clone(), value),
        None => _ = object.shift_remove(name),
    }
}

/// The document without the selected changes.
fn naive(story: &Story) -> Option<Value> {
    let mut result = story.base.clone();
    let mut created = Vec::new();
    let mut before = story.base.as_ref();
    for (version, is_selected) in &story.versions {
        let after = version.document.as_ref();
        let changes = if *is_selected { Vec::new() } else { naive_changes(&[], before, after) };
        before = after;
        for (path, value) in changes {
            let (Some(document), Some(after)) = (&mut result, after) else {
                result = after.cloned();
                break;
            };
            if path.is_empty() {
                *document = after.clone();
                created.clear();
                continue;
            }
            // A change inside of what is no object here takes the whole value.
            let blocked = (1..path.len())
                .find(|depth| value_at(document, &path[..*depth]).is_some_and(|value| !value.is_object()));
            let (path, value) = match blocked {
                Some(depth) => (&path[..depth], value_at(after, &path[..depth]).cloned()),
                None => (path.as_slice(), value),
            };
            created.retain(|object: &Vec<String>| !object.starts_with(path));
            set(document, path, value, &mut created);
        }
    }
    // The deepest objects first.
    created.sort_by_key(|object| std::cmp::Reverse(object.len()));
    for object in created {
        let live = story.live_document().and_then(|live| value_at(live, &object));
        if let Some(document) = &mut result
            && value_at(document, &object) == Some(&json!({}))
            && live != Some(&json!({}))
        {
            set(document, &object, None, &mut Vec::new());
        }
    }
    result
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => (0..3).prop_map(Value::from),
        1 => Just(json!(1.0)),
        1 => Just(json!(null)),
        1 => Just(json!([])),
        1 => Just(json!([1])),
        1 => Just(json!({})),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

fn properties() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[a-c]", value(), 0..4).prop_map(|map| map.into_iter().collect())
}

/// How the next version is made from the one before.
#[derive(Clone, Debug)]
enum Step {
    Delete,
    /// Sets or removes the value at a path, as far as it leads through objects.
    Set(Vec<String>, Option<Value>),
    Write(Map<String, Value>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Delete),
        6 => (prop::collection::vec("[a-c]", 1..4), prop::option::weighted(0.8, value()))
            .prop_map(|(path, value)| Step::Set(path, value)),
        2 => properties().prop_map(Step::Write),
    ]
}

fn apply(step: &Step, current: Option<&Value>, number: usize) -> Option<Value> {
    let mut document = match step {
        Step::Delete => return None,
        Step::Write(properties) => Value::Object(properties.clone()),
        Step::Set(path, value) => {
            let mut document = current.cloned().unwrap_or_else(|| json!({}));
            let depth = (1..path.len())
                .find(|depth| value_at(&document, &path[..*depth]).is_some_and(|value| !value.is_object()));
            set(&mut document, &path[..depth.unwrap_or(path.len())], value.clone(), &mut Vec::new());
            document
        }
    };
    // Untracked fields: the id stays, the stamp changes with every version.
    document["id"] = json!("1");
    document["restored_at"] = json!(number);
    Some(document)
}

fn story() -> impl Strategy<Value = Story> {
    let base = prop::option::weighted(0.8, properties());
    (base, prop::collection::vec((step(), any::<bool>()), 1..7)).prop_map(|(base, steps)| {
        let base = base.and_then(|base| apply(&Step::Write(base), None, 0));
        steps.iter().enumerate().fold(Story::new(base), |story, (number, (step, is_selected))| {
            let current = match story.versions.is_empty() {
                true => story.base.clone(),
                false => story.live_document().cloned(),
            };
            match apply(step, current.as_ref(), number + 1) {
                None if current.is_none() => story,
                next => story.then(*is_selected, next),
            }
        })
    })
}

fn same_document(one: Option<&Value>, other: Option<&Value>) -> bool {
    changed_paths(one, other, &untracked()).is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_merge_equals_the_naive_model(story in story()) {
        let expected = naive(&story);
        let found = story.document_after(&MERGE);
        prop_assert!(same_document(found.as_ref(), expected.as_ref()), "{found:?} is not {expected:?}");
        story.undo(&MERGE, |undo| {
            let live = story.live_document();
            // Something is written exactly if it changes something, and the restored paths are the changes.
            prop_assert_eq!(undo.is_write(), !same_document(live, expected.as_ref()));
            if undo.is_write() {
                let sorted = |mut paths: Vec<FieldPath>| {
                    paths.sort();
                    paths
                };
                let changed = changed_paths(live, expected.as_ref(), &untracked());
                prop_assert_eq!(sorted(undo.restored.clone()), sorted(changed));
            } else {
                prop_assert!(undo.restored.is_empty());
            }
            // A kept path has the live value, as far as it is not itself an object.
            for path in &undo.kept_paths {
                let (kept, live) = (found.as_ref().and_then(|found| path.of(found)), live.and_then(|live| path.of(live)));
                let both_objects = kept.is_some_and(Value::is_object) && live.is_some_and(Value::is_object);
                prop_assert!(both_objects || same_optional_value(kept, live), "{path}");
            }
            if let UndoAction::Merge(document) = &undo.action {
                prop_assert_eq!(&document["restored_at"], &live.expect("live")["restored_at"]);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_merge_of_simple_fields_follows_the_last_change_of_each(
        base in prop::collection::vec(0..3u8, 4),
        steps in prop::collection::vec((prop::collection::vec(0..3u8, 4), any::<bool>()), 1..6),
    ) {
        let document = |fields: &[u8]| json!({"id": "1", "a": fields[0], "b": fields[1], "c": fields[2], "d": fields[3]});
        let story = steps.iter().fold(Story::new(Some(document(&base))), |story, (fields, is_selected)| {
            story.then(*is_selected, Some(document(fields)))
        });
        let found = story.document_after(&MERGE).expect("a document");
        let kept = story.undo(&MERGE, |undo| undo.kept_paths.iter().map(|path| path.pointer()).collect::<Vec<_>>());
        for (field, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let before = |at: usize| if at == 0 { base[field] } else { steps[at - 1].0[field] };
            let changes: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].0[field] != before(*at)).collect();
            let trailing: Vec<usize> = changes.iter().rev().take_while(|at| steps[**at].1).copied().collect();
            let expected = trailing.last().map_or_else(|| before(steps.len()), |first| before(*first));
            prop_assert_eq!(&found[name], &json!(expected), "{}", name);
            let is_changed_by_window = changes.iter().any(|at| steps[*at].1);
            let is_changed_last_by_others = trailing.is_empty() && !changes.is_empty();
            let is_kept = kept.contains(&format!("/{name}"));
            // A change that the window itself took back is no change, so it is not kept.
            prop_assert!(!is_kept || (is_changed_by_window && (is_changed_last_by_others || expected == before(steps.len()))));
            let selected = changes.iter().filter(|at| steps[**at].1).count();
            prop_assert!(is_kept || !is_changed_last_by_others || selected != 1, "{} is not listed", name);
        }
    }

    #[test]
    fn with_nothing_selected_nothing_changes_and_with_all_selected_a_merge_is_an_overwrite(story in story()) {
        let with = |is_selected: bool| {
            let mut story = story.clone();
            story.versions.iter_mut().for_each(|(_, selected)| *selected = is_selected);
            story
        };
        prop_assert_eq!(with(false).undo(&MERGE, |undo| action(&undo)), "unchanged");
        let overwrite = UndoOptions { later_changes: LaterChanges::Overwrite, ..MERGE };
        let all = with(true);
        let merged = all.undo(&MERGE, |undo| (action(&undo), undo.document().cloned(), undo.restored, undo.kept_paths));
        let overwritten =
            all.undo(&overwrite, |undo| (action(&undo), undo.document().cloned(), undo.restored, undo.kept_paths));
        prop_assert_eq!(merged, overwritten);
        prop_assert!(same_document(all.document_after(&MERGE).as_ref(), all.base.as_ref()));
        // An overwrite ignores what is not selected, from the first selected version on.
        if let Some(first) = story.versions.iter().position(|(_, is_selected)| *is_selected) {
            let before = if first == 0 { &story.base } else { &story.versions[first - 1].0.document };
            prop_assert!(same_document(story.document_after(&overwrite).as_ref(), before.as_ref()));
        }
    }

    #[test]
    fn a_merge_can_be_undone_and_undoing_twice_changes_nothing(story in story()) {
        let (before, merged) = (story.live_document().cloned(), story.document_after(&MERGE));
        let Some(before) = before else { return Ok(()) };
        let undone = Story::new(Some(before.clone())).then(true, merged.clone());
        prop_assert_eq!(undone.document_after(&MERGE), Some(before.clone()));
        // What is added after the merge stays when the merge is undone.
        let Some(mut edited) = merged else { return Ok(()) };
        edited["added"] = json!(true);
        let undone = Story::new(Some(before.clone())).selected(story.document_after(&MERGE).expect("merged")).later(edited);
        let mut expected = before;
        expected["added"] = json!(true);
        prop_assert!(same_document(undone.document_after(&MERGE).as_ref(), Some(&expected)));
        // The merged document as the next version: undoing the same selection once more has nothing to do.
        let merged = story.document_after(&MERGE);
        if !same_document(story.live_document(), merged.as_ref()) {
            let again = story.clone().then(false, merged.clone());
            prop_assert!(same_document(again.document_after(&MERGE).as_ref(), merged.as_ref()));
        }
    }

    #[test]
    fn strict_and_the_other_ways_write_nothing_else(story in story()) {
        story.undo(&UndoOptions { strict: true, ..MERGE }, |undo| {
            let is_kept = story.undo(&MERGE, |merged| !merged.kept_paths.is_empty());
            prop_assert_eq!(action(&undo) == "conflict", is_kept);
            Ok(())
        })?;
        let first = story.versions.iter().position(|(_, is_selected)| *is_selected);
        let has_later = first.is_some_and(|first| story.versions[first..].iter().any(|(_, is_selected)| !is_selected));
        for (later_changes, expected) in [(LaterChanges::Conflict, "conflict"), (LaterChanges::Keep, "kept")] {
            story.undo(&UndoOptions { later_changes, ..MERGE }, |undo| {
                prop_assert!(!has_later || action(&undo) == expected, "{:?}", undo);
                Ok(())
            })?;
        }
    }
}
