//! The page of a document that is large, or has many versions.

use std::collections::BTreeSet;

use local_cosmos::LoggedKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::console::{get, html, start, tags, url};
use crate::support::{Handler, World, batch_of};

const FIRST_TS: i64 = 1_700_000_000;
/// What a page of a large document may have in bytes.
const MAX_PAGE_BYTES: usize = 1_000_000;

/// Captures versions of document `1` in partition `a`, a second apart. They are not live.
async fn capture(handler: &Handler, bodies: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, mut body) in bodies.into_iter().enumerate() {
        let ts = FIRST_TS + at as i64;
        for (name, value) in [
            ("id", json!("1")),
            ("pk", json!("a")),
            ("_ts", json!(ts)),
            ("_etag", json!(format!("\"{at:08}\""))),
            ("_lsn", json!(at + 1)),
        ] {
            body[name] = value;
        }
        let (status, answer) = handler.invoke(&batch_of(&[body]), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        ids.push(format!("{ts}-{at:08}"));
    }
    ids
}

/// The links of a page whose address has a text.
fn links(page: &str, part: &str) -> Vec<String> {
    let all = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    all.map(|link| link.replace("&amp;", "&")).filter(|link| link.contains(part)).collect()
}

/// The link with a text.
fn link_named(page: &str, text: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!(">{text}</a>"))?;
    links(before, "").pop()
}

/// The lines of a page: the texts of its `code` elements, without their markup.
fn lines(page: &str) -> Vec<String> {
    let codes = page.split("<code").skip(1).filter_map(|rest| rest.split_once('>')?.1.split("</code>").next());
    let text = |code: &str| {
        let after_meaning = code
            .split_once("</span>")
            .filter(|_| code.starts_with("<span class=\"hidden\""))
            .map(|(_, text)| text.to_owned());
        let shown = after_meaning.unwrap_or_else(|| code.to_owned());
        shown.split('<').next().unwrap_or_default().trim().replace("&quot;", "\"")
    };
    codes.map(text).collect()
}

async fn view(handler: &Handler, address: &str) -> String {
    html(handler, &format!("/api/views/{address}")).await
}

#[tokio::test]
async fn every_line_of_a_long_comparison_can_be_reached() {
    let world = World::new().await;
    let handler = start(&world);
    // Long runs of equal fields, and after each of them many that differ.
    let body = |changed: i64| {
        let fields = (0..3).flat_map(|run| {
            let same = (0..600).map(move |at| (format!("same-{run}-{at:04}"), json!(at)));
            same.chain((0..450).map(move |at| (format!("other-{run}-{at:04}"), json!(at + changed))))
        });
        Value::Object(fields.collect())
    };
    let ids = capture(&handler, [body(0), body(1)]).await;
    for layout in ["inline", "columns"] {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![format!("document?id=1&pk=a&version={}&layout={layout}", ids[1])];
        let mut read = BTreeSet::new();
        while let Some(address) = open.pop() {
            let page = view(&handler, &address).await;
            assert!(page.len() < MAX_PAGE_BYTES, "{address}: {} bytes", page.len());
            found.extend(lines(&page));
            for link in links(&page, "&fold=").into_iter().chain(links(&page, "&line=")) {
                if read.insert(link.clone()) {
                    open.push(link);
                }
            }
        }
        for run in 0..3 {
            for at in [0, 1, 399, 599] {
                assert!(found.contains(&format!("\"same-{run}-{at:04}\": {at},")), "{layout}: same-{run}-{at:04}");
            }
            for at in [0, 225, 449] {
                for value in [at, at + 1] {
                    let line = format!("\"other-{run}-{at:04}\": {value}");
                    let is_found = found.contains(&line) || found.contains(&format!("{line},"));
                    assert!(is_found, "{layout}: {line}");
                }
            }
        }
        let count = found.iter().filter(|line| line.starts_with("\"same-")).count();
        assert_eq!(count, 3 * 600, "{layout}");
    }
    let past = view(&handler, &format!("document?id=1&pk=a&version={}&fold=999999", ids[1])).await;
    assert!(past.contains("The comparison"), "{past}");
}

