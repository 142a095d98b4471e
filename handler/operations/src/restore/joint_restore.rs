//! A restore of several sources: one plan for each, one record that names them, and one undo.
//!
//! It is planned first, always: the plans are dry runs, which write nothing. Then all of them are executed. Each step can be repeated, and a
//! repetition completes what an interrupted one began. The record says only which restores belong together; what they did, and how far they
//! are, is in their own records.

use changefeed_cosmos::{
    Container, Error, ErrorKind, Key, NewestFirst, PageRequest, SourceName, retry, timestamp, to_item,
    without_system_properties,
};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobState, Kind, new_id};
use chrono::Utc;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::execute_plan::ExecuteRequest;
use super::planned_item::Counts;
use super::restore_record::{PLAN_TTL, RestoreRecord, state_of};
use super::restore_request::{RestoreRequest, Selection, Target};
use super::restore_view::RestoreView;
use super::restores::{RESTORE, Restores};
use super::undo::UndoRequest;

/// The kind of the records.
const JOINT_RESTORE: Kind = Kind { name: "joint-restore", noun: "restore of several sources" };
/// Joins the names of sources.
const SEPARATOR: &str = ",";
const PLANNING: &str = "planning a restore of several sources";

/// Restores of several sources together. Their records are beside those of the sources, and of none of them.
#[derive(Clone, Debug)]
pub struct JointRestores {
    /// In the order of the names of their sources.
    members: Vec<Restores>,
}

/// The restore of one of the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    source: SourceName,
    restore: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JointRecord {
    id: String,
    kind: String,
    /// The names of the sources. It is the name of no source, so that the record is of none.
    source: String,
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    undo_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    last_undo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    requested_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    started_at: String,
    schema: u32,
    /// Present until it is executed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl: Option<u64>,
}

/// A restore of several sources as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JointRestore {
    /// Its id.
    pub id: String,
    /// `joint-restore`.
    pub kind: String,
    /// The state of all of them together: `planned` before it is executed, `running` until all have ended.
    pub state: JobState,
    /// The request, as the restore of each source has it.
    pub request: Value,
    /// The joint restore that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// The last joint restore that was started to undo this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_undo: Option<String>,
    /// Who requested it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// The number of documents by action, of all sources.
    pub counts: Counts,
    /// Request units, of all sources.
    pub request_charge: f64,
    /// The restore of each source, in the order of their names.
    pub members: Vec<JointMember>,
    /// The format of the record.
    pub schema: u32,
}

/// The restore of one of the sources as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointMember {
    /// The source.
    pub source: SourceName,
    /// Its restore, without its documents.
    pub restore: RestoreView,
}

