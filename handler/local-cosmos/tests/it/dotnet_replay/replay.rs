//! Sends the lines of a recording in order, and lists those whose answers are wrong.

use std::fmt::Write as _;

use serde_json::Value;

use super::checks::{self, Seen};
use super::client_state::{ClientState, ranges_of};
use super::recording::{Line, corrected_lines};
use super::request::{KEY, RANGE, Request, Rids, Target, fill};
use super::stage::{DATABASE, EVENTS, Event, Stage};
use crate::wire::Answer;

/// The most pages of a query, and the most repetitions of a change feed request.
const MAX_PAGES: usize = 200;

/// A replay of a file.
pub struct Replay {
    file: String,
    lines: Vec<Line>,
    stage: Stage,
    state: ClientState,
    /// What was wrong, a line each.
    wrong: Vec<String>,
    wrong_lines: usize,
}

/// The container of a recorded path or of the words for a placeholder, as a path.
fn path_of(container: &str) -> String {
    format!("/dbs/{DATABASE}/colls/{container}")
}

impl Replay {
    /// Replays a file.
    ///
    /// # Panics
    /// With a list of the wrong answers, if there are any.
    pub async fn run(file: &str) {
        let lines = corrected_lines(file);
        let stage = Stage::start(file).await;
        let (state, wrong) = (ClientState::default(), Vec::new());
        let mut replay = Self { file: file.to_owned(), lines, stage, state, wrong, wrong_lines: 0 };
        if file == "queries.jsonl" {
            replay.state.document_rid = replay.document_rid("q", "d000", "[\"p0\"]").await;
        }
        for index in 0..replay.lines.len() {
            let before = replay.wrong.len();
            replay.line(index).await;
            replay.wrong_lines += usize::from(replay.wrong.len() > before);
        }
        let Self { lines, wrong, wrong_lines, .. } = replay;
        let mut list = String::new();
        for wrong in &wrong {
            let _ = writeln!(list, "{wrong}");
        }
        assert!(wrong.is_empty(), "{wrong_lines} of {} lines of {file} have wrong answers:\n{list}", lines.len());
    }

    async fn document_rid(&self, container: &str, id: &str, key: &str) -> String {
        let headers = vec![(KEY.to_owned(), key.to_owned())];
        let path = format!("{}/docs/{id}", path_of(container));
        self.stage.wire.send("GET", &path, &headers, b"").await.json()["_rid"].as_str().unwrap_or_default().to_owned()
    }

    fn report(&mut self, index: usize, request: &str, wanted: &str, came: &str) {
        let Line { step, kind, .. } = &self.lines[index];
        self.wrong.push(format!(
            "{}:{} {kind} \"{step}\" | {request} | wanted: {wanted} | came: {came}",
            self.file,
            index + 1
        ));
    }

    async fn line(&mut self, index: usize) {
        for (_, _, event) in EVENTS.iter().filter(|(file, line, _)| *file == self.file && *line == index + 1) {
            if let Event::NewClient(container) = event {
                self.state.forget_ranges(&path_of(container));
            }
            self.stage.happen(*event).await;
        }
        let line = self.lines[index].clone();
        let container = container_of(&line);
        let rids = self.rids(&line, &container).await;
        let targets = self.targets(&line, &container, &rids).await;
        if line.status == 412
            && line.header("if-match") == Some("{etag}")
            && let Ok(request) = fill(&line, &Target::default(), &container, &rids, &self.state)
        {
            // Another client changes the item first.
            let key = request.header(KEY).unwrap_or_default().to_owned();
            self.stage.touch(&request.path, &key).await;
        }
        let mut unsent = Vec::new();
        let mut came = Vec::new();
        for target in &targets {
            match fill(&line, target, &container, &rids, &self.state) {
                Ok(request) => {
                    let answer = self.exchange(index, request.clone(), &container).await;
                    came.push((request, answer));
                }
                Err(unknown) => unsent.push(unknown),
            }
        }
        let plan = came.first().filter(|(_, answer)| line.kind == "plan" && answer.status == 200).cloned();
        self.judge(index, &container, came, unsent).await;
        if let Some((request, answer)) = plan {
            self.execute(index, &container, &request, &answer).await;
        }
    }

