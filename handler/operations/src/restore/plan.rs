//! The plan of a restore that is small enough for one request.

use std::sync::atomic::AtomicUsize;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, IdempotencyKey, MAX_TOGETHER};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::capture_lag::CaptureLag;
use super::composition::Composition;
use super::plan_document::DocumentPlanner;
use super::plan_window::WindowPlanner;
use super::planned_item::{PlannedItem, sorted};
use super::read_together::ReadTogether;
use super::restore_request::RestoreRequest;
use super::restores::Restores;

/// How often a plan is made again because the retention passed its target in the meantime.
const PLANS_UNDER_SWEEP: usize = 3;

/// A restore that can be executed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The request.
    pub request: Value,
    /// The restore that this one undoes.
    pub undo_of: Option<String>,
    /// Identifies the request, if its sender may repeat it.
    pub(super) key: Option<IdempotencyKey>,
    /// What is done with each document, in the order of their partition keys and ids.
    pub items: Vec<PlannedItem>,
    pub(super) force: bool,
    pub(super) composition: Composition,
    /// The container to write to, if it is not the monitored one.
    pub into: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) requested_by: Option<String>,
    /// How far capture is behind, for a restore that undoes a window.
    pub capture_lag: Option<CaptureLag>,
    /// What the one who requests it should know.
    pub warnings: Vec<String>,
}

impl Restores {
    /// Plans a restore. Nothing is written. `None` when it is too large for one request and must be a job.
    ///
    /// # Errors
    /// When the request is invalid, or names a version or a container that does not exist; when the retention removes versions
    /// of the target time; and when the containers cannot be read.
    pub async fn plan(&self, request: &RestoreRequest) -> Result<Option<Plan>, Error> {
        self.check_not_erased(request).await?;
        let (last_change, _) = request.target.seconds().unwrap_or((i64::MAX, i64::MAX));
        let mut horizon = self.history.horizon().await?;
        for _ in 0..PLANS_UNDER_SWEEP {
            let plan = self.plan_at(request, last_change, horizon).await?;
            // The retention announces a horizon before it removes versions: the plan may have missed some.
            let announced = self.history.horizon().await?;
            if announced == horizon || announced <= last_change {
                return Ok(plan);
            }
            horizon = announced;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "planning a restore",
            "versions of the target time are being removed by the retention; retry later, or use a later time",
        ))
    }

    /// A plan by the history that is complete from `horizon` on.
    async fn plan_at(&self, request: &RestoreRequest, last_change: i64, horizon: i64) -> Result<Option<Plan>, Error> {
        self.check_captured(request)?;
        let written = self.target_container(request.into.as_deref()).await?;
        let composition = self.composition(request).await?;
        let window = composition.window.as_ref();
        if let Some(window) = window {
            window.check_horizon(horizon)?;
        }
        // Documents whose versions of the target time were removed are reported as unknown.
        let candidates = self.candidates(&request.selection, window, last_change.max(horizon)).await?;
        let Some(candidates) = candidates else { return Ok(None) };
        let planner = DocumentPlanner {
            restores: self,
            request,
            fields: composition.fields.as_ref(),
            written: &written,
            horizon,
            looked_up: AtomicUsize::new(0),
        };
        let (planner, fields) = (&planner, composition.fields.as_ref());
        let monitored = self.history.monitored().open().await?;
        let (mut items, mut writes) = (Vec::new(), 0);
        for names in candidates.chunks(MAX_TOGETHER) {
            let together = match window {
                Some(_) => ReadTogether::default(),
                None => {
                    ReadTogether::to_plan(self, &monitored, names, request.target.seconds().map(|(last, _)| last)).await
                }
            };
            let together = &together;
            let plan = |name: DocumentName| async move {
                match (window, together.known(&name)) {
                    (Some(window), _) => WindowPlanner { restores: self, window, fields }.plan(name).await,
                    (None, Some(known)) => planner.plan_from(name, known).await,
                    (None, None) => planner.plan(name).await,
                }
            };
            let names = futures::stream::iter(names.iter().cloned());
            let mut planned = names.map(plan).buffer_unordered(self.options.concurrency);
            while let Some(item) = planned.try_next().await? {
                writes += usize::from(item.as_ref().is_some_and(|item| item.action.is_write()));
                items.extend(item);
                if writes > self.jobs.options().max_restored {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Plan {
            request: request.recorded()?,
            undo_of: None,
            key: None,
            items: sorted(self.without_erased(items).await?),
            force: request.force,
            composition: composition.clone(),
            into: request.into.clone(),
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
            capture_lag: request.capture_lag.clone(),
            warnings: self.warnings(request).await?,
        }))
    }
}
