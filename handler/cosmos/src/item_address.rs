//! How a request names an item: by the path of its URL, or by the id in its body.
//!
//! The service stores every id, but a URL cannot carry every id. The SDK writes the id into the path and leaves the rest to
//! the URL parser, which removes tabs and line breaks, reads `\` as `/`, and resolves `.` and `..`: such a path is that of
//! another item, of the container or of the database. The service's gateway also misreads ids with `%`, `#` or trailing
//! white space, as the tests of Microsoft's SDKs for ids show (`CosmosItemIdEncodingTests`). A request that carries the id in
//! its body is posted to the container, whatever the id is.

use std::borrow::Cow;

/// How a request names an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemAddress<'a> {
    /// By the last segment of the path.
    Path(PathId<'a>),
    /// By the id in the body of a request to the container.
    Body(&'a str),
}

/// An id whose URL path is the path of its item and of nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathId<'a>(&'a str);

impl<'a> ItemAddress<'a> {
    /// The address of the item with this id.
    pub(crate) fn of(id: &'a str) -> Self {
        if is_one_segment(id) { Self::Path(PathId(id)) } else { Self::Body(id) }
    }
}

impl<'a> PathId<'a> {
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

/// An id for a message: control characters are escaped, so that an id cannot end a line of a log or write another one.
pub fn printable(id: &str) -> Cow<'_, str> {
    if !id.contains(char::is_control) {
        return Cow::Borrowed(id);
    }
    let escaped = |character: char| match character {
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    Cow::Owned(id.chars().map(escaped).collect())
}

/// Whether every URL parser and every gateway reads this text as one segment of a path, and as this text.
fn is_one_segment(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
        && !id.contains(['/', '\\', '?', '#', '%'])
        && !id.contains(char::is_control)
        && id.trim_end() == id
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::Url;
    use proptest::prelude::*;

    /// The path of an item as the SDK makes it: literal percent signs are escaped, the URL parser does the rest.
    fn path(id: &str) -> String {
        let mut url: Url = "https://account.documents.azure.com/".parse().expect("url");
        url.set_path(&format!("/dbs/d/colls/c/docs/{id}").replace('%', "%25"));
        url.path().to_owned()
    }

    /// The segments of a path, decoded once.
    fn segments(path: &str) -> Vec<String> {
        path.split('/').skip(1).map(decoded).collect()
    }

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
            match escaped {
                Some(byte) => (bytes.extend(byte), rest = &after[2..]).1,
                None => (bytes.push(*first), rest = after).1,
            }
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn is_path(id: &str) -> bool {
        matches!(ItemAddress::of(id), ItemAddress::Path(_))
    }

    /// Ids that are made of the pieces that URLs give a meaning to.
    fn ids() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => "[a-z0-9]{1,3}",
            4 => prop::sample::select(vec![
                ".", "..", "/", "\\", "?", "#", "%", "%2e", "%2E", "%2f", "%00", "\t", "\r", "\n", "\0", " ", "\u{7f}", "\u{85}",
                "\u{a0}", "\u{2028}", "\u{feff}", "ü", "鱀", "+", "&", ";", ":", "@", "=", "~", "\"", "<", "`", "{", "|", "^",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop_oneof![prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()), any::<String>()]
    }

    proptest! {
        #[test]
        fn an_id_in_a_path_is_the_last_of_the_six_segments_of_its_item(id in ids()) {
            if let ItemAddress::Path(path_id) = ItemAddress::of(&id) {
                prop_assert_eq!(path_id.as_str(), id.as_str());
                prop_assert_eq!(segments(&path(&id)), ["dbs", "d", "colls", "c", "docs", id.as_str()]);
                // A gateway that decodes twice comes to the same item.
                prop_assert_eq!(decoded(&decoded(&path(&id))), format!("/dbs/d/colls/c/docs/{id}"));
            }
        }
    }

    #[test]
    fn an_id_whose_path_is_another_or_is_misread_goes_into_the_body() {
        for id in ["", ".", "..", "a/b", "a\\b", "pre\tcious", "a\r", "\n", "q?x", "h#x", "%2e%2e", "50%", "x ", "\0"] {
            assert!(!is_path(id), "{id:?}");
        }
        for (id, other) in [("..", "/dbs/d/colls/c/"), (".", "/dbs/d/colls/c/docs/"), ("../../x", "/dbs/d/colls/x")] {
            assert_eq!(path(id), other);
        }
        assert_eq!(path("pre\tcious"), path("precious"));
    }

    #[test]
    fn an_id_in_a_message_does_not_end_its_line() {
        assert_eq!(printable("pre\tcious\r\n"), "pre\\tcious\\r\\n");
        assert_eq!(printable("it's ü\\"), "it's ü\\");
    }

    #[test]
    fn usual_ids_go_into_the_path() {
        for id in [
            "1",
            "a b",
            " a",
            "...",
            ".a",
            "a.",
            "ü",
            "鱀",
            "+4=,:~@()^${}[]!_-",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        ] {
            assert!(is_path(id), "{id:?}");
        }
    }
}
