//! Finds a version by the beginning of its id.

use changefeed_cosmos::{DocumentName, Error, Key, printable};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Map, json};

use super::versions::scope;
use crate::history::History;
use crate::time_expression::TimeExpression;
use crate::version::Operation;
use crate::version_id::VersionId;

/// The candidates that an error names.
const NAMED: usize = 5;
/// The ids that are read. Two records of one version, of which one is exact, count as one candidate.
const READ: usize = 2 * NAMED + 1;
const ACTION: &str = "finding a version";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    id: VersionId,
    operation: Operation,
    source_ts: i64,
    partition_key: Key,
}

impl History {
    /// The version of a document whose id begins with this text. Of the records of one version it is the exact one, unless the text is the
    /// whole id of another. This is one query, whose answer has at most eleven ids.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when no id of the document's versions begins like this, and
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when several do, with some of them, and when no id can.
    pub async fn find_version(&self, document: &DocumentName, beginning: &str) -> Result<VersionId, Error> {
        VersionId::parse(beginning)?;
        let changes = self.changes.open().await?;
        let query = format!(
            "SELECT TOP {READ} c.id, c.operation, c.sourceTs, c.partitionKey FROM c WHERE c.sourceId = @sourceId \
             AND STARTSWITH(c.id, @beginning) AND NOT IS_DEFINED(c.partOf)"
        );
        let parameters =
            Map::from_iter([("@sourceId".to_owned(), json!(document.id)), ("@beginning".to_owned(), json!(beginning))]);
        let scope = scope(&changes, document);
        let found = changes.select_few::<Candidate>(&query, &parameters, scope.as_ref(), READ).await?;
        let mut found: Vec<Candidate> = found.try_collect().await?;
        let is_cut = found.len() == READ;
        // Documents with the same id can have different keys.
        found.retain(|candidate| candidate.partition_key == document.partition_key);
        if let Some(whole) = found.iter().find(|candidate| candidate.id == *beginning) {
            return Ok(whole.id.clone());
        }
        let named = || format!("document {}", printable(&document.id));
        // An exact record follows the other record of its version.
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup_by(|exact, other| {
            let is_same = exact.id.is_same_version(&other.id);
            if is_same {
                std::mem::swap(exact, other);
            }
            is_same
        });
        match found.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err(Error::not_found(
                ACTION,
                format!(
                    "{} has no version whose id begins with {beginning}; to list them: changefeed history versions",
                    named()
                ),
            )),
            several => Err(Error::invalid(ACTION, ambiguous(&named(), beginning, several, is_cut))),
        }
    }
}

fn ambiguous(document: &str, beginning: &str, several: &[Candidate], is_cut: bool) -> String {
    let shown: Vec<String> = several
        .iter()
        .take(NAMED)
        .map(|Candidate { id, operation, source_ts, .. }| {
            format!("{id} ({} of {})", operation.name(), TimeExpression::from_second(*source_ts))
        })
        .collect();
    let more = match several.len() - shown.len() {
        _ if is_cut => " and more".to_owned(),
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "several versions of {document} have ids that begin with {beginning}: {}{more}; give more of the id",
        shown.join(", ")
    )
}
