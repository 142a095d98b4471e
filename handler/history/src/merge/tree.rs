//! A document that consists of parts of other documents. Only the objects in which something differs are copied, and of them only the
//! list of properties.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::same_value::same_value;
use crate::untracked_fields::UntrackedFields;

/// A value that consists of parts of other values.
#[derive(Clone, Debug)]
pub(super) enum Tree<'a> {
    /// A part of a document.
    Value(&'a Value),
    /// An object of such parts.
    Object(ObjectTree<'a>),
}

/// An object whose properties are parts of other values.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectTree<'a> {
    /// `None` for a property that was removed. It holds the place of the property in case it is added again.
    properties: IndexMap<&'a str, Option<Tree<'a>>>,
    /// Whether the object exists only because of what was changed inside of it.
    is_container_only: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn child(&self, name: &str) -> Option<Cow<'_, Tree<'a>>> {
        match self {
            Self::Value(value) => value.as_object()?.get(name).map(|value| Cow::Owned(Self::Value(value))),
            Self::Object(object) => object.properties.get(name)?.as_ref().map(Cow::Borrowed),
        }
    }

    fn names(&self) -> Vec<&'a str> {
        match self {
            Self::Value(Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            Self::Value(_) => Vec::new(),
            Self::Object(object) => {
                let present = object.properties.iter().filter(|(_, value)| value.is_some());
                present.map(|(name, _)| *name).collect()
            }
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Value(Value::Object(_)))
    }

    /// The value.
    pub(super) fn to_value(&self) -> Cow<'a, Value> {
        match self {
            Self::Value(value) => Cow::Borrowed(value),
            Self::Object(object) => {
                let present = object.properties.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
                let properties: Map<String, Value> =
                    present.map(|(name, value)| (name.to_owned(), value.to_value().into_owned())).collect();
                Cow::Owned(Value::Object(properties))
            }
        }
    }

    /// The value, in the spelling and order of the live document where it has the same values. Untracked fields are the live document's.
    pub(super) fn written_over(&self, live: &Value, untracked: &UntrackedFields) -> Value {
        self.written_at(&mut Vec::new(), live, untracked)
    }

    fn written_at<'l>(&self, names: &mut Vec<&'l str>, live: &'l Value, untracked: &UntrackedFields) -> Value
    where
        'a: 'l,
    {
        let Value::Object(properties) = live else { return self.in_spelling_of(live) };
        if !self.is_object() {
            return self.in_spelling_of(live);
        }
        let mut written = Map::new();
        for (name, value) in properties {
            names.push(name);
            if untracked.contains(names) {
                written.insert(name.clone(), value.clone());
            } else if let Some(child) = self.child(name) {
                written.insert(name.clone(), child.written_at(names, value, untracked));
            }
            names.pop();
        }
        for name in self.names().into_iter().filter(|name| !properties.contains_key(*name)) {
            names.push(name);
            if let Some(child) = self.child(name).filter(|_| !untracked.contains(names)) {
                written.insert(name.to_owned(), child.to_value().into_owned());
            }
            names.pop();
        }
        Value::Object(written)
    }

    fn in_spelling_of(&self, live: &Value) -> Value {
        let value = self.to_value();
        if same_value(&value, live) { live.clone() } else { value.into_owned() }
    }

    /// The tree without the objects that exist only because of what was changed inside of them, and that are empty now. `live` is the value
    /// in the live document. An object that is empty there stays.
    pub(super) fn without_emptied(self, live: Option<&Value>) -> Option<Self> {
        let Self::Object(mut object) = self else { return Some(self) };
        for (name, value) in &mut object.properties {
            *value = value.take().and_then(|value| value.without_emptied(live.and_then(|live| live.get(name))));
        }
        let is_empty = object.properties.values().all(Option::is_none);
        let is_empty_live = live.and_then(Value::as_object).is_some_and(Map::is_empty);
        (!object.is_container_only || !is_empty || is_empty_live).then_some(Self::Object(object))
    }
}

impl<'a> ObjectTree<'a> {
    /// An object that exists only because of what is changed inside of it.
    pub(super) fn container_only() -> Self {
        Self { is_container_only: true, ..Self::default() }
    }

    /// The properties of an object.
    pub(super) fn of(properties: &'a Map<String, Value>) -> Self {
        let parts = properties.iter().map(|(name, value)| (name.as_str(), Some(Tree::Value(value))));
        Self { properties: parts.collect(), is_container_only: false }
    }

    /// The place of a property, which may be empty.
    pub(super) fn place(&mut self, name: &'a str) -> &mut Option<Tree<'a>> {
        self.properties.entry(name).or_default()
    }
}
