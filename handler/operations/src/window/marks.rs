//! Which versions restores wrote.

use std::collections::HashMap;

use changefeed_cosmos::Error;
use changefeed_history::{Version, VersionId};

use super::reader::WindowReader;
use crate::restore::StampedEtags;

impl WindowReader {
    /// The ids of the restores that wrote these versions, as their records say. The other versions are not in the answer.
    ///
    /// # Errors
    /// When the records of restores cannot be read.
    pub async fn restores_of(&self, versions: &[Version]) -> Result<HashMap<VersionId, String>, Error> {
        let Some(field) = self.restores.restore_id_field() else { return Ok(HashMap::new()) };
        let restore = |version: &Version| Some(version.document.as_ref()?.get(field)?.as_str()?.to_owned());
        let mut stamped = StampedEtags::default();
        for version in versions {
            if let (Some(restore), Some(etag)) = (restore(version), &version.etag) {
                stamped.add(&restore, etag);
            }
        }
        let marks = self.restores.marks(&stamped).await?;
        let mark = |version: &Version| {
            let mark = marks.get(version.etag.as_ref()?)?;
            Some((version.id.clone(), mark.restore.clone()))
        };
        Ok(versions.iter().filter_map(mark).collect())
    }
}