#[tokio::test]
async fn a_long_value_is_shown_to_its_end_exactly() {
    let world = World::new().await;
    let handler = start(&world);
    let text = |end: &str| format!("<b>\"ü\\{}{end}", "0123456789".repeat(50_000));
    let ids = capture(&handler, [json!({"text": text("a"), "n": 1}), json!({"text": text("z"), "n": 1})]).await;
    let compared = view(&handler, &format!("document?id=1&pk=a&version={}", ids[1])).await;
    let whole = view(&handler, &format!("document?id=1&pk=a&version={}&view=whole", ids[1])).await;
    let values = links(&compared, "&value=");
    assert_eq!((values.len(), links(&whole, "&value=").len()), (2, 1), "both sides of a comparison");
    for (value, end) in values.iter().zip(["a", "z"]).chain([(&links(&whole, "&value=")[0], "z")]) {
        let (mut next, mut shown) = (Some(value.clone()), String::new());
        while let Some(address) = next {
            let page = view(&handler, &address).await;
            assert!(page.len() < MAX_PAGE_BYTES && page.contains("Value of"), "{address}: {} bytes", page.len());
            let (_, value) = page.split_once("<pre").and_then(|(_, rest)| rest.split_once('>')).expect("a value");
            let (value, _) = value.split_once("</pre>").expect("an end");
            assert!(tags(value).is_empty(), "markup in a value");
            shown.push_str(
                &value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"),
            );
            next = link_named(&page, "Next characters");
        }
        let stored = json!(text(end)).to_string();
        assert!(shown == stored, "{end}: {} characters", shown.chars().count());
    }
    for (query, expected) in [("value=x", "use a whole number"), ("value=1&character=-1", "use a whole number")] {
        let (status, _, page) = get(&handler, &format!("/api/views/document?id=1&pk=a&{query}")).await;
        assert!(status == StatusCode::BAD_REQUEST && page.contains(expected), "{query}: {page}");
    }
    let none = view(&handler, "document?id=1&pk=a&value=0").await;
    assert!(none.contains("There is no long value here"), "{none}");
}

#[tokio::test]
async fn a_link_to_an_old_version_shows_it_in_its_place_of_the_list() {
    let world = World::new().await;
    let handler = start(&world);
    let ids = capture(&handler, (0..75).map(|n| json!({"n": n}))).await;
    let listed = |page: &str| -> Vec<String> {
        page.split("data-version=\"").skip(1).filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
    };
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    let page = view(&handler, "document?id=1&pk=a").await;
    assert_eq!(listed(&page), newest_first[..30]);
    // Every version, page by page, each once.
    let (mut all, mut next) = (listed(&page), link_named(&page, "Older versions"));
    while let Some(address) = next {
        let page = view(&handler, &address).await;
        all.extend(listed(&page));
        next = link_named(&page, "Older versions");
    }
    assert_eq!(all, newest_first);
    // The list begins with the version of the link, and its rows keep the list where it is.
    let old = view(&handler, &format!("document?id=1&pk=a&version={}", ids[20])).await;
    let shown = listed(&old);
    assert_eq!(shown, newest_first[54..], "{shown:?}");
    assert!(old.contains("aria-current=\"true\" data-open data-version") && old.contains(">Newest<"), "{old}");
    let row = links(&old, &format!("version={}", ids[10])).into_iter().next().expect("a row");
    assert_eq!(listed(&view(&handler, &row).await), shown, "{row}");
    // A version of the newest page shows the newest page.
    let recent = view(&handler, &format!("document?id=1&pk=a&version={}", ids[60])).await;
    assert_eq!(listed(&recent), newest_first[..30]);
    for list in ["x", "1:", "x:1", "1700000000:none"] {
        let (status, _, page) = get(&handler, &format!("/api/views/document?id=1&pk=a&list={list}")).await;
        let is_understood = list.starts_with('1');
        assert_eq!(status, if is_understood { StatusCode::OK } else { StatusCode::BAD_REQUEST }, "{list}: {page}");
        assert!(is_understood || page.contains("use a second, a colon and the id of a version"), "{list}: {page}");
    }
}

