//! Which resource the path of a request names.
//!
//! Names and resource ids are valid wherever the other is, also in one path. Whether a segment is a name or a resource id is
//! decided when the resource is looked up. Each segment is percent-decoded once, after the path was divided.

use super::kinds::KindNotOffered;

/// A container, addressed by names, resource ids or one of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContainerPath {
    pub database: String,
    pub container: String,
}

/// What the path of a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Account,
    Resource(Resource),
    /// The feed of a container's items.
    Items(ContainerPath),
    /// An item: its id, or the resource id of its document.
    Item(ContainerPath, String),
    NotOffered(NotOffered),
    /// No resource has this path.
    Unknown,
}

/// A resource that the directory serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Databases,
    Database(String),
    /// The containers of a database.
    Containers(String),
    Container(ContainerPath),
    /// The physical partitions of a container.
    Ranges(ContainerPath),
    Offers,
    Offer(String),
}

/// A resource of a kind that the endpoint does not offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotOffered {
    pub kind: KindNotOffered,
    pub owner: Owner,
    /// Whether the path is that of the list of all resources of this kind, and not that of one.
    pub is_list: bool,
}

/// What a resource is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Account,
    Database(String),
    Container(ContainerPath),
}

impl Address {
    /// Reads the path of a URL, which is still percent-encoded. Slashes at its ends are ignored.
    pub(crate) fn parse(path: &str) -> Self {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Self::Account;
        }
        let segments: Vec<String> = path.split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if segments.contains(&"") {
            return Self::Unknown;
        }
        match segments.as_slice() {
            ["dbs"] => Self::Resource(Resource::Databases),
            ["dbs", database] => Self::Resource(Resource::Database((*database).to_owned())),
            ["dbs", database, "colls"] => Self::Resource(Resource::Containers((*database).to_owned())),
            ["dbs", database, "colls", container, rest @ ..] => in_container(path_of(database, container), rest),
            ["dbs", database, rest @ ..] => Self::not_offered(Owner::Database((*database).to_owned()), rest),
            ["offers"] => Self::Resource(Resource::Offers),
            ["offers", offer] => Self::Resource(Resource::Offer((*offer).to_owned())),
            rest => Self::not_offered(Owner::Account, rest),
        }
    }

    /// The container that the path is in or names.
    pub(crate) fn container(&self) -> Option<&ContainerPath> {
        match self {
            Self::Items(path)
            | Self::Item(path, _)
            | Self::Resource(Resource::Container(path) | Resource::Ranges(path))
            | Self::NotOffered(NotOffered { owner: Owner::Container(path), .. }) => Some(path),
            _ => None,
        }
    }

    fn not_offered(owner: Owner, segments: &[&str]) -> Self {
        let Some((kind, rest)) = segments.split_first() else { return Self::Unknown };
        // Permissions are in a user.
        let (kind, rest) = match (&owner, *kind, rest) {
            (Owner::Database(_), "users", [_, "permissions", rest @ ..]) => ("permissions", rest),
            (_, kind, rest) => (kind, rest),
        };
        let kind = match &owner {
            Owner::Account => KindNotOffered::in_account(kind),
            Owner::Database(_) => KindNotOffered::in_database(kind),
            Owner::Container(_) => KindNotOffered::in_container(kind),
        };
        match kind {
            Some(kind) => {
                Self::NotOffered(NotOffered { kind, owner, is_list: rest.is_empty() && kind.list().is_some() })
            }
            None => Self::Unknown,
        }
    }
}

fn in_container(path: ContainerPath, rest: &[&str]) -> Address {
    match rest {
        [] => Address::Resource(Resource::Container(path)),
        ["pkranges"] => Address::Resource(Resource::Ranges(path)),
        ["docs"] => Address::Items(path),
        ["docs", item] => Address::Item(path, (*item).to_owned()),
        ["docs", _, rest @ ..] => Address::not_offered(Owner::Container(path), rest),
        rest => Address::not_offered(Owner::Container(path), rest),
    }
}

fn path_of(database: &str, container: &str) -> ContainerPath {
    ContainerPath { database: database.to_owned(), container: container.to_owned() }
}

