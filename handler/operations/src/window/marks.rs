//! Which versions restores wrote.

use std::collections::HashMap;

use changefeed_cosmos::Error;
use changefeed_history::{Version, VersionId};

use super::reader::WindowReader;

impl WindowReader {
    /// The ids of the restores that wrote these versions, as their records say. The other versions are not in the answer.
    ///
    /// # Errors
    /// When the records of restores cannot be read.
    pub async fn restores_of(&self, versions: &[Version]) -> Result<HashMap<VersionId, String>, Error> {
        let times: Vec<_> = versions.iter().map(|version| version.source_ts..=version.source_ts).collect();
        let marks = self.restores.marks(&times).await?;
        let mark = |version: &Version| Some((version.id.clone(), marks.of(&version.id)?.restore.clone()));
        Ok(versions.iter().filter_map(mark).collect())
    }
}
