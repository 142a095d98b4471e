//! The fields that a restore takes from an earlier document, while the rest of the live document stays.

use changefeed_cosmos::{Error, FieldPath};
use serde_json::{Map, Value};

use crate::same_value::same_optional_value;
use crate::untracked_fields::UntrackedFields;

/// The fields that a restore takes from the target. The other fields stay as they are in the live document.
///
/// A listed field that one document has and the other does not have is added or removed. The objects around an added field are created;
/// where the live document has another value in place of such an object, the object replaces it. An object that is empty after a field was
/// removed stays. Arrays are values: a path into an array is refused when it is applied.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldSelection {
    /// These fields only. A field and another one inside of it are as the outer one alone.
    Only(Vec<FieldPath>),
    /// All fields except these.
    Except(Vec<FieldPath>),
}

impl FieldSelection {
    /// The selection of a request: `fields` or `exceptFields`; `None` if it has neither. A request without a list has an empty one.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when both are given, and when a field is the document itself, the id, part of the
    /// key, a system property or one that restores set.
    pub fn new(
        fields: Vec<FieldPath>,
        except_fields: Vec<FieldPath>,
        untracked: &UntrackedFields,
    ) -> Result<Option<Self>, Error> {
        let refused = |message: String| Error::invalid("reading the request", message);
        for path in fields.iter().chain(&except_fields) {
            if path.segments().is_empty() {
                return Err(refused(
                    "an empty field is the document itself; leave out the list to restore all of it".into(),
                ));
            }
            if let Some(message) = untracked.refusal(path) {
                return Err(refused(message));
            }
        }
        match (fields.is_empty(), except_fields.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(Self::Only(fields))),
            (true, false) => Ok(Some(Self::Except(except_fields))),
            (false, false) => Err(refused("give fields or exceptFields, not both".into())),
        }
    }

    /// Whether a restore of the selection may change the field, a part of it, or what it is part of.
    pub fn concerns(&self, path: &FieldPath) -> bool {
        let is_inside = |path: &FieldPath, outer: &FieldPath| path.segments().starts_with(outer.segments());
        match self {
            Self::Only(fields) => fields.iter().any(|field| is_inside(field, path) || is_inside(path, field)),
            Self::Except(fields) => !fields.iter().any(|field| is_inside(path, field)),
        }
    }

    /// The live document with the selected fields of the target. System properties, the stamp, the id and the key are the live document's.
    /// Without a live document the result has the id and the key of the target, and its selected fields.
    ///
    /// # Errors
    /// The reason, when a field is inside an array of either document.
    pub fn apply(&self, live: Option<&Value>, target: &Value, untracked: &UntrackedFields) -> Result<Value, String> {
        let mut identity = Value::Object(Map::new());
        copy(&mut identity, &untracked.identity(), live.unwrap_or(target));
        let (paths, from, mut result) = match self {
            Self::Only(paths) => (paths, target, live.unwrap_or(&identity).clone()),
            Self::Except(paths) => (paths, live.unwrap_or(&identity), target.clone()),
        };
        for path in outermost(paths) {
            check_outside_arrays(path, target)?;
            live.map_or(Ok(()), |live| check_outside_arrays(path, live))?;
            copy(&mut result, std::slice::from_ref(path), from);
        }
        copy(&mut result, &untracked.identity(), &identity);
        if let Some(live) = live {
            copy(&mut result, &untracked.of_writes(), live);
        }
        Ok(result)
    }
}

/// Makes the values at paths those of another document, and removes what it does not have.
fn copy(document: &mut Value, paths: &[FieldPath], from: &Value) {
    for path in paths {
        let value = path.of(from);
        if !same_optional_value(value, path.of(document)) {
            set(document, path.segments(), value);
        }
    }
}

/// The paths that are not inside of another one.
fn outermost(paths: &[FieldPath]) -> Vec<&FieldPath> {
    let mut paths: Vec<&FieldPath> = paths.iter().collect();
    paths.sort();
    paths.dedup_by(|inner, outer| inner.segments().starts_with(outer.segments()));
    paths
}

fn check_outside_arrays(path: &FieldPath, document: &Value) -> Result<(), String> {
    let names = path.segments();
    for depth in 1..names.len() {
        let outer = names.iter().take(depth).fold(FieldPath::default(), |path, name| path.child(name));
        if outer.of(document).is_some_and(Value::is_array) {
            return Err(format!(
                "field {path} is inside the array {outer}; arrays are restored as a whole: use {outer}"
            ));
        }
    }
    Ok(())
}

