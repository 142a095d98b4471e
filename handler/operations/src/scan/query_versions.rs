//! The query for versions: of all documents, or of those with one partition key value.

use changefeed_cosmos::{Container, Key, KeyPath};
use changefeed_history::pk_of;
use changefeed_jobs::{ItemPlaces, PagedQuery};
use serde_json::{Map, json};

/// A query for the versions of all documents, or of those with a partition key value. Different keys can have the same `pk`, so
/// the caller must compare the key of each row.
pub(crate) fn query_versions<'a>(changes: &'a Container, select: String, key: Option<&Key>) -> PagedQuery<'a> {
    let (mut conditions, mut parameters) = (Vec::new(), Map::new());
    let pk = key.and_then(pk_of);
    // In the default layout the history of a partition is stored together, under the first level of the key.
    let prefix = pk.as_ref().and_then(|pk| Key::of(&json!({ "pk": pk }), &[KeyPath::property("pk")]).ok());
    let prefix = prefix.filter(|_| changes.key_paths().first().is_some_and(|path| path.is_property("pk")));
    match (key, pk) {
        (Some(_), Some(pk)) => {
            parameters.insert("@pk".to_owned(), pk);
            conditions.push("c.pk = @pk".to_owned());
        }
        (Some(_), None) => conditions.push("NOT IS_DEFINED(c.pk)".to_owned()),
        (None, _) => {}
    }
    PagedQuery {
        container: changes,
        select,
        conditions,
        parameters,
        key: prefix,
        page_items: 1,
        places: ItemPlaces::new(1),
    }
}