    /// Sends the text of a plan to each range, as the SDK does next. Most recordings of LINQ queries end with the plan.
    async fn execute(&mut self, index: usize, container: &str, request: &Request, plan: &Answer) {
        let mut body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let rewritten = plan.json()["queryInfo"]["rewrittenQuery"].as_str().unwrap_or_default().to_owned();
        if !rewritten.is_empty() {
            body["query"] = rewritten.replace("{documentdb-formattableorderbyquery-filter}", "true").into();
        }
        let ranges = self.stage.wire.send("GET", &format!("{container}/pkranges"), &Vec::new(), b"").await;
        for range in ranges_of(&ranges.json()) {
            let mut page = Request { body: body.to_string(), ..request.clone() };
            page.headers.retain(|(name, _)| !name.starts_with("x-ms-cosmos-is-query-plan") && !name.ends_with("-epk"));
            page.set_header(RANGE, &range.id);
            page.set_header("x-ms-documentdb-isquery", "True");
            page.set_header("x-ms-documentdb-query-enablecrosspartition", "True");
            let answer = self.stage.wire.send(&page.method, &page.path, &page.headers, page.body.as_bytes()).await;
            if answer.status != 200 || !answer.json()["Documents"].is_array() {
                let query = format!("{} of the plan", body["query"]);
                self.report(index, &query, "200/0 with Documents", &answer.summary());
            }
        }
    }

    /// The resource ids that a line needs, as far as the client does not know them already.
    async fn rids(&mut self, line: &Line, container: &str) -> Rids {
        let database = line.rids.get("dbRid").map_or(DATABASE, |words| second_word(words));
        let needs = |name: &str| {
            line.path.contains(name)
                || line.body.contains(name)
                || line.headers.values().any(|text| text.contains(name))
        };
        let database = if needs("{dbRid}") { self.read_rid(&format!("/dbs/{database}")).await } else { String::new() };
        let of_container = line.rids.iter().find(|(name, _)| name.starts_with("collRid"));
        let of_container = of_container.map_or(container.to_owned(), |(_, words)| path_of(second_word(words)));
        let rid = if needs("{collRid") { self.container_rid(&of_container).await } else { String::new() };
        let lease_container = if needs("{leaseCollRid}") {
            let words = line.rids.get("leaseCollRid").map_or("leases", |words| second_word(words));
            self.container_rid(&path_of(words)).await
        } else {
            String::new()
        };
        Rids { database, container: (of_container, rid), lease_container }
    }

    async fn container_rid(&mut self, container: &str) -> String {
        if let Some(rid) = self.state.rid(container) {
            return rid.to_owned();
        }
        let rid = self.read_rid(container).await;
        self.state.set_rid(container, &rid);
        rid
    }

    async fn read_rid(&self, path: &str) -> String {
        let answer = self.stage.wire.send("GET", path, &Vec::new(), b"").await;
        answer.json()["_rid"].as_str().unwrap_or_default().to_owned()
    }