/// A list of restores of several sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointRestoreList {
    /// Newest first.
    pub items: Vec<JointRestore>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl JointRestores {
    /// Restores of these sources together, which share the container of the jobs.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for fewer than two.
    pub fn new(members: impl IntoIterator<Item = Restores>) -> Result<Self, Error> {
        let mut members: Vec<Restores> = members.into_iter().collect();
        members.sort_by_key(|member| member.jobs.source());
        match members.len() {
            0 | 1 => Err(Error::invalid(PLANNING, "it needs two sources or more")),
            _ => Ok(Self { members }),
        }
    }

    /// Starts the dry runs. `request` makes the request for a source, of which [`RestoreRequest::dry_run`] counts as set.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a request that can only be meant for one source; and as [`Restores::create_job`].
    pub async fn plan(&self, requests: Vec<(SourceName, RestoreRequest)>) -> Result<JointRestore, Error> {
        let mut record = self.new_record();
        for (source, request) in requests {
            check_is_for_several(&request)?;
            (record.requested_by, record.reason) = (request.requested_by.clone(), request.reason.clone());
            let request = RestoreRequest { dry_run: true, ..request };
            let member = self.member(&source, PLANNING)?;
            let restore = member.create_job_of(&request, Some(&record.id)).await?.id;
            record.members.push(Member { source, restore });
        }
        self.create(&record).await?;
        self.view(record).await
    }

    /// A restore with the state of each source.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none; [`ErrorKind::Invalid`] when it is of other sources.
    pub async fn show(&self, id: &str) -> Result<JointRestore, Error> {
        let record = self.read("showing", id).await?.0;
        self.view(record).await
    }

    /// A page of the restores of exactly these sources, newest first, by default 100.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<JointRestoreList, Error> {
        let fields =
            ["id", "kind", "source", "members", "undoOf", "lastUndo", "requestedBy", "reason", "startedAt", "schema"];
        let only: [(&str, &[&str]); 2] = [("kind", &[JOINT_RESTORE.name]), ("source", &[&self.names()])];
        let list = NewestFirst { fields: &fields, time: "startedAt", only: &only };
        let jobs = self.jobs().await?;
        let (records, continuation) =
            jobs.list_newest_first::<JointRecord>(&list, request, "listing restores of several sources").await?;
        let items = try_join_all(records.into_iter().map(|record| self.view(record))).await?;
        Ok(JointRestoreList { items, continuation })
    }

    /// Starts the execution of all plans, each once: of what is or was executed, nothing is written again. If it is the plan of an undo, and
    /// another undo was faster, that one is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when a plan is not complete yet; [`ErrorKind::Invalid`] when one was not completed, or when the restore was
    /// undone; nothing is written then. And as [`Self::show`].
    pub async fn execute(&self, id: &str, request: &ExecuteRequest) -> Result<JointRestore, Error> {
        let (record, _) = self.read("executing", id).await?;
        let refused = |kind, message: String| Err(Error::new(kind, format!("executing restore {id}"), message));
        if let Some(undo) = &record.last_undo {
            return refused(ErrorKind::Invalid, format!("it was undone by restore {undo}"));
        }
        if let Some(undone) = &record.undo_of
            && let Some(undo) = self.undo_of(undone).await?
            && undo.id != record.id
        {
            return Ok(undo);
        }
        for Member { source, restore } in &record.members {
            let plan = self.member(source, "executing a restore")?.record(restore).await?;
            match plan.state {
                _ if plan.planned_counts.is_some() => {}
                JobState::Planned => {}
                JobState::Queued | JobState::Running => {
                    let message = format!("the plan of source {source} is not complete yet; wait until it is planned");
                    return refused(ErrorKind::Conflict, message);
                }
                _ => {
                    let message = format!("the plan of source {source} failed or was cancelled; plan again");
                    return refused(ErrorKind::Invalid, message);
                }
            }
        }
        // It does not expire any more.
        let record = self.change(id, |record| record.ttl = None).await?;
        if let Some(undone) = &record.undo_of {
            self.change(undone, |undone| undone.last_undo = Some(record.id.clone())).await?;
        }
        for Member { source, restore } in &record.members {
            self.member(source, "executing a restore")?.execute_plan_as(restore, request).await?;
        }
        self.view(record).await
    }

    /// Starts the undo of what was written in each source, or with `dry_run` plans it. A restore that is undone or is being undone is not
    /// undone again: its undo is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when nothing was executed; [`ErrorKind::Conflict`] when it has not ended; and as [`Self::show`].
    pub async fn undo(&self, id: &str, request: &UndoRequest) -> Result<JointRestore, Error> {
        let (undone, _) = self.read("undoing", id).await?;
        let mut executed = Vec::new();
        for Member { source, restore } in &undone.members {
            let member = self.member(source, "undoing a restore")?;
            let record = member.record(restore).await?;
            // An interrupted execution may have left plans. They are not executed any more.
            if record.state != JobState::Planned && record.request["dryRun"] != true {
                member.check_undoable(&record)?;
                executed.push((member, source, restore));
            }
        }
        if executed.is_empty() {
            let message = "it was a plan: there is nothing to undo";
            return Err(Error::invalid(format!("undoing restore {id}"), message));
        }
        let mut record = JointRecord {
            undo_of: Some(undone.id.clone()),
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ttl: request.dry_run.then_some(PLAN_TTL),
            ..self.new_record()
        };
        for (member, source, restore) in executed {
            // A key is of one request. A repeated request finds the undo that is in force.
            let request = UndoRequest { key: None, ..request.clone() };
            let restore = member.create_undo_job_of(restore, &request, Some(&record.id)).await?.id;
            record.members.push(Member { source: source.clone(), restore });
        }
        if let Some(last) = undone.last_undo.filter(|_| !request.dry_run)
            && let Some((last, _)) = self.find(&last).await?
            && last.members == record.members
        {
            return self.view(last).await;
        }
        self.create(&record).await?;
        if !request.dry_run {
            self.change(id, |undone| undone.last_undo = Some(record.id.clone())).await?;
        }
        self.view(record).await
    }

    /// The undo of a restore that is in progress or has written everything; `None` when the restore can be undone.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub async fn undo_of(&self, id: &str) -> Result<Option<JointRestore>, Error> {
        let Some(last) = self.read("undoing", id).await?.0.last_undo else { return Ok(None) };
        let Some((undo, _)) = self.find(&last).await? else { return Ok(None) };
        let undo = self.view(undo).await?;
        Ok(Some(undo).filter(|undo| matches!(undo.state, JobState::Queued | JobState::Running | JobState::Done)))
    }

    /// Cancels what has not ended. Documents already written are not changed back.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub async fn cancel(&self, id: &str) -> Result<JointRestore, Error> {
        let (record, _) = self.read("cancelling", id).await?;
        for Member { source, restore } in &record.members {
            self.member(source, "cancelling a restore")?.jobs.cancel(RESTORE, restore).await?;
        }
        self.view(record).await
    }

    /// The names of the sources, as they stand in a record.
    fn names(&self) -> String {
        let names: Vec<String> = self.members.iter().map(|member| member.jobs.source().to_string()).collect();
        names.join(SEPARATOR)
    }

    fn new_record(&self) -> JointRecord {
        let now = Utc::now();
        JointRecord {
            id: new_id(now),
            kind: JOINT_RESTORE.name.to_owned(),
            source: self.names(),
            members: Vec::new(),
            undo_of: None,
            last_undo: None,
            requested_by: None,
            reason: None,
            started_at: timestamp(now),
            schema: SCHEMA,
            ttl: Some(PLAN_TTL),
        }
    }

    fn member(&self, source: &SourceName, action: &str) -> Result<&Restores, Error> {
        let found = self.members.iter().find(|member| member.jobs.source() == *source);
        found.ok_or_else(|| Error::invalid(action, format!("source {source} is not among {}", self.names())))
    }

    /// The container of the records, whatever their source.
    async fn jobs(&self) -> Result<Container, Error> {
        let Some(first) = self.members.first() else { return Err(Error::internal(PLANNING, "there is no source")) };
        Ok(first.jobs.open().await?.with_all_sources())
    }

    fn deadline(&self) -> Instant {
        let timeout = self.members.first().map(|member| member.options.timeout).unwrap_or_default();
        Instant::now() + timeout
    }

    async fn create(&self, record: &JointRecord) -> Result<(), Error> {
        let (jobs, key, item) = (self.jobs().await?, Key::text(&record.id), to_item(record)?);
        let created = retry(self.deadline(), || jobs.create(&key, &record.id, &item)).await.map(drop);
        // A creation whose reply was lost.
        created.or_else(|error| if error.kind() == ErrorKind::Conflict { Ok(()) } else { Err(error) })
    }

    /// A record and its etag; `None` when there is none.
    async fn find(&self, id: &str) -> Result<Option<(JointRecord, String)>, Error> {
        let (jobs, key) = (self.jobs().await?, Key::text(id));
        let read = retry(self.deadline(), || jobs.read(&key, id)).await?;
        let Some(read) = read.filter(|read| read["kind"] == JOINT_RESTORE.name) else { return Ok(None) };
        let etag = read["_etag"].as_str().unwrap_or_default().to_owned();
        let record = serde_json::from_value(without_system_properties(read))
            .map_err(|error| Error::corrupt(format!("reading restore {id}"), error))?;
        Ok(Some((record, etag)))
    }

    async fn read(&self, action: &str, id: &str) -> Result<(JointRecord, String), Error> {
        let (record, etag) = self.find(id).await?.ok_or_else(|| JOINT_RESTORE.not_found(action, id))?;
        if record.source != self.names() {
            let message = format!("it is of the sources {}; name these and no others", record.source);
            return Err(Error::invalid(format!("{action} restore {id}"), message));
        }
        Ok((record, etag))
    }

    /// Changes a record, once; it is returned as it is then.
    async fn change(&self, id: &str, change: impl Fn(&mut JointRecord)) -> Result<JointRecord, Error> {
        let (jobs, key) = (self.jobs().await?, Key::text(id));
        loop {
            let (before, etag) = self.read("changing", id).await?;
            let mut record = before.clone();
            change(&mut record);
            if record == before {
                return Ok(record);
            }
            let item = to_item(&record)?;
            match retry(self.deadline(), || jobs.replace(&key, id, &item, &etag)).await {
                Ok(_) => return Ok(record),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn view(&self, record: JointRecord) -> Result<JointRestore, Error> {
        let show = |member: &Member| {
            let Member { source, restore } = member.clone();
            async move {
                let restore = self.member(&source, "showing a restore")?.show_without_pages(&restore).await?;
                Ok::<_, Error>(JointMember { source, restore })
            }
        };
        let members = try_join_all(record.members.iter().map(show)).await?;
        let mut counts = Counts::default();
        members.iter().for_each(|member| counts.add(member.restore.record.counts));
        Ok(JointRestore {
            id: record.id,
            kind: record.kind,
            state: joint_state(members.iter().map(|member| &member.restore.record), &counts),
            request: members.first().map(|member| member.restore.record.request.clone()).unwrap_or_default(),
            undo_of: record.undo_of,
            last_undo: record.last_undo,
            requested_by: record.requested_by,
            reason: record.reason,
            started_at: record.started_at,
            counts,
            request_charge: members.iter().map(|member| member.restore.record.request_charge).sum(),
            members,
            schema: record.schema,
        })
    }
}

/// The state of restores together: what one of them has not done, all have not done.
fn joint_state<'r>(records: impl Iterator<Item = &'r RestoreRecord>, counts: &Counts) -> JobState {
    let states: Vec<JobState> = records.map(|record| record.state).collect();
    let has = |state: JobState| states.contains(&state);
    match () {
        () if has(JobState::Failed) => JobState::Failed,
        () if has(JobState::Cancelled) => JobState::Cancelled,
        () if states.iter().all(|state| *state == JobState::Planned) => JobState::Planned,
        () if states.iter().all(|state| *state == JobState::Queued) => JobState::Queued,
        // A plan among others is one whose execution was interrupted.
        () if has(JobState::Running) || has(JobState::Queued) || has(JobState::Planned) => JobState::Running,
        () => state_of(counts),
    }
}

/// Refuses a request that names documents, a container or a backup, of which each source has its own.
fn check_is_for_several(request: &RestoreRequest) -> Result<(), Error> {
    let names_own = match (&request.selection, &request.target) {
        (Selection::Documents(_), _) => Some("documents"),
        (Selection::Partition(_), _) => Some("a partition key"),
        (_, Target::Version(_)) => Some("a version"),
        (_, Target::Backup(_)) => Some("a backup"),
        _ if request.into.is_some() => Some("another container"),
        (Selection::Filter { .. } | Selection::Window(_) | Selection::All, _) => None,
    };
    let Some(what) = names_own else { return Ok(()) };
    let message = format!(
        "it names {what}, which is of one source; select by changedBetween, by a filter or all, or name one source"
    );
    Err(Error::invalid(PLANNING, message))
}

impl JointRestore {
    /// The restore of each source, with its id.
    pub fn restores(&self) -> impl Iterator<Item = (&SourceName, &str)> {
        self.members.iter().map(|member| (&member.source, member.restore.record.id.as_str()))
    }
}
