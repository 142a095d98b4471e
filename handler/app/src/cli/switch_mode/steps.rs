//! The steps of a switch, found out from what is stored. Nothing is missed, because the new mode captures every change after a second that is
//! recorded, and the former mode stops only when it has captured every change until then.

use anyhow::Result;
use changefeed_cosmos::PageRequest;
use changefeed_history::Role;
use changefeed_jobs::JobState;
use changefeed_operations::{ListedJob, VERIFY};
use changefeed_processor::{ChangeFeedMode, Lease, LeaseLag, LeaseSet};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::record::SwitchRecord;
use crate::config::{MODE, setting_of};
use crate::feed::Feed;
use crate::service::Service;
use crate::status::lags;

/// The verifications among which one after the end of the former capture is looked for.
const RECENT: u32 = 20;

/// A step, and how far it is.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub state: StepState,
    /// What was found.
    pub found: String,
    /// What to do; empty unless it is the next step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    Done,
    /// A command is needed.
    Next,
    /// It needs only time.
    Waits,
    /// A step before it is not done.
    Later,
}

impl Step {
    fn done(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: StepState::Done, found: found.into(), actions: Vec::new() }
    }

    fn next(name: &'static str, found: impl Into<String>, actions: Vec<String>) -> Self {
        Self { name, state: StepState::Next, found: found.into(), actions }
    }

    fn waits(name: &'static str, found: impl Into<String>) -> Self {
        let actions = vec!["wait; nothing has to be done".to_owned()];
        Self { state: StepState::Waits, ..Self::next(name, found, actions) }
    }
}

/// The names of the steps.
const NAMES: [&str; 6] = [
    "check that the account has the mode",
    "start capture in the new mode",
    "let the former mode catch up",
    "stop capture in the former mode",
    "verify the history",
    "remove the leases of the former mode",
];

/// Looks at what is there. Gives leases in AllVersionsAndDeletes mode their first checkpoint, and records since when the new mode captures.
///
/// # Errors
/// When the leases or the container of the jobs cannot be read or written.
pub async fn look(service: &Service, to: ChangeFeedMode) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let switch = Switch::read(service, to).await?;
    for (index, name) in NAMES.into_iter().enumerate() {
        let step = match index {
            0 => switch.availability(name).await,
            1 => switch.start(name).await?,
            2 => switch.catch_up(name).await?,
            3 => switch.stop(name),
            4 => switch.verification(name).await?,
            _ => switch.removal(name).await?,
        };
        let is_done = step.state == StepState::Done;
        steps.push(step);
        if !is_done {
            let later = |name| Step { name, state: StepState::Later, found: String::new(), actions: Vec::new() };
            steps.extend(NAMES.into_iter().skip(index + 1).map(later));
            break;
        }
    }
    Ok(steps)
}

/// Removes the leases of the former mode, as the last step.
///
/// # Errors
/// When an instance owns one of them.
pub async fn remove_former_leases(service: &Service, to: ChangeFeedMode) -> Result<()> {
    let (_, former) = feeds(to);
    service.lease_set(former).await?.remove_all().await?;
    Ok(SwitchRecord::end(service.changefeed.containers.of(Role::Jobs), to).await?)
}

struct Switch<'a> {
    service: &'a Service,
    to: ChangeFeedMode,
    new: LeaseSet,
    new_leases: Vec<Lease>,
    former_lags: Vec<LeaseLag>,
    former: Feed,
}

impl<'a> Switch<'a> {
    async fn read(service: &'a Service, to: ChangeFeedMode) -> Result<Self> {
        let (feed, former) = feeds(to);
        let new = service.lease_set(feed).await?;
        Ok(Self { service, to, new_leases: new.all().await?, new, former_lags: lags(service, former).await?, former })
    }

    async fn availability(&self, name: &'static str) -> Step {
        if self.to == ChangeFeedMode::LatestVersion {
            return Step::done(name, "every account has it");
        }
        match self.service.has_all_versions().await {
            Ok(()) => Step::done(name, "the account has it"),
            Err(error) => Step::next(
                name,
                error.to_string(),
                vec![
                    "az cosmosdb update --name <account> --resource-group <group> --backup-policy-type continuous"
                        .to_owned(),
                    "and turn on the feature \"all versions and deletes change feed mode\" of the account".to_owned(),
                ],
            ),
        }
    }

    /// Both modes capture. A lease in AllVersionsAndDeletes mode without a checkpoint would start again from a later moment.
    async fn start(&self, name: &'static str) -> Result<Step> {
        let function = self.service.settings().function(feeds(self.to).0);
        if self.new_leases.is_empty() {
            // The record of an earlier switch, which was given up.
            SwitchRecord::end(self.jobs(), self.to).await?;
            let actions = vec![
                setting(&format!("AzureWebJobs.{function}.Disabled=false")),
                format!(
                    "without the Functions host: {}, beside the instances that run",
                    self.service.command(&format!("process --mode {}", self.to))
                ),
            ];
            return Ok(Step::next(name, format!("{} mode has no leases", self.to), actions));
        }
        if let Some(gap) = self.new.gap().await? {
            let actions = vec![self.service.command(&format!("leases repair --mode {}", self.to))];
            return Ok(Step::next(name, format!("no lease covers range {gap}"), actions));
        }
        self.new.pin_unstarted().await?;
        let leases = self.new.all().await?;
        let without_checkpoint = leases
            .iter()
            .filter(|lease| self.to == ChangeFeedMode::AllVersionsAndDeletes && lease.continuation_token.is_none())
            .count();
        if without_checkpoint > 0 {
            return Ok(Step::waits(
                name,
                format!("{without_checkpoint} of {} leases have no checkpoint yet", leases.len()),
            ));
        }
        if !self.former_lags.is_empty() {
            let clock = self.service.changefeed.history.clock();
            let record = match SwitchRecord::load(self.jobs(), self.to).await? {
                Some(record) => record,
                None => SwitchRecord::begin(self.jobs(), self.to, clock.second().await?).await?,
            };
            // Changes have whole seconds. One of the same second may come after the former mode has caught up, and would count as missed.
            if !clock.is_over(record.captured_after).await? {
                return Ok(Step::waits(name, "the new mode captures since a moment"));
            }
        }
        let lags = lags(self.service, feeds(self.to).0).await?;
        let free = lags.iter().filter(|lease| lease.is_free).count();
        if free > 0 {
            return Ok(Step::waits(name, format!("{free} of {} leases have no owner", lags.len())));
        }
        Ok(Step::done(name, format!("{} leases, each with an owner", lags.len())))
    }