/// Decodes `%XX`. A `%` without two hexadecimal digits is left as it is, and bytes that are not UTF-8 become `U+FFFD`.
fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(resource: Resource) -> Address {
        Address::Resource(resource)
    }

    #[test]
    fn paths_name_resources() {
        let path = path_of("a", "b");
        for (text, address) in [
            ("", Address::Account),
            ("/", Address::Account),
            ("/dbs", resource(Resource::Databases)),
            ("/dbs/a", resource(Resource::Database("a".into()))),
            ("/dbs/a/", resource(Resource::Database("a".into()))),
            ("//dbs/a//", resource(Resource::Database("a".into()))),
            ("/dbs/a/colls", resource(Resource::Containers("a".into()))),
            ("/dbs/a/colls/b", resource(Resource::Container(path.clone()))),
            ("/dbs/a/colls/b/", resource(Resource::Container(path.clone()))),
            ("/dbs/a/colls/b/pkranges", resource(Resource::Ranges(path.clone()))),
            ("/dbs/a/colls/b/docs", Address::Items(path.clone())),
            ("/dbs/a/colls/b/docs/c", Address::Item(path.clone(), "c".into())),
            ("/offers", resource(Resource::Offers)),
            ("/offers/uT2L/", resource(Resource::Offer("uT2L".into()))),
            ("/dbs//colls", Address::Unknown),
            ("/dbs/a/colls/b/docs//x", Address::Unknown),
            ("/things", Address::Unknown),
            ("/dbs/a/colls/b/things", Address::Unknown),
            ("/offers/uT2L/x", Address::Unknown),
        ] {
            assert_eq!(Address::parse(text), address, "{text}");
        }
    }

    #[test]
    fn a_database_may_have_the_name_of_a_kind() {
        let path = path_of("colls", "docs");
        assert_eq!(Address::parse("/dbs/colls/colls/docs"), resource(Resource::Container(path.clone())));
        assert_eq!(Address::parse("/dbs/colls/colls/docs/docs/dbs"), Address::Item(path, "dbs".into()));
    }

    #[test]
    fn resource_ids_and_names_are_mixed() {
        let item = Address::parse("/dbs/lypXAA==/colls/events/docs/lypXAMSZ-CsBAAAAAAAAAA==");
        assert_eq!(item, Address::Item(path_of("lypXAA==", "events"), "lypXAMSZ-CsBAAAAAAAAAA==".into()));
        let encoded = Address::parse("/dbs/lypXAA%3d%3D/colls/lypXAMSZ-Cs%3D/pkranges");
        assert_eq!(encoded, resource(Resource::Ranges(path_of("lypXAA==", "lypXAMSZ-Cs="))));
    }

    #[test]
    fn segments_are_decoded_once() {
        for (text, name) in [
            ("my%20d%C3%A4+b", "my dä+b"),
            ("a%2Fb", "a/b"),
            ("%2500", "%00"),
            ("%252F", "%2F"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%C3", "\u{FFFD}"),
            ("ä", "ä"),
        ] {
            let item = Address::parse(&format!("/dbs/a/colls/b/docs/{text}"));
            assert_eq!(item, Address::Item(path_of("a", "b"), name.into()), "{text}");
        }
    }

    #[test]
    fn what_is_not_offered_is_named_with_its_owner() {
        let not_offered = |text: &str| match Address::parse(text) {
            Address::NotOffered(found) => (found.kind, found.owner, found.is_list),
            other => panic!("{text}: {other:?}"),
        };
        let container = Owner::Container(path_of("a", "b"));
        let database = Owner::Database("a".into());
        for (text, kind, owner, is_list) in [
            ("/dbs/a/colls/b/sprocs", KindNotOffered::StoredProcedure, &container, true),
            ("/dbs/a/colls/b/sprocs/s", KindNotOffered::StoredProcedure, &container, false),
            ("/dbs/a/colls/b/triggers", KindNotOffered::Trigger, &container, true),
            ("/dbs/a/colls/b/udfs/f", KindNotOffered::UserDefinedFunction, &container, false),
            ("/dbs/a/colls/b/conflicts/", KindNotOffered::Conflict, &container, true),
            ("/dbs/a/colls/b/docs/c/attachments", KindNotOffered::Attachment, &container, true),
            ("/dbs/a/colls/b/operations/partitionkeydelete", KindNotOffered::DeleteByPartitionKey, &container, false),
            ("/dbs/a/users", KindNotOffered::User, &database, true),
            ("/dbs/a/users/u", KindNotOffered::User, &database, false),
            ("/dbs/a/users/u/permissions", KindNotOffered::Permission, &database, true),
            ("/dbs/a/users/u/permissions/p", KindNotOffered::Permission, &database, false),
            ("/dbs/a/clientencryptionkeys", KindNotOffered::ClientEncryptionKey, &database, true),
            ("/addresses", KindNotOffered::ReplicaAddress, &Owner::Account, false),
        ] {
            assert_eq!(not_offered(text), (kind, owner.clone(), is_list), "{text}");
        }
    }

    #[test]
    fn the_container_of_a_path_is_found() {
        for path in ["/dbs/a/colls/b", "/dbs/a/colls/b/docs", "/dbs/a/colls/b/docs/c", "/dbs/a/colls/b/sprocs"] {
            assert_eq!(Address::parse(path).container(), Some(&path_of("a", "b")), "{path}");
        }
        for path in ["/", "/dbs/a/colls", "/dbs/a/users", "/offers"] {
            assert_eq!(Address::parse(path).container(), None, "{path}");
        }
    }
}
