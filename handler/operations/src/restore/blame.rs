//! Blame with the restores that wrote the versions.

use changefeed_cosmos::Error;
use changefeed_history::{Blame, BlameRequest, BlamedField, Origin, SetBy};

use super::restores::Restores;

impl Restores {
    /// The version that set each field of a document, and the restore that wrote it.
    ///
    /// # Errors
    /// Those of [`History::blame`](changefeed_history::History::blame), and when the jobs container cannot be read.
    pub async fn blame(&self, request: &BlameRequest) -> Result<Blame, Error> {
        let mut blame = self.history.blame(request).await?;
        let Blame::Version { fields, .. } = &mut blame else { return Ok(blame) };
        let times: Vec<_> = set_by(fields).map(|set_by| set_by.source_ts..=set_by.source_ts).collect();
        let marks = self.marks(&times).await?;
        for set_by in set_by(fields) {
            if let Some(mark) = marks.of(&set_by.version_id) {
                set_by.by_restore = Some(mark.restore.clone());
                set_by.requested_by = mark.requested_by.clone();
            }
        }
        Ok(blame)
    }
}

/// The versions that set fields.
fn set_by(fields: &mut [BlamedField]) -> impl Iterator<Item = &mut SetBy> {
    fields.iter_mut().filter_map(|field| match &mut field.origin {
        Origin::Version(set_by) => Some(set_by),
        Origin::AtOrBefore { .. } | Origin::Unknown { .. } => None,
    })
}
