//! Resource ids (`_rid`): the names that the service gives to resources.
//!
//! They are bytes, written in base64 with `-` for `/`. A database has 4 bytes; a container has those of its database and 4 more,
//! of which the first has its highest bit set; documents and partition key ranges have those of their container and 8 more,
//! little-endian, whose highest 4 bits are 0 for a document and 5 for a range. An offer has 3 bytes. Sources: `ResourceId` of
//! the Java and .NET SDKs, and answers of the service: range 151 of a container has the number 153, range 0 has 2.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use serde::{Deserialize, Serialize};

const ALPHABET: Alphabet = match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-") {
    Ok(alphabet) => alphabet,
    Err(_) => base64::alphabet::STANDARD,
};
const ENCODING: GeneralPurpose = GeneralPurpose::new(&ALPHABET, PAD);

/// Distinguishes containers from users, which are the other children of a database.
const CONTAINER_BIT: u32 = 0x8000_0000;
/// The kind of a container's child is in these bits of its number.
const KIND_SHIFT: u32 = 60;
const KIND_OF_DOCUMENT: u64 = 0;
const KIND_OF_RANGE: u64 = 5;
/// The difference between the number in a range's resource id and the id of the range.
const FIRST_RANGE: u64 = 2;
/// Numbers of offers are below this.
const OFFERS: u32 = 1 << 24;

/// The resource id of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct DatabaseRid(u32);

/// The resource id of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ContainerRid {
    database: DatabaseRid,
    number: u32,
}

/// The resource id of a document. Those of a container ascend with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DocumentRid {
    container: ContainerRid,
    number: u64,
}

/// The resource id of a partition key range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RangeRid {
    container: ContainerRid,
    range: u32,
}

/// The resource id of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct OfferRid(u32);

/// Any resource id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceId {
    Offer(OfferRid),
    Database(DatabaseRid),
    Container(ContainerRid),
    Document(DocumentRid),
    Range(RangeRid),
}

/// A text is not a resource id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAResourceId;

impl fmt::Display for NotAResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a resource id of this kind of resource")
    }
}

impl DatabaseRid {
    /// The resource id of the database with this number.
    pub(crate) fn new(number: u32) -> Self {
        Self(number)
    }

    /// The resource id of the container of this database with this number, below 2^31.
    pub(crate) fn container(self, number: u32) -> ContainerRid {
        ContainerRid { database: self, number: number & !CONTAINER_BIT }
    }

    /// The link to the database, `dbs/{rid}/`.
    pub(crate) fn link(self) -> String {
        format!("dbs/{self}/")
    }
}

impl ContainerRid {
    pub(crate) fn database(self) -> DatabaseRid {
        self.database
    }

    /// The resource id of the document of this container with this number, below 2^60.
    pub(crate) fn document(self, number: u64) -> DocumentRid {
        DocumentRid { container: self, number: number & ((1 << KIND_SHIFT) - 1) }
    }

    /// The resource id of the container's partition key range with this id.
    pub(crate) fn range(self, range: u32) -> RangeRid {
        RangeRid { container: self, range }
    }

    /// The link to the container, `dbs/{rid}/colls/{rid}/`.
    pub(crate) fn link(self) -> String {
        format!("dbs/{}/colls/{self}/", self.database)
    }

    /// The bytes, whose order is that of the database and then of the number.
    pub(crate) fn bytes(self) -> [u8; 8] {
        let number = u64::from(self.number | CONTAINER_BIT);
        (u64::from(self.database.0) << 32 | number).to_be_bytes()
    }

    fn child(self, kind: u64, number: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.bytes());
        bytes[8..].copy_from_slice(&(kind << KIND_SHIFT | number).to_le_bytes());
        bytes
    }
}

impl DocumentRid {
    pub(crate) fn container(self) -> ContainerRid {
        self.container
    }

    /// The number in its container: 1 for the first document that was created.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    /// The link to the document, `dbs/{rid}/colls/{rid}/docs/{rid}/`.
    pub(crate) fn link(self) -> String {
        format!("{}docs/{self}/", self.container.link())
    }
}

impl RangeRid {
    /// The link to the range, `dbs/{rid}/colls/{rid}/pkranges/{rid}/`.
    pub(crate) fn link(self) -> String {
        format!("{}pkranges/{self}/", self.container.link())
    }
}

impl OfferRid {
    /// The resource id of the offer with this number, below 2^24.
    pub(crate) fn new(number: u32) -> Self {
        Self(number % OFFERS)
    }

    /// The link to the offer, `offers/{rid}/`.
    pub(crate) fn link(self) -> String {
        format!("offers/{self}/")
    }
}

impl FromStr for ResourceId {
    type Err = NotAResourceId;

    /// Reads a resource id; one with `/` in place of `-` is read too.
    fn from_str(text: &str) -> Result<Self, NotAResourceId> {
        let bytes = ENCODING.decode(text.replace('/', "-")).map_err(|_| NotAResourceId)?;
        match *bytes.as_slice() {
            [a, b, c] => Ok(Self::Offer(OfferRid(u32::from_be_bytes([0, a, b, c])))),
            [a, b, c, d] => Ok(Self::Database(DatabaseRid(u32::from_be_bytes([a, b, c, d])))),
            [a, b, c, d, e, f, g, h, ref rest @ ..] => {
                let number = u32::from_be_bytes([e, f, g, h]);
                if number & CONTAINER_BIT == 0 {
                    return Err(NotAResourceId);
                }
                let container = DatabaseRid(u32::from_be_bytes([a, b, c, d])).container(number);
                if rest.is_empty() { Ok(Self::Container(container)) } else { child(container, rest) }
            }
            _ => Err(NotAResourceId),
        }
    }
}

