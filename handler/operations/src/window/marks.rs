//! Which versions restores wrote.

use std::collections::HashMap;

use changefeed_cosmos::Error;
use changefeed_history::VersionId;

use super::reader::WindowReader;

impl WindowReader {
    /// The ids of the restores that wrote versions, as their records say. A version is given by its id and its source time in seconds. The other versions are not in the answer.
    ///
    /// # Errors
    /// When the records of restores cannot be read.
    pub async fn restores_of(&self, versions: &[(VersionId, i64)]) -> Result<HashMap<VersionId, String>, Error> {
        let times: Vec<_> = versions.iter().map(|(_, second)| *second..=*second).collect();
        let marks = self.restores.marks(&times).await?;
        let mark = |(id, _): &(VersionId, i64)| Some((id.clone(), marks.of(id)?.restore.clone()));
        Ok(versions.iter().filter_map(mark).collect())
    }
}