    /// The requests that a line stands for.
    async fn targets(&mut self, line: &Line, container: &str, rids: &Rids) -> Vec<Target> {
        let is_lease = line.body.contains("\"LeaseToken\"") || line.path.contains("..");
        if is_lease {
            self.know_ranges(&rids.container.0).await;
        }
        if line.kind == "write" && line.method == "POST" && is_lease {
            let leases = if line.body.contains("\"LeaseToken\":\"4\"") { 4..6 } else { 0..4 };
            return leases.map(|lease| Target { lease: Some(lease), ..Target::default() }).collect();
        }
        if line.header(RANGE).is_none() {
            return vec![Target::default()];
        }
        self.know_ranges(container).await;
        let mut ranges = self.state.ranges(container).unwrap_or_default().to_vec();
        let epks = line.header("x-ms-start-epk").zip(line.header("x-ms-end-epk"));
        if epks.is_some() && line.is_feed() {
            let parts = ranges.into_iter().flat_map(|range| range.halves().map(|part| (range.clone(), part)));
            return parts.map(|(range, part)| Target { range: Some(range), part: Some(part), lease: None }).collect();
        }
        if let Some((start, end)) = epks {
            ranges.retain(|range| range.overlaps(start, end));
        }
        ranges.into_iter().map(|range| Target { range: Some(range), ..Target::default() }).collect()
    }

    /// Reads the ranges of a container that the client does not know yet, by name.
    async fn know_ranges(&mut self, container: &str) {
        if self.state.ranges(container).is_none() {
            let answer = self.stage.wire.send("GET", &format!("{container}/pkranges"), &Vec::new(), b"").await;
            self.state.set_ranges(container, ranges_of(&answer.json()));
        }
    }

    /// Sends a request, and remembers what the client learns. A change feed that should have ended is read to its end; a query is
    /// read to its last page.
    async fn exchange(&mut self, index: usize, mut request: Request, container: &str) -> Answer {
        let line = self.lines[index].clone();
        let mut answer = self.send(&request, &line, container).await;
        let is_read_on_later = self.lines[index + 1..]
            .iter()
            .take_while(|later| later.step == line.step)
            .any(|later| later.is_same_request(&line) && later.status == 200);
        if line.kind == "feed304" && line.header("if-none-match") == Some("{etag}") && !is_read_on_later {
            for _ in 0..MAX_PAGES {
                let Some(etag) = answer.header("etag").filter(|_| answer.status == 200).map(str::to_owned) else {
                    break;
                };
                request.set_header("if-none-match", &etag);
                answer = self.send(&request, &line, container).await;
            }
        }
        let answer = answer;
        if ["page", "readfeed"].contains(&line.kind.as_str()) {
            let mut last = answer.clone();
            for _ in 0..MAX_PAGES {
                let Some(continuation) = last.header("x-ms-continuation") else { return answer };
                request.set_header("x-ms-continuation", continuation);
                last = self
                    .stage
                    .wire
                    .send(&request.method, &request.path, &request.headers, request.body.as_bytes())
                    .await;
            }
            let wanted = format!("a last page within {MAX_PAGES} pages");
            self.report(index, &request.path, &wanted, "another continuation");
        }
        answer
    }

    async fn send(&mut self, request: &Request, line: &Line, container: &str) -> Answer {
        let Request { method, path, headers, body, .. } = request;
        let answer = self.stage.wire.send(method, path, headers, body.as_bytes()).await;
        let json = answer.json();
        if answer.status < 400 {
            if let Some(token) = answer.header("x-ms-session-token") {
                self.state.set_session(container, token);
            }
            if let Some(etag) = answer.header("etag").or(json["_etag"].as_str()) {
                self.state.etags.insert(request.etag_key.clone(), etag.to_owned());
            }
            let continuation = answer.header("x-ms-continuation").map(str::to_owned);
            match continuation {
                Some(continuation) => self.state.continuations.insert(request.continuation_key.clone(), continuation),
                None => self.state.continuations.remove(&request.continuation_key),
            };
        }
        match line.kind.as_str() {
            "coll" if answer.status == 200 => {
                self.state.set_rid(container, json["_rid"].as_str().unwrap_or_default());
            }
            kind if kind.starts_with("pkranges") && answer.status == 200 => {
                self.state.set_ranges(container, ranges_of(&json));
            }
            "offers" => {
                if let Some(offer) = json["Offers"].get(0) {
                    self.state.offer_rid = offer["_rid"].as_str().unwrap_or_default().to_owned();
                    let etag = offer["_etag"].as_str().unwrap_or_default().to_owned();
                    self.state.etags.insert((format!("/offers/{}", self.state.offer_rid), None), etag);
                }
            }
            "write" if answer.status == 412 => {
                // The SDK reads the item again.
                let key: Vec<_> = headers.iter().filter(|(name, _)| name == KEY).cloned().collect();
                let read = self.stage.wire.send("GET", path, &key, b"").await;
                if let Some(etag) = read.header("etag") {
                    self.state.etags.insert(request.etag_key.clone(), etag.to_owned());
                }
            }
            _ => {}
        }
        answer
    }

