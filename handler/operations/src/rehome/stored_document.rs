//! The versions of a document of another history of this program.

use changefeed_cosmos::Error;

use super::page::{Mode, Pages};
use super::position::DocumentPosition;
use super::rehome_record::RehomeCounts;

impl Pages<'_> {
    /// Moves or compares the next versions of a document. Returns where the following ones begin.
    pub(super) async fn move_versions(
        &self,
        mut position: DocumentPosition,
        wanted: usize,
    ) -> Result<(RehomeCounts, Option<DocumentPosition>), Error> {
        let next = self.source.history.versions_after(&position.document, position.second, wanted).await?;
        let mut counts = RehomeCounts::default();
        if self.mode != Mode::Compare {
            counts.unreadable += next.damaged.len() as u64;
            next.damaged.into_iter().for_each(|damage| counts.name(damage));
        }
        let placed = self.placer.place(next.versions, &mut position.last)?;
        if self.mode != Mode::Compare {
            counts.ended +=
                placed.versions.iter().filter(|version| version.captured_by == self.placer.captured_by).count() as u64;
            counts.without_key += placed.without_key;
        }
        counts.add(self.put(placed.versions).await?);
        position.second = next.last_second;
        Ok((counts, Some(position).filter(|position| position.second.is_some())))
    }
}
