//! Brings the history of other containers into this one: of another account, of a container with another partition key, or of changes that
//! another program has copied.
//!
//! A job reads the other container document by document, and stores the versions that this history lacks. Then it reads everything again
//! and compares it with what is stored here.
//!
//! Properties wanted: nothing in the other containers is changed; a version is stored once, however often the job is interrupted or requested
//! again; what can be restored there at a time can be restored here; a document that is erased in either history is not stored.
//!
//! * *The other history grows meanwhile.* What is stored after its part was read is not copied. The same request copies it later, and stores
//!   nothing twice, because the id of a version follows from the version alone.
//! * *This history grows meanwhile.* The versions of the other one are older than the first version here, or have other ids.
//! * *The other history lacks old versions.* Its horizon becomes one of this history before a version is stored.
//! * *A document has very many versions.* A page stores some of them, and the position within the document is saved with the page.

mod create_job;
mod flat_document;
mod page;
mod position;
mod rehome_job;
mod rehome_record;
mod rehome_request;
mod rehomes;
mod source;
mod stored_document;

pub use rehome_record::{RehomeCounts, RehomeList, RehomeView};
pub use rehome_request::{RehomeRequest, RehomeSource};
pub use rehomes::{Connections, REHOME, Rehomes};