fn child(container: ContainerRid, bytes: &[u8]) -> Result<ResourceId, NotAResourceId> {
    let number = u64::from_le_bytes(bytes.try_into().map_err(|_| NotAResourceId)?);
    let below_kind = number & ((1 << KIND_SHIFT) - 1);
    match number >> KIND_SHIFT {
        KIND_OF_DOCUMENT => Ok(ResourceId::Document(container.document(below_kind))),
        KIND_OF_RANGE => {
            let range = below_kind.checked_sub(FIRST_RANGE).and_then(|range| u32::try_from(range).ok());
            Ok(ResourceId::Range(container.range(range.ok_or(NotAResourceId)?)))
        }
        _ => Err(NotAResourceId),
    }
}

macro_rules! text_form {
    ($($kind:ident, $variant:ident, $bytes:expr;)*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bytes: fn($kind) -> _ = $bytes;
                formatter.write_str(&ENCODING.encode(bytes(*self)))
            }
        }

        impl FromStr for $kind {
            type Err = NotAResourceId;

            fn from_str(text: &str) -> Result<Self, NotAResourceId> {
                match text.parse()? {
                    ResourceId::$variant(found) => Ok(found),
                    _ => Err(NotAResourceId),
                }
            }
        }

        impl TryFrom<String> for $kind {
            type Error = NotAResourceId;

            fn try_from(text: String) -> Result<Self, NotAResourceId> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(rid: $kind) -> Self {
                rid.to_string()
            }
        }
    )*};
}

text_form! {
    DatabaseRid, Database, |rid| rid.0.to_be_bytes();
    ContainerRid, Container, |rid| rid.bytes();
    DocumentRid, Document, |rid| rid.container.child(KIND_OF_DOCUMENT, rid.number);
    RangeRid, Range, |rid| rid.container.child(KIND_OF_RANGE, FIRST_RANGE + u64::from(rid.range));
    OfferRid, Offer, |rid| { let [_, a, b, c] = rid.0.to_be_bytes(); [a, b, c] };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resource ids that the service answered: a container with two of its ranges, and an offer of the REST reference.
    #[test]
    fn resource_ids_of_the_service_are_read_and_written() {
        let container: ContainerRid = "lypXAMSZ-Cs=".parse().expect("a container");
        assert_eq!(
            (container.to_string(), container.database().to_string()),
            ("lypXAMSZ-Cs=".into(), "lypXAA==".into())
        );
        assert_eq!(container.range(151).to_string(), "lypXAMSZ-CuZAAAAAAAAUA==");
        assert_eq!(container.range(163).to_string(), "lypXAMSZ-CulAAAAAAAAUA==");
        let link = "dbs/lypXAA==/colls/lypXAMSZ-Cs=/pkranges/lypXAMSZ-CuZAAAAAAAAUA==/";
        assert_eq!(container.range(151).link(), link);
        let other: ContainerRid = "qYcAAPEvJBQ=".parse().expect("a container");
        assert_eq!("qYcAAPEvJBQCAAAAAAAAUA==".parse(), Ok(other.range(0)));
        assert_eq!("uT2L".parse::<OfferRid>().expect("an offer").link(), "offers/uT2L/");
    }

    #[test]
    fn every_kind_of_resource_id_is_read_as_itself() {
        let database = DatabaseRid::new(0xFFEF_BFFB);
        let container = database.container(7);
        let document = container.document(0x0FFF_FFFF_FFFF_FFFF);
        let offer = OfferRid::new(0xFB_FFFE);
        for (rid, text) in [
            (ResourceId::Database(database), database.to_string()),
            (ResourceId::Container(container), container.to_string()),
            (ResourceId::Document(document), document.to_string()),
            (ResourceId::Range(container.range(0)), container.range(0).to_string()),
            (ResourceId::Offer(offer), offer.to_string()),
        ] {
            assert!(!text.contains('/'), "{text}");
            assert_eq!(text.parse(), Ok(rid), "{text}");
            assert_eq!(text.replace('-', "/").parse(), Ok(rid), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_resource_ids() {
        let stored_procedure = "lypXAMSZ-CuZAAAAAAAAgA==";
        let user = "lypXAESZ-Cs=";
        for text in ["", "fixdb", "A", "lypXAA", "lypXAMSZ-Cs", "lypXAMSZ-CuZAAAAAAAA", stored_procedure, user, "ä==="]
        {
            assert_eq!(text.parse::<ResourceId>(), Err(NotAResourceId), "{text}");
        }
        assert_eq!("lypXAA==".parse::<ContainerRid>(), Err(NotAResourceId));
        assert_eq!("lypXAMSZ-Cs=".parse::<DatabaseRid>(), Err(NotAResourceId));
    }

    #[test]
    fn document_numbers_ascend_in_the_order_that_clients_compare() {
        let container = DatabaseRid::new(1).container(1);
        let ordinal = |number| {
            let bytes = ENCODING.decode(container.document(number).to_string()).expect("base64");
            u64::from_le_bytes(bytes[8..].try_into().expect("8 bytes"))
        };
        assert!((1..2_000).all(|number| ordinal(number) < ordinal(number + 1)));
        assert!(container.document(255) < container.document(256));
        let document: DocumentRid = container.document(300).to_string().parse().expect("a document");
        assert_eq!(document, container.document(300));
        assert_eq!(document.link(), format!("{}docs/{document}/", container.link()));
    }

    #[test]
    fn resource_ids_are_stored_as_texts() {
        let container = DatabaseRid::new(9).container(2);
        let json = serde_json::to_string(&container).expect("JSON");
        assert_eq!(json, format!("\"{container}\""));
        assert_eq!(serde_json::from_str::<ContainerRid>(&json).expect("a container"), container);
        serde_json::from_str::<DatabaseRid>(&json).expect_err("not a database");
    }
}