#[tokio::test]
async fn the_page_of_a_large_document_reads_few_of_its_versions_whole() {
    let world = World::new().await;
    let handler = start(&world);
    let body = |n: usize| json!({"n": n, "list": (0..1500).map(|at| format!("{n}{}", "x".repeat(900 + at % 7))).collect::<Vec<_>>()});
    let ids = capture(&handler, (0..12).map(body)).await;
    view(&handler, "document?id=1&pk=a").await;
    for (address, most) in [
        ("document?id=1&pk=a".to_owned(), 8),
        (format!("document?id=1&pk=a&version={}", ids[2]), 16),
        (format!("document?id=1&pk=a&version={}&with=live", ids[5]), 16),
    ] {
        world.endpoint.take_requests();
        let page = view(&handler, &address).await;
        let requests = world.endpoint.take_requests();
        let of_changes = requests
            .iter()
            .filter(|request| request.container.as_deref() == Some("changes") && request.kind != LoggedKind::Metadata);
        let whole: usize = of_changes
            .filter(|request| !request.query.as_ref().is_some_and(|query| query.starts_with("SELECT VALUE {")))
            .map(|request| request.items)
            .sum();
        assert!(whole <= most, "{address}: {whole} versions were read whole: {requests:#?}");
        assert!(page.len() < MAX_PAGE_BYTES, "{address}: {} bytes", page.len());
        assert_eq!(page.matches("data-version=").count(), 12, "{address}");
        assert!(page.contains(">large</span>"), "{address}: {page}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_make_a_browser_write() {
    let world = World::new().await;
    let handler = start(&world);
    capture(&handler, [json!({"n": 1})]).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let body = r#"{"id": "1", "partitionKey": ["a"], "asOf": 1700000000, "dryRun": true, "store": true}"#;
    for (site, content_type, is_allowed) in [
        (None, None, true),
        (None, Some("application/x-www-form-urlencoded"), true),
        (Some("same-origin"), Some("text/plain"), true),
        (Some("none"), None, true),
        (Some("cross-site"), Some("application/json"), true),
        (Some("cross-site"), None, false),
        (Some("cross-site"), Some("text/plain"), false),
        (Some("cross-site"), Some("text/plain;application/json"), false),
        (Some("same-site"), Some("application/x-www-form-urlencoded"), false),
        (Some("same-site"), Some("multipart/form-data"), false),
    ] {
        let mut request = client.request(Method::POST, format!("{}/api/restores", handler.url())).body(body);
        for (name, value) in [("sec-fetch-site", site), ("content-type", content_type)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        let expected = if is_allowed { StatusCode::ACCEPTED } else { StatusCode::UNSUPPORTED_MEDIA_TYPE };
        assert_eq!(status, expected, "{site:?} {content_type:?}: {text}");
        assert!(is_allowed || text.contains("a page of another site"), "{text}");
    }
    assert_eq!(world.query("jobs", "SELECT VALUE c.id FROM c WHERE c.kind = 'restore'").await.len(), 5);
}

#[tokio::test]
async fn a_page_names_the_one_above_it_and_the_words_are_there_without_a_script() {
    let world = World::new().await;
    let handler = start(&world);
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    for (page, above) in [
        ("overview", None),
        ("find?from=1h&filter=id%3D1", Some("overview")),
        ("document?id=1&pk=a", Some("find")),
        ("restore?id=none", Some("restores")),
        ("backups", Some("overview")),
        ("backups?id=none", Some("backups")),
    ] {
        let request = client.get(format!("{}/api/views/{page}", handler.url())).header("x-console-fragment", "1");
        let html = request.send().await.expect("an answer").text().await.expect("HTML");
        match above {
            Some(above) => assert!(html.contains(&format!("data-above=\"{above}\"")), "{page}: {html}"),
            None => assert!(!html.contains("data-above"), "{page}: {html}"),
        }
    }
    let words = view(&handler, "words").await;
    for word in
        ["version", "unknown", "exact", "lease", "lag", "dead letter", "mode", "undo", "expire", "found missing"]
    {
        assert!(words.contains(&format!("<dt>{word}</dt>")), "{word}: {words}");
    }
    assert!(view(&handler, "overview").await.contains("href=\"/api/views/words\""));
    assert!(html(&handler, "/api/console/words").await.contains("Words"));
    assert!(view(&handler, &format!("document?id={}", url("<b>"))).await.contains("&lt;b&gt;"));
}

#[tokio::test]
async fn of_two_versions_of_one_second_each_is_shown_with_its_own_values() {
    let world = World::new().await;
    let handler = start(&world);
    let body = |n: i64, by: &str| json!({"id": "1", "pk": "a", "n": n, "updatedBy": by, "_ts": FIRST_TS, "_lsn": n, "_etag": format!("\"{n}\"")});
    let batch = batch_of(&[body(1, "ana"), body(2, "bob")]);
    assert_eq!(handler.invoke(&batch, false).await.0, StatusCode::OK);
    for (n, by, other) in [(1, "ana", "bob"), (2, "bob", "ana")] {
        let page = view(&handler, &format!("document?id=1&pk=a&version={FIRST_TS}-{n}&view=blame")).await;
        let (_, table) = page.split_once("<table class=\"blame\"").expect("a table");
        assert!(table.contains(&format!("&quot;{by}&quot;")) && !table.contains(other), "{n}: {table}");
    }
}

#[tokio::test]
async fn a_document_that_does_not_exist_now_is_restored_whole_and_a_first_version_can_be_restored() {
    let world = World::new().await;
    let handler = start(&world);
    let ids = capture(&handler, (0..2).map(|n| json!({"n": n, "city": "Boone"}))).await;
    // There is no live document.
    for (version, restored) in [(&ids[1], &ids[0]), (&ids[0], &ids[0])] {
        let page = view(&handler, &format!("document?id=1&pk=a&version={version}")).await;
        assert!(!page.contains("fields[]") && page.contains("Preview: all of 1 as of"), "{page}");
        assert!(page.contains(&format!("&quot;version&quot;:&quot;{restored}&quot;")), "{page}");
    }
    let live = view(&handler, &format!("document?id=1&pk=a&version={}&with=live", ids[0])).await;
    assert!(live.contains("the document does not exist now") && !live.contains("the live document"), "{live}");
    // With a live document, the chosen version can be restored beside the one before it.
    world.put("a", json!({"id": "1", "pk": "a", "n": 5})).await;
    let page = view(&handler, &format!("document?id=1&pk=a&version={}", ids[1])).await;
    assert!(page.contains("Preview: these fields of 1 as of") && page.contains("which is chosen"), "{page}");
    for id in &ids {
        assert!(page.contains(&format!("&quot;version&quot;:&quot;{id}&quot;")), "{id}: {page}");
    }
}

#[tokio::test]
async fn a_time_at_which_nothing_is_known_shows_no_version_that_could_be_restored() {
    let world = World::new().await;
    let handler = start(&world);
    capture(&handler, [json!({"n": 1})]).await;
    let page = view(&handler, "document?id=1&pk=a&asOf=2001-01-01").await;
    assert!(page.contains("is not known. Its history begins at") && !page.contains("data-post"), "{page}");
    let (status, _, page) = get(&handler, "/api/views/document?id=1&pk=a&asOf=2199-01-01").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("the time is in the future"), "{page}");
}

#[tokio::test]
async fn every_document_with_an_id_is_offered_however_many_versions_one_of_them_has() {
    let world = World::new().await;
    let handler = start(&world);
    capture(&handler, (0..150).map(|n| json!({"n": n}))).await;
    world.put("b", json!({"id": "1", "pk": "b"})).await;
    let page = view(&handler, "document?id=1").await;
    for part in ["document?id=1&amp;pk=a", "document?id=1&amp;pk=b", "does not exist now", ">live</span>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn a_window_of_several_days_has_the_day_of_each_version_and_a_restore_is_not_attributed_to_the_writer_before_it()
{
    let world = World::new().await;
    let handler = start(&world);
    capture(&handler, [json!({"n": 1, "updatedBy": "ana"})]).await;
    let found = view(&handler, "find?from=2023-11-13&to=2023-11-16").await;
    assert!(found.contains("14 Nov 2023 22:13:20") && found.contains(">ana<"), "{found}");
    let one_day = view(&handler, "find?from=2023-11-14T22:00:00Z&to=2023-11-14T22:30:00Z").await;
    assert!(!one_day.contains("14 Nov 2023 22:13:20") && one_day.contains(">22:13:20<"), "{one_day}");
    let several = view(&handler, "find?from=2023-11-14&filter=n%3D1+or+n%3D2&filter=id%3D1").await;
    assert!(several.contains("value=\"(n=1 or n=2) and (id=1)\""), "{several}");
    // A restore writes the document again, with the name of who wrote it before.
    let request = json!({"id": "1", "partitionKey": ["a"], "asOf": FIRST_TS, "requestedBy": "carl"});
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!((status, &report["counts"]["create"]), (StatusCode::OK, &json!(1)), "{report}");
    let mut live = world.live("a", "1").await.expect("live");
    live["_lsn"] = json!(9);
    assert_eq!(handler.invoke(&batch_of(&[live]), false).await.0, StatusCode::OK);
    let now = view(&handler, "find?from=10m").await;
    assert!(now.contains(">carl<") && !now.contains("muted\">ana<"), "{now}");
    let list = view(&handler, "document?id=1&pk=a").await;
    assert_eq!(list.matches("by ana").count(), 2, "the list and the note of the version before: {list}");
}

#[tokio::test]
async fn a_conflict_shows_the_later_version_and_what_an_overwrite_would_do() {
    let world = World::new().await;
    let handler = start(&world);
    let ids = capture(&handler, ["Boone", "BOONE", "Cary"].map(|city| json!({"city": city}))).await;
    world.put("a", json!({"id": "1", "pk": "a", "city": "Cary"})).await;
    let (from, to) = (FIRST_TS + 1, FIRST_TS + 1);
    let request = json!({"changedBetween": {"from": from, "to": to}, "laterChanges": "conflict", "dryRun": true, "store": true, "force": true});
    let (status, job) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let jobs = world.query("jobs", "SELECT * FROM c WHERE c.state = 'queued'").await;
    assert_eq!(handler.invoke_function("RunJobs", &batch_of(&jobs), false).await.0, StatusCode::OK);
    let plan = view(&handler, &format!("restore?id={}", job["id"].as_str().expect("id"))).await;
    for part in
        ["If it was overwritten", "&quot;Cary&quot;", "&quot;Boone&quot;", &format!("version={}", ids[2]), "Planned at"]
    {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(plan.contains("Nothing to write"), "{plan}");
}

#[tokio::test]
async fn a_result_shows_no_values_for_a_document_that_was_not_written() {
    let world = World::new().await;
    let handler = start(&world);
    let ids = capture(&handler, ["Boone", "BOONE"].map(|city| json!({"city": city}))).await;
    world.put("a", json!({"id": "1", "pk": "a", "city": "BOONE"})).await;
    let run_jobs = async || {
        let jobs = world.query("jobs", "SELECT * FROM c WHERE c.state = 'queued'").await;
        assert_eq!(handler.invoke_function("RunJobs", &batch_of(&jobs), false).await.0, StatusCode::OK);
    };
    let request = json!({"id": "1", "partitionKey": ["a"], "version": ids[0], "dryRun": true, "store": true});
    let (_, job) = handler.post("/api/restores", &request).await;
    run_jobs().await;
    let id = job["id"].as_str().expect("id");
    let plan = view(&handler, &format!("restore?id={id}")).await;
    assert!(plan.contains("class=\"now\"") && plan.contains("&quot;Boone&quot;"), "{plan}");
    // Someone changes the document before the plan is executed.
    world.put("a", json!({"id": "1", "pk": "a", "city": "Cary"})).await;
    assert_eq!(handler.post(&format!("/api/restores/{id}/execute"), &json!({})).await.0, StatusCode::ACCEPTED);
    run_jobs().await;
    let result = view(&handler, &format!("restore?id={id}")).await;
    assert!(result.contains("some documents had changed") && result.contains("is not written"), "{result}");
    assert!(!result.contains("class=\"now\"") && !result.contains("class=\"was\""), "{result}");
    assert_eq!(world.live("a", "1").await.expect("live")["city"], "Cary");
}
