//! Verifications as they are shown: their progress, and their findings page by page.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::{JobProgress, ListedItems};
use serde::Serialize;

use super::finding::{Finding, PAGE_KIND};
use super::verifications::Verifications;
use super::verify_record::VerifyRecord;

/// A verification as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyView {
    /// Its record.
    #[serde(flatten)]
    pub record: VerifyRecord,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Its progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// For the next findings; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// A page of findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// In no order.
    pub items: Vec<Finding>,
    /// For the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl VerifyRecord {
    /// The record as it is shown: with the progress instead of the state of the work.
    pub fn view(mut self) -> VerifyView {
        let progress = self.job.take().map(|job| job.progress());
        VerifyView { record: self, findings: Vec::new(), progress, continuation: None }
    }
}

impl Verifications {
    /// A verification with its first findings.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such verification.
    pub async fn show(&self, id: &str) -> Result<VerifyView, Error> {
        let record = self.record(id).await?;
        let first = self.findings_page(id, &PageRequest::default()).await?;
        Ok(VerifyView { findings: first.items, continuation: first.continuation, ..record.view() })
    }

    /// A page of the findings of a verification that are confirmed so far.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such verification; and when the request is out
    /// of bounds or its continuation is not one of this list.
    pub async fn findings(&self, id: &str, request: &PageRequest) -> Result<Findings, Error> {
        request.check()?;
        self.record(id).await?;
        self.findings_page(id, request).await
    }

    async fn findings_page(&self, id: &str, request: &PageRequest) -> Result<Findings, Error> {
        let (items, continuation) = self.jobs.items(ListedItems::<Finding>::all(PAGE_KIND, id, true), request).await?;
        Ok(Findings { items, continuation })
    }
}