    async fn catch_up(&self, name: &'static str) -> Result<Step> {
        let Some(record) = SwitchRecord::load(self.jobs(), self.to).await? else {
            return Ok(Step::done(name, format!("{} mode has no leases", self.former.mode())));
        };
        let since = self.time(record.captured_after);
        let is_behind = |lease: &&LeaseLag| {
            let has_only_later_changes =
                lease.waiting_since.is_some_and(|time| time.timestamp() > record.captured_after);
            lease.lag != Some(0) && !has_only_later_changes
        };
        let behind = self.former_lags.iter().filter(is_behind).count();
        if behind == 0 {
            return Ok(Step::done(
                name,
                format!("it has captured every change until {since}; the new mode captures those after it"),
            ));
        }
        let found = format!("{behind} of {} leases have changes before {since} to capture", self.former_lags.len());
        if self.former_lags.iter().filter(is_behind).any(|lease| lease.is_free) {
            let function = self.service.settings().function(self.former);
            let actions = vec![
                setting(&format!("AzureWebJobs.{function}.Disabled=false")),
                format!("without the Functions host: changefeed process --mode {}", self.former.mode()),
            ];
            return Ok(Step::next(name, format!("{found}, and no owner"), actions));
        }
        Ok(Step::waits(name, found))
    }

    fn stop(&self, name: &'static str) -> Step {
        let owned = self.former_lags.iter().filter(|lease| !lease.is_free).count();
        if owned == 0 {
            return Step::done(name, format!("no lease of {} mode has an owner", self.former.mode()));
        }
        let actions = vec![
            setting(&format!(
                "AzureWebJobs.{}.Disabled=true {}={}",
                self.service.settings().function(self.former),
                self.mode_setting(),
                self.to
            )),
            format!(
                "without the Functions host: stop the instances of changefeed process --mode {}",
                self.former.mode()
            ),
            "an instance that was killed owns its leases for another minute".to_owned(),
        ];
        Step::next(name, format!("{owned} leases of {} mode have owners", self.former.mode()), actions)
    }

    /// A verification that began after the former mode had stopped.
    async fn verification(&self, name: &'static str) -> Result<Step> {
        let Some(stopped) = self.former_lags.iter().filter_map(|lease| lease.last_written).max() else {
            return Ok(Step::done(name, "nothing was captured in another mode"));
        };
        let page = PageRequest { max_items: Some(RECENT), continuation: None };
        let (verifications, _) = self.service.changefeed.list_jobs(&[VERIFY], &page).await?;
        let since =
            |text: &str| DateTime::parse_from_rfc3339(text).is_ok_and(|time| time.with_timezone(&Utc) > stopped);
        let is_clean =
            |state: JobState, repairs: bool| state == JobState::Done || (state == JobState::Findings && repairs);
        let ended = |job: &&ListedJob| is_clean(job.state, job.request["repair"] == true) && since(&job.started_at);
        let found = verifications.iter().find(ended);
        Ok(match found {
            Some(job) => Step::done(name, format!("verification {} has ended", job.id)),
            None => Step::next(
                name,
                "there was no verification since the former mode stopped".to_owned(),
                vec![self.service.command("verify --repair")],
            ),
        })
    }

    async fn removal(&self, name: &'static str) -> Result<Step> {
        if self.former_lags.is_empty() {
            SwitchRecord::end(self.jobs(), self.to).await?;
            return Ok(Step::done(name, "there are none"));
        }
        let found = format!("{} mode has {} leases", self.former.mode(), self.former_lags.len());
        let command = self.service.command(&format!("switch-mode --to {} --yes", self.to));
        Ok(Step::next(name, found, vec![command]))
    }

    /// The name of the setting with the mode of the source.
    fn mode_setting(&self) -> String {
        let source = self.service.source();
        if source.is_default() { MODE.name.to_owned() } else { setting_of(source, "mode") }
    }

    fn jobs(&self) -> &changefeed_cosmos::LazyContainer {
        self.service.changefeed.containers.of(Role::Jobs)
    }

    fn time(&self, second: i64) -> String {
        DateTime::from_timestamp(second, 0).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
}

/// The command that sets a setting of the function app.
fn setting(setting: &str) -> String {
    format!("az functionapp config appsettings set --name <app> --resource-group <group> --settings {setting}")
}

/// The feed of a mode, and that of the other one.
fn feeds(to: ChangeFeedMode) -> (Feed, Feed) {
    match to {
        ChangeFeedMode::LatestVersion => (Feed::Capture, Feed::CaptureAllVersions),
        ChangeFeedMode::AllVersionsAndDeletes => (Feed::CaptureAllVersions, Feed::Capture),
    }
}
