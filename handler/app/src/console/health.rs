//! Whether everything is captured, and what needs action: for the overview, and for the head of every page. The last verification and the
//! last backup count: what one of them found, or that one failed, is not seen otherwise until the history is needed.

use actix_web::HttpRequest;
use changefeed_history::{ContainerState, ContainerStatus, Role};
use maud::{Markup, html};

use super::address::Address;
use super::elements::counted;
use super::last_jobs::LastJobs;
use super::page::Page;
use super::problem::Problem;
use super::viewer::Viewer;
use crate::feed::Feed;
use crate::http::{NoParameters, Query};
use crate::service::{Service, command_of};
use crate::status::{LeaseStatus, Status};

const NAME: &str = "health";
const TITLE: &str = "Capture";

/// The state of the capture.
pub struct Health {
    /// What needs action, the most urgent first.
    pub problems: Vec<Problem>,
    /// Whether there is a lease.
    has_lease: bool,
    /// Changes that are not captured yet; `None` if that is not known.
    waiting: Option<i64>,
    /// The age in seconds of the oldest of them.
    behind: Option<i64>,
}

impl Health {
    /// The health that a status and the last jobs show.
    pub fn of(status: &Status, last: &LastJobs) -> Self {
        let captured: Vec<&LeaseStatus> = status.leases.iter().filter(|lease| lease.feed.is_captured()).collect();
        Self {
            problems: problems(status).into_iter().chain(last.problems()).collect(),
            has_lease: !captured.is_empty(),
            waiting: captured.iter().map(|lease| lease.lag).sum(),
            behind: captured.iter().filter_map(|lease| lease.lag_seconds).max(),
        }
    }

    /// The state in a sentence.
    pub fn sentence(&self) -> String {
        match (self.problems.len(), self.waiting) {
            (0, Some(0)) if self.has_lease => "Every reported change is captured.".to_owned(),
            (0, Some(changes)) if self.has_lease => {
                let changes = counted(usize::try_from(changes).unwrap_or_default(), "change", "changes");
                match self.behind {
                    Some(seconds) => format!("{changes} to capture, the oldest {seconds} s ago."),
                    None => format!("{changes} to capture."),
                }
            }
            (0, _) => "Nothing was captured yet.".to_owned(),
            (count, _) => format!("{} action.", counted(count, "thing needs", "things need")),
        }
    }

    /// The state in a few words, as a link to the overview. It is red only where action is needed, and then names the action.
    fn pill(&self) -> Markup {
        html! {
            @match self.problems.first() {
                Some(problem) => { a.pill.bad href="overview" title={ (problem.what) " " (problem.action) } { strong { "Action needed" } span.action { (problem.action) } } }
                None => { a.pill href="overview" title=(self.sentence()) { (self.words()) } }
            }
        }
    }

    fn words(&self) -> String {
        match (self.has_lease, self.waiting, self.behind) {
            (false, ..) => "nothing captured yet".to_owned(),
            (true, None, _) => "lag unknown".to_owned(),
            (true, Some(0), _) => "all captured".to_owned(),
            (true, Some(_), Some(seconds)) => format!("capture {seconds} s behind"),
            (true, Some(changes), None) => {
                format!("capture {} behind", counted(usize::try_from(changes).unwrap_or_default(), "change", "changes"))
            }
        }
    }
}

/// The pill for the head of every page. The script asks for it.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    match Query::<NoParameters>::read(request, viewer.zone()) {
        Ok(NoParameters {}) => {
            let (status, last) = tokio::join!(Status::read(service), LastJobs::read(service));
            Page::new(NAME, TITLE, Health::of(&status, &last).pill())
        }
        Err(error) => Page::of_error(NAME, TITLE, &error, &html! {}),
    }
}

/// What needs action.
fn problems(status: &Status) -> Vec<Problem> {
    let problem = |what: String, action: &str| Problem::new(what, action);
    let command = |words: &str| command_of(status.source.as_ref(), words);
    let of_container = |container: &ContainerStatus| match &container.state {
        ContainerState::Missing if container.role == Role::Leases => None,
        ContainerState::Missing => {
            Some(problem(format!("Container {} is missing.", container.name), "Create it with: changefeed provision"))
        }
        ContainerState::Failed { message } => Some(problem(
            format!("Container {} cannot be read: {message}", container.name),
            "Check the connection with: changefeed doctor",
        )),
        ContainerState::Ready { items: Some(1..), .. } if container.role == Role::DeadLetters => Some(
            problem(
                "Some documents could not be captured.".to_owned(),
                &format!(
                    "Replay or discard them, on the page of dead letters or with: {}",
                    command("dead-letters list")
                ),
            )
            .on(Address::of("dead-letters")),
        ),
        ContainerState::Ready { .. } => None,
    };
    let of_lease = |lease: &LeaseStatus| {
        let reason = lease.reason.as_ref().or(lease.error.as_ref())?;
        let is_problem = lease.is_stuck || lease.error.is_some();
        let text = format!("Lease {} of {}: {reason}", lease.lease_token, lease.feed.name());
        is_problem.then(|| problem(text, "See the leases below, and changefeed doctor"))
    };
    let gap = status.leases_gap.as_ref().map(|range| {
        let words = if range.feed == Feed::Jobs { "leases repair --jobs" } else { "leases repair" };
        problem(format!("No lease covers range {range}."), &format!("Create one with: {}", command(words)))
    });
    let overlap = status.leases_overlap.as_ref().map(|range| {
        problem(
            format!("Several leases cover range {range}; its changes are delivered more than once."),
            &format!("Look at: {}", command("leases list")),
        )
    });
    let overdue = status.backups.as_ref().and_then(|backups| backups.overdue_since.as_ref());
    let others = [
        overdue.map(|since| {
            problem(
                format!("A backup of the policy is overdue since {since}."),
                &format!("Look at: {}", command("backup policy show")),
            )
        }),
        status
            .leases_error
            .as_ref()
            .map(|error| problem(format!("The leases cannot be read: {error}"), "Look at: changefeed doctor")),
        status
            .retention_error
            .as_ref()
            .map(|error| problem(format!("The retention cannot be read: {error}"), "Look at: changefeed doctor")),
        status.has_unknown_identity.then(|| {
            problem(
                "Dead letters have changes of unknown documents.".to_owned(),
                &format!("Capture them with: {}", command("verify --repair")),
            )
        }),
    ];
    let all = status.containers.iter().filter_map(of_container).chain(status.leases.iter().filter_map(of_lease));
    all.chain(gap).chain(overlap).chain(others.into_iter().flatten()).collect()
}
