//! Replays the changes that are not selected, from the state before the first selected one.

use changefeed_cosmos::FieldPath;
use serde_json::{Map, Value};

use super::states::States;
use super::tree::{ObjectTree, Tree};
use crate::changed_paths::{path_changes_at, value_at};
use crate::same_value::{same_optional_value, same_value};
use crate::untracked_fields::UntrackedFields;

/// The document without the selected changes.
pub(super) struct Replayed<'a> {
    /// The document; `None` if it does not exist without the selected changes.
    pub tree: Option<Tree<'a>>,
    /// The paths that selected changes changed, and that stay as later ones made them.
    pub kept_paths: Vec<FieldPath>,
}

/// Replays the changes that are not selected.
pub(super) fn replay<'a>(states: &States<'a>, untracked: &UntrackedFields) -> Replayed<'a> {
    let mut replay = Replay { untracked, names: Vec::new(), overridden: Vec::new() };
    let mut tree = states.base.document().map(Tree::Value);
    for change in states.later() {
        tree = replay.change(tree, change.before, change.after);
    }
    let tree = tree.and_then(|tree| tree.without_emptied(states.live));
    let mut kept_paths: Vec<FieldPath> = Vec::new();
    for path in replay.overridden {
        // A path that a selected change changed once more, after the later one, is undone.
        if is_same_at(&path, tree.as_ref(), states.live) && !kept_paths.contains(&path) {
            kept_paths.push(path);
        }
    }
    Replayed { tree, kept_paths }
}

/// Whether a path has the same value in both documents, or has an object in both.
fn is_same_at(path: &FieldPath, tree: Option<&Tree<'_>>, live: Option<&Value>) -> bool {
    let mut at = tree.cloned();
    for name in path.segments() {
        at = at.and_then(|tree| tree.child(name).map(std::borrow::Cow::into_owned));
    }
    match (at, live.and_then(|live| value_at(live, path))) {
        (Some(tree), Some(live)) => (tree.is_object() && live.is_object()) || same_value(&tree.to_value(), live),
        (at, live) => at.is_none() && live.is_none(),
    }
}

struct Replay<'u, 'a> {
    untracked: &'u UntrackedFields,
    /// The path of the value that is changed.
    names: Vec<&'a str>,
    /// The paths that had another value because of selected changes, when a later change set them.
    overridden: Vec<FieldPath>,
}

impl<'a> Replay<'_, 'a> {
    /// Makes the change from `before` to `after` to `ours`, which is `before` without the selected changes.
    fn change(
        &mut self,
        ours: Option<Tree<'a>>,
        before: Option<&'a Value>,
        after: Option<&'a Value>,
    ) -> Option<Tree<'a>> {
        let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
            return self.set(ours, before, after);
        };
        let mut object = match ours {
            Some(Tree::Object(object)) => object,
            Some(Tree::Value(Value::Object(properties))) => ObjectTree::of(properties),
            // The selected changes made the object, and later ones changed some of its properties.
            None if !self.names.is_empty() => ObjectTree::container_only(),
            other => return self.set(other, before, after),
        };
        for name in union(old, new) {
            let (before, after) = (old.get(name), new.get(name));
            self.names.push(name);
            if !self.untracked.contains(&self.names) && !same_optional_value(before, after) {
                let place = object.place(name);
                let ours = place.take();
                *place = self.change(ours, before, after);
            }
            self.names.pop();
        }
        Some(Tree::Object(object))
    }

    /// Sets the value as the later change did. What selected changes did to it is overridden.
    fn set(&mut self, ours: Option<Tree<'a>>, before: Option<&'a Value>, after: Option<&'a Value>) -> Option<Tree<'a>> {
        let ours = ours.map(|ours| ours.to_value());
        let overridden = path_changes_at(&self.names, ours.as_deref(), before, self.untracked);
        self.overridden.extend(overridden.into_iter().map(|change| change.path));
        after.map(Tree::Value)
    }
}

/// The names of the properties of both objects, those of the first one first.
fn union<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
    one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))).map(String::as_str)
}