    /// Compares answers with what the line wants.
    async fn judge(&mut self, index: usize, container: &str, came: Vec<(Request, Answer)>, unsent: Vec<String>) {
        let line = self.lines[index].clone();
        let name = format!("{} {}", line.method, line.path);
        if came.is_empty() {
            let reason = unsent.first().map_or("no range to send it to", String::as_str);
            return self.report(index, &name, "a request that can be sent", reason);
        }
        let is_wanted = |answer: &Answer| {
            let has_substatus = line.sub_status == 0 || answer.substatus() == line.sub_status;
            (answer.status == line.status && has_substatus) || line.or_status.contains(&answer.status)
        };
        let same: Vec<(u16, u32)> = self
            .lines
            .iter()
            .filter(|other| other.step == line.step && other.is_same_request(&line))
            .map(|other| (other.status, other.sub_status))
            .collect();
        let is_allowed = |answer: &Answer| {
            let of_another_range = line.header(RANGE).is_some() && same.contains(&(answer.status, answer.substatus()));
            let of_a_feed = line.is_feed() && line.header(RANGE).is_some() && [200, 304].contains(&answer.status);
            of_another_range || of_a_feed
        };
        let wanted = format!("{}/{}", line.status, line.sub_status);
        if !came.iter().any(|(_, answer)| is_wanted(answer)) {
            let summary = came[0].1.summary();
            return self.report(index, &format!("{} {}", line.method, came[0].0.path), &wanted, &summary);
        }
        let is_write = line.kind == "write";
        let rid = if is_write { Some(self.read_rid(container).await) } else { None };
        for (request, answer) in &came {
            let range = request.header(RANGE).map(|range| format!(" range {range}")).unwrap_or_default();
            let name = format!("{} {}{range}", request.method, request.path);
            if !is_wanted(answer) {
                if !is_allowed(answer) {
                    self.report(index, &name, &wanted, &answer.summary());
                }
                continue;
            }
            let seen = Seen { answer, path: &request.path, container_rid: rid.as_deref() };
            let needs = line.must_have.iter().map(|need| checks::check(need, &seen));
            for missing in needs.chain([checks::check_any(&seen)]).filter_map(Result::err).collect::<Vec<_>>() {
                self.report(index, &name, &missing, &answer.summary());
            }
            if line.kind == "list" && answer.status == 200 {
                let has_list =
                    answer.json().as_object().is_some_and(|body| body.values().any(|value| value.is_array()));
                if !has_list {
                    self.report(index, &name, "a list", &answer.summary());
                }
            }
        }
    }
}

/// The path by name of the container that a line is sent to; the path of the line if it is sent to none.
fn container_of(line: &Line) -> String {
    let of_ranges = line.rids.iter().find(|(name, _)| line.path.contains(&format!("/colls/{{{name}}}/pkranges")));
    match (of_ranges, line.rids.get("collRid")) {
        (Some((_, words)), _) => path_of(second_word(words)),
        (None, Some(words)) if !line.path.starts_with("/dbs/") => path_of(second_word(words)),
        _ => line.path.split('/').take(5).collect::<Vec<_>>().join("/"),
    }
}

/// The name in words such as `container c2`.
fn second_word(words: &str) -> &str {
    words.split(' ').nth(1).unwrap_or_default()
}
