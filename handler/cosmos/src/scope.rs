//! The items of a container that several sources share.
//!
//! Every request for items asks the scope of its container: an item is written with the name of its source, an item of another source is
//! not found, and a query selects from the items of the source alone. So no capability can mix those of two sources, and only this
//! file knows how they are distinguished.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::error::Error;
use crate::source_name::{SOURCE, SourceName};

/// The part of a query before the conditions.
const FROM: &str = " FROM c";
const WHERE: &str = " WHERE ";
const ORDER_BY: &str = " ORDER BY ";

/// Which items of a container are used.
#[derive(Clone, Debug, Default)]
pub(crate) enum Scope {
    /// All of them.
    #[default]
    All,
    /// Those of one source.
    Source(SourceName),
}

impl Scope {
    /// The source of the items; `None` if they are not distinguished.
    pub(crate) fn source(&self) -> Option<&SourceName> {
        match self {
            Self::All => None,
            Self::Source(source) => Some(source),
        }
    }

    /// The id of an item of which every source has its own one.
    pub(crate) fn own_id(&self, name: &str) -> String {
        self.source().map_or_else(|| name.to_owned(), |source| source.item_id(name))
    }

    /// The source that the items are marked with.
    fn mark(&self) -> Option<&SourceName> {
        self.source().filter(|source| !source.is_default())
    }

    /// Whether an item is one of these.
    fn has(&self, item: &Value) -> bool {
        match self {
            Self::All => true,
            Self::Source(source) if source.is_default() => item.get(SOURCE).is_none(),
            Self::Source(source) => item[SOURCE] == source.as_str(),
        }
    }

    /// An item with the name of the source, and with its id.
    pub(crate) fn marked<'i>(&self, id: &str, item: &'i Value) -> Cow<'i, Value> {
        let Some(source) = self.mark() else { return Cow::Borrowed(item) };
        let mut item = item.clone();
        item["id"] = json!(id);
        item[SOURCE] = json!(source);
        Cow::Owned(item)
    }

    /// An item as it was written, if it is one of these: with the id that it has within its source.
    pub(crate) fn unmarked(&self, mut item: Value) -> Option<Value> {
        if !self.has(&item) {
            return None;
        }
        if let Some(source) = self.mark()
            && let Some(name) = item["id"].as_str().and_then(|id| source.name_of_item(id))
        {
            item["id"] = json!(name);
        }
        Some(item)
    }

    /// A query over the items of the source alone. Its text is one of this program: `SELECT … FROM c WHERE … ORDER BY …`, with or without
    /// the last two.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) for another text, which could select items of other sources.
    pub(crate) fn query<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Error> {
        let Self::Source(source) = self else { return Ok(text.into()) };
        let condition = if source.is_default() {
            format!("NOT IS_DEFINED(c.{SOURCE})")
        } else {
            format!("c.{SOURCE} = \"{source}\"")
        };
        let starts = |rest: &str| rest.is_empty() || rest.starts_with(WHERE) || rest.starts_with(ORDER_BY);
        let mut places = text.match_indices(FROM).map(|(at, from)| text.split_at(at + from.len()));
        let Some((selected, rest)) = places.find(|(_, rest)| starts(rest)) else {
            let message = format!("the query cannot be limited to source {source}: {text}");
            return Err(Error::internal("querying a container that several sources share", message));
        };
        let (conditions, order) = rest.rfind(ORDER_BY).map_or((rest, ""), |at| rest.split_at(at));
        Ok(match conditions.strip_prefix(WHERE) {
            Some(conditions) => format!("{selected}{WHERE}{condition} AND ({conditions}){order}").into(),
            None => format!("{selected}{WHERE}{condition}{order}").into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(name: &str) -> Scope {
        Scope::Source(name.parse().expect("a name"))
    }

    #[test]
    fn an_item_has_the_source_that_wrote_it() {
        let (orders, customers, default) = (scope("orders"), scope("customers"), scope("default"));
        let item = json!({"id": "1"});
        let stored = |scope: &Scope| scope.marked("1", &item).into_owned();
        assert_eq!(stored(&orders), json!({"id": "1", "source": "orders"}));
        assert_eq!((stored(&default), stored(&Scope::All)), (item.clone(), item.clone()));
        let own = orders.marked("orders.sizes", &json!({"id": "sizes"})).into_owned();
        assert_eq!(own, json!({"id": "orders.sizes", "source": "orders"}));
        assert_eq!(orders.unmarked(own.clone()), Some(json!({"id": "sizes", "source": "orders"})));
        assert_eq!(customers.unmarked(own), None);
        for (scope, own) in [(&orders, 0), (&customers, 1), (&default, 2)] {
            for (writer, other) in [&orders, &customers, &default].into_iter().enumerate() {
                assert_eq!(scope.has(&stored(other)), own == writer, "{scope:?} {other:?}");
            }
        }
        assert!(Scope::All.has(&stored(&orders)) && Scope::All.has(&stored(&default)));
    }

    #[test]
    fn a_query_selects_from_the_items_of_the_source() {
        let limited = |text: &str| scope("orders").query(text).expect(text).into_owned();
        assert_eq!(limited("SELECT * FROM c"), "SELECT * FROM c WHERE c.source = \"orders\"");
        assert_eq!(
            limited("SELECT * FROM c WHERE c.a = 1 OR c.b = 2"),
            "SELECT * FROM c WHERE c.source = \"orders\" AND (c.a = 1 OR c.b = 2)"
        );
        assert_eq!(
            limited("SELECT c.id, ARRAY(SELECT VALUE i FROM i IN c.items) FROM c WHERE c.a = 1 ORDER BY c.b DESC"),
            "SELECT c.id, ARRAY(SELECT VALUE i FROM i IN c.items) FROM c WHERE c.source = \"orders\" AND (c.a = 1) ORDER BY c.b DESC"
        );
        assert_eq!(limited("SELECT * FROM c ORDER BY c.b"), "SELECT * FROM c WHERE c.source = \"orders\" ORDER BY c.b");
        let default = scope("default").query("SELECT * FROM c").expect("a query").into_owned();
        assert_eq!(default, "SELECT * FROM c WHERE NOT IS_DEFINED(c.source)");
        assert_eq!(Scope::All.query("SELECT 1").expect("any text"), "SELECT 1");
        for wrong in ["SELECT 1", "SELECT * FROM c JOIN i IN c.items", "SELECT * FROM root r"] {
            assert_eq!(scope("orders").query(wrong).expect_err(wrong).kind(), crate::ErrorKind::Internal);
        }
    }
}
