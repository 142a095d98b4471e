//! A rehearsal: a backup is restored into a container that is created for it, compared with the backup, and the container is removed.
//!
//! The race to mind: the process is killed, and the container stays. A record in the jobs container names it before it is created, and the
//! next rehearsal removes it. A container is removed only if its index policy has the mark of a rehearsal, which it has from its creation on.

mod rehearsal_record;
mod rehearsals;

pub use rehearsals::{Rehearsal, RehearsalReport, Rehearsals};