/// Sets or removes the value at a path of objects.
fn set(document: &mut Value, names: &[String], value: Option<&Value>) {
    let Some((name, rest)) = names.split_first() else { return };
    if !document.is_object() {
        if value.is_none() {
            return;
        }
        *document = Value::Object(Map::new());
    }
    let Some(properties) = document.as_object_mut() else { return };
    match (rest, value) {
        ([], Some(value)) => _ = properties.insert(name.clone(), value.clone()),
        ([], None) => _ = properties.shift_remove(name),
        (_, None) => {
            if let Some(inner) = properties.get_mut(name) {
                set(inner, rest, None);
            }
        }
        (_, Some(_)) => set(properties.entry(name.clone()).or_insert(Value::Null), rest, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn untracked() -> UntrackedFields {
        UntrackedFields::new(["restored_at"], &["/pk".parse().expect("a path")])
    }

    fn paths(texts: &[&str]) -> Vec<FieldPath> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    fn only(texts: &[&str], live: &Value, target: &Value) -> Value {
        FieldSelection::Only(paths(texts)).apply(Some(live), target, &untracked()).expect("applied")
    }

    fn except(texts: &[&str], live: &Value, target: &Value) -> Value {
        FieldSelection::Except(paths(texts)).apply(Some(live), target, &untracked()).expect("applied")
    }

    #[test]
    fn a_selection_concerns_its_fields_and_what_is_inside_or_around_them() {
        let concerned = |selection: &FieldSelection| {
            let all = paths(&["", "a", "a.b", "a.b.c", "a.bc", "ab", "d"]);
            all.iter().filter(|path| selection.concerns(path)).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(concerned(&FieldSelection::Only(paths(&["a.b"]))), ["", "a", "a.b", "a.b.c"]);
        assert_eq!(concerned(&FieldSelection::Except(paths(&["a.b"]))), ["", "a", "a.bc", "ab", "d"]);
    }

    #[test]
    fn the_listed_fields_are_taken_from_the_target_and_the_rest_stays() {
        let live = json!({"id": "1", "pk": "a", "restored_at": 9, "name": "X", "address": {"zip": 2, "city": "Y"}, "phone": 1});
        let target = json!({"id": "1", "pk": "a", "restored_at": 3, "name": "x", "address": {"zip": 1, "city": "y"}, "old": [1]});
        assert_eq!(
            only(&["name", "address.zip", "/old", "phone"], &live, &target),
            json!({"id": "1", "pk": "a", "restored_at": 9, "name": "x", "address": {"zip": 1, "city": "Y"}, "old": [1]})
        );
        assert_eq!(
            except(&["name", "address.zip", "/old", "phone"], &live, &target),
            json!({"id": "1", "pk": "a", "restored_at": 9, "name": "X", "address": {"zip": 2, "city": "y"}, "phone": 1})
        );
        assert_eq!(only(&["address", "address.zip"], &live, &target)["address"], target["address"]);
        assert_eq!(only(&["nothing", "phone.x", "address.zip.x"], &live, &target), live);
    }

    #[test]
    fn objects_around_an_added_field_are_created_and_stay_when_it_is_removed() {
        let id = |rest: Value| {
            let mut document = json!({"id": "1"});
            document.as_object_mut().expect("object").extend(rest.as_object().expect("object").clone());
            document
        };
        for (live, target, expected) in [
            (json!({}), json!({"a": {"b": {"c": 1, "d": 2}}}), json!({"a": {"b": {"c": 1}}})),
            (json!({"a": 5}), json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": {"c": 1}}})),
            (json!({"a": {"b": {"c": 1}}}), json!({}), json!({"a": {"b": {}}})),
            (json!({"a": {"b": {"c": 1, "d": 1}}}), json!({"a": 5}), json!({"a": {"b": {"d": 1}}})),
            (json!({"a": {"b": 7}}), json!({}), json!({"a": {"b": 7}})),
        ] {
            assert_eq!(only(&["a.b.c"], &id(live), &id(target)), id(expected));
        }
    }

    #[test]
    fn a_path_into_an_array_is_refused_and_a_number_is_a_property_of_an_object() {
        let (list, object) = (json!({"lines": [{"n": 1}]}), json!({"lines": {"0": {"n": 2}}}));
        for (live, target) in [(&list, &list), (&list, &object), (&object, &list)] {
            for selection in
                [FieldSelection::Only(paths(&["lines.0.n"])), FieldSelection::Except(paths(&["lines.0.n"]))]
            {
                let message = selection.apply(Some(live), target, &untracked()).expect_err("refused");
                assert!(message.contains("lines.0.n") && message.contains("use lines"), "{message}");
            }
        }
        let other = json!({"lines": {"0": {"n": 3}}});
        assert_eq!(only(&["lines.0.n"], &object, &other)["lines"]["0"]["n"], json!(3));
        assert_eq!(only(&["lines"], &list, &object)["lines"], object["lines"]);
    }

    #[test]
    fn without_a_live_document_the_result_has_the_id_the_key_and_the_selected_fields() {
        let target = json!({"id": "1", "pk": "a", "restored_at": 3, "name": "x", "address": {"zip": 1, "city": "y"}});
        let apply = |selection: FieldSelection| selection.apply(None, &target, &untracked()).expect("applied");
        assert_eq!(
            apply(FieldSelection::Only(paths(&["address.zip"]))).to_string(),
            r#"{"id":"1","pk":"a","address":{"zip":1}}"#
        );
        let rest = apply(FieldSelection::Except(paths(&["address.zip"])));
        assert_eq!((&rest["name"], &rest["address"], &rest["id"]), (&json!("x"), &json!({"city": "y"}), &json!("1")));
    }

    #[test]
    fn what_cannot_be_selected_is_refused_with_the_reason() {
        let new = |fields: &[&str], except: &[&str]| FieldSelection::new(paths(fields), paths(except), &untracked());
        assert_eq!(new(&[], &[]).expect("none"), None);
        assert_eq!(new(&["a.b"], &[]).expect("fields"), Some(FieldSelection::Only(paths(&["/a/b"]))));
        assert_eq!(new(&[], &["a.b"]).expect("fields"), Some(FieldSelection::Except(paths(&["/a/b"]))));
        for (fields, except, part) in [
            (vec!["a"], vec!["b"], "not both"),
            (vec!["a", ""], vec![], "the document itself"),
            (vec!["id"], vec![], "cannot change"),
            (vec![], vec!["pk"], "field pk cannot be selected"),
            (vec!["_ts"], vec![], "sets this field"),
            (vec![], vec!["restored_at.x"], "field restored_at.x"),
        ] {
            let message = new(&fields, &except).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![(0..3).prop_map(Value::from), Just(json!(null)), Just(json!({})), Just(json!("x"))];
        let value = leaf.prop_recursive(2, 8, 3, |inner| {
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[a-c]", value, 0..4).prop_map(|map| {
            let mut document = json!({"id": "1", "pk": "a"});
            document.as_object_mut().expect("object").extend(map);
            document
        })
    }

    fn field() -> impl Strategy<Value = FieldPath> {
        prop::collection::vec("[a-c]", 1..4)
            .prop_map(|names| names.iter().fold(FieldPath::default(), |path, name| path.child(name)))
    }

    /// Every path of a document.
    fn all_paths(path: &FieldPath, value: &Value) -> Vec<FieldPath> {
        let inner = value.as_object().into_iter().flatten();
        inner
            .flat_map(|(name, value)| {
                let path = path.child(name);
                [vec![path.clone()], all_paths(&path, value)].concat()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn selected_fields_are_the_targets_and_other_fields_are_the_live_documents(
            live in document(), target in document(), fields in prop::collection::vec(field(), 1..4),
        ) {
            let inside = |one: &FieldPath, other: &FieldPath| one.segments().starts_with(other.segments());
            for (selection, chosen, rest) in [
                (FieldSelection::Only(fields.clone()), &target, &live),
                (FieldSelection::Except(fields.clone()), &live, &target),
            ] {
                let result = selection.apply(Some(&live), &target, &untracked()).expect("applied");
                for path in &fields {
                    prop_assert_eq!(path.of(&result), path.of(chosen), "{}", path);
                }
                // A path that is neither around nor inside of a selected one.
                for path in [all_paths(&FieldPath::default(), rest), all_paths(&FieldPath::default(), &result)].concat() {
                    if fields.iter().all(|field| !inside(field, &path) && !inside(&path, field)) {
                        let is_replaced = (1..path.segments().len()).any(|depth| {
                            let outer = path.segments()[..depth].iter().fold(FieldPath::default(), |path, name| path.child(name));
                            outer.of(rest).is_some_and(|value| !value.is_object())
                        });
                        prop_assert!(is_replaced || path.of(&result) == path.of(rest), "{}", path);
                    }
                }
                // Applied again, nothing changes; with the same document on both sides neither.
                let again = match &selection {
                    FieldSelection::Only(_) => selection.apply(Some(&result), &target, &untracked()),
                    FieldSelection::Except(_) => selection.apply(Some(&live), &result, &untracked()),
                };
                prop_assert_eq!(again.expect("applied"), result);
                prop_assert_eq!(selection.apply(Some(&live), &live, &untracked()).expect("applied"), live.clone());
            }
        }

        #[test]
        fn all_fields_are_the_whole_document(live in document(), target in document()) {
            let names = ["a", "b", "c"];
            prop_assert_eq!(only(&names, &live, &target), target.clone());
            prop_assert_eq!(except(&names, &live, &target), live);
        }
    }
}
