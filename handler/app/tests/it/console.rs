//! The pages of the console, as the handler answers them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of};

/// A page: its status, its headers and its HTML.
pub async fn get(handler: &Handler, path: &str) -> (StatusCode, reqwest::header::HeaderMap, String) {
    let answer = handler.respond(Method::GET, path, "").await;
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.text().await.expect("a body"))
}

pub async fn html(handler: &Handler, path: &str) -> String {
    let (status, _, html) = get(handler, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {html}");
    html
}

/// The handler of a world, which reads the actor of a version.
pub fn start(world: &World) -> Handler {
    Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_ACTOR_FIELDS", "updatedBy")])
}

/// What a browser would take for markup: the tags of a page. Each has whole attributes.
pub fn tags(html: &str) -> Vec<&str> {
    let tags: Vec<&str> = html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
    for tag in &tags {
        assert!(tag.matches('"').count() % 2 == 0, "markup within an attribute: <{tag}>");
    }
    tags
}

/// The value of an attribute in the first tag that has it, without escapes.
fn attribute(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {html}"));
    rest.split('"').next().expect("a value").replace("&amp;", "&")
}

/// A text as a value in a query string.
pub fn url(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Captures documents that are live too.
pub async fn store(world: &World, handler: &Handler, documents: &[Value]) {
    for document in documents {
        let key = document["pk"].as_str().expect("pk").to_owned();
        let stored = world.put(key, document.clone()).await;
        let (status, answer) = handler.invoke(&batch_of(&[stored]), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
}

#[tokio::test]
async fn the_shell_has_no_data_and_loads_nothing_from_elsewhere() {
    let world = World::new().await;
    let handler = start(&world);
    let before = html(&handler, "/api/console/find").await;
    store(&world, &handler, &[json!({"id": "very secret", "pk": "very secret"})]).await;
    let (_, headers, after) = get(&handler, "/api/console/find?from=1h&filter=id%3Dx").await;
    assert_eq!(before, after);
    assert!(!after.contains("secret") && !after.contains("events") && !after.contains("dev / "), "{after}");
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().expect("text"));
    let policy = header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "trusted-types"]
    {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!((header("cache-control"), header("x-content-type-options")), ("no-store", "nosniff"));
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    for tag in tags(&after) {
        let has_code = tag.contains(" style=") || tag.contains(" on") && tag.contains("=\"") && tag.contains(" onc");
        assert!(!has_code && !tag.contains("//"), "{tag}");
    }
    assert_eq!(html(&handler, "/api/console").await, html(&handler, "/api/console/overview").await, "the first page");
    let (status, _, unknown) = get(&handler, "/api/console/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(unknown.contains("There is no such page") && unknown.contains("Find"), "{unknown}");
    let (status, headers, unknown) = get(&handler, "/api/views/%3Cb%3E").await;
    assert_eq!(
        (status, headers["content-type"].to_str().ok()),
        (StatusCode::NOT_FOUND, Some("text/html; charset=utf-8"))
    );
    assert!(unknown.contains("There is no such page") && !unknown.contains("<b>"), "{unknown}");
}

#[tokio::test]
async fn the_assets_are_small_and_may_be_stored_because_their_names_follow_from_their_content() {
    let world = World::new().await;
    let handler = start(&world);
    let shell = html(&handler, "/api/console").await;
    let mut bytes = shell.len();
    let assets: Vec<&str> = shell.split('"').filter(|text| text.starts_with("/api/console/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let (status, headers, text) = get(&handler, asset).await;
        assert_eq!(status, StatusCode::OK, "{asset}");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable", "{asset}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{asset}");
        let digest = asset.rsplit('-').next().expect("a name").split('.').next().expect("a digest");
        assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{asset}");
        assert!(!text.contains("https://"), "{asset} names another host");
        bytes += text.len();
        let other = asset.replace(digest, "0000000000000000");
        assert_eq!(get(&handler, &other).await.0, StatusCode::NOT_FOUND, "{other}");
    }
    assert!(bytes < 150_000, "{bytes} bytes before compression");
}

#[tokio::test]
async fn what_documents_hold_never_becomes_markup() {
    let world = World::new().await;
    let handler = start(&world);
    let attack = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>";
    let id = "<b onclick=alert(3)>&amp;";
    let name = "\"><svg onload=alert(4)>";
    let document = |n: i64, text: &str| json!({"id": id, "pk": attack, name: text, "n": n, "updatedBy": format!("{attack}{text}"), "large": 9_007_199_254_740_993_i64 + n});
    store(&world, &handler, &[document(0, "before"), document(1, attack)]).await;
    let filter = "from=1h&filter=n%20exists&actor=";
    let encoded = |text: &str| url(text);
    let document_page = format!("/api/views/document?id={}&pk={}", encoded(id), encoded(attack));
    for path in [
        format!("/api/views/find?{filter}"),
        "/api/views/find?filter=%3Cscript%3E".to_owned(),
        document_page.clone(),
        format!("/api/views/document?id={}", encoded(id)),
        format!("{document_page}&layout=columns"),
        format!("{document_page}&view=whole"),
        format!("{document_page}&view=blame"),
        "/api/views/document?id=%3Cb%3E&pk=%3Cb%3E&version=%3Cb%3E".to_owned(),
        "/api/views/restore?id=%3Cb%3E".to_owned(),
    ] {
        let (_, _, html) = get(&handler, &path).await;
        assert!(html.contains("&lt;"), "{path} shows what it was given: {html}");
        for tag in tags(&html) {
            let name: String = tag.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
            assert!(!["img", "script", "b", "iframe", "style"].contains(&name.as_str()), "{path}: <{tag}>");
            // Outside of the values of attributes.
            let bare: String = tag.split('"').step_by(2).collect();
            assert!(!bare.contains(" on") && !bare.contains(" style"), "{path}: <{tag}>");
        }
    }
    let html = html(&handler, "/api/views/find").await;
    assert!(html.contains("9007199254740993") && html.contains("9007199254740994"), "{html}");
}

#[tokio::test]
async fn find_shows_the_versions_of_a_window_and_links_to_the_same_with_absolute_times() {
    let world = World::new().await;
    let handler = start(&world);
    for n in 0..70 {
        let body = |city: &str| json!({"id": format!("{n:02}"), "pk": "a", "city": city, "updatedBy": "release-42"});
        store(&world, &handler, &[body("Davidson"), body("DAVIDSON")]).await;
    }
    let answer = handler.respond(Method::HEAD, "/api/views/find", "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let first = html(&handler, "/api/views/find?filter=&actor=&from=&to=").await;
    assert!(first.contains("140 versions") && first.contains("the first 50 of 140"), "{first}");
    assert!(first.contains("&quot;Davidson&quot;") && first.contains("&quot;DAVIDSON&quot;"), "{first}");
    assert!(first.contains("dev / events"), "a whole page names its containers");
    assert!(!first.contains("<script"), "a whole page has no script");
    // All pages have each version once.
    let (mut versions, mut page) = (Vec::new(), first);
    loop {
        let links = page.split("href=\"").filter_map(|rest| rest.split('"').next());
        let rows = links.clone().filter(|link| link.starts_with("document?") && link.contains("version="));
        versions.extend(rows.map(str::to_owned));
        let next = links.filter(|link| link.contains("continuation=")).map(|link| link.replace("&amp;", "&")).next();
        let Some(next) = next else { break };
        assert!(next.contains("from=20") && next.contains("Z&"), "{next}");
        page = html(&handler, &format!("/api/views/{next}")).await;
    }
    let count = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!((count, versions.len()), (140, 140));
    let narrowed = html(&handler, "/api/views/find?from=1h&filter=id%3D07&actor=release-42").await;
    assert!(narrowed.contains("2 versions") && narrowed.contains("value=\"id=07\""), "{narrowed}");
    let none = html(&handler, "/api/views/find?from=1h&operation=delete").await;
    assert!(none.contains("No document changed in this window"), "{none}");
    // The script gets the content alone, and the address that a copied link should have.
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let fragment = client.get(format!("{}/api/views/find?from=2h&actor=release-42", handler.url()));
    let fragment = fragment.header("x-console-fragment", "1").header("x-time-zone", "Asia/Kolkata");
    let fragment = fragment.send().await.expect("an answer").text().await.expect("HTML");
    assert!(fragment.starts_with("<div class=\"view\""), "{fragment}");
    let address = attribute(&fragment, "data-address");
    assert!(address.starts_with("find?from=20") && address.ends_with("Z&actor=release-42"), "{address}");
    assert!(fragment.contains("Asia/Kolkata (UTC+05:30)"), "{fragment}");
}

#[tokio::test]
async fn a_wrong_parameter_is_an_error_on_the_page_that_names_what_is_allowed() {
    let world = World::new().await;
    let handler = start(&world);
    for (query, expected) in [
        ("colour=red", "unknown parameter &quot;colour&quot;; allowed are from, to, "),
        ("from=noon", "from: invalid time &quot;noon&quot;"),
        ("from=10m&to=20m", "exchange them"),
        ("filter=a%20b%20c", "filter: "),
        (
            "operation=write&operation=move",
            "&quot;move&quot; is not allowed; use write, create, replace, delete, expire",
        ),
        ("order=up", "use newest or oldest"),
        ("from=1h&from=2h", "from: given 2 times"),
        ("continuation=x", "continuation"),
    ] {
        let (status, headers, page) = get(&handler, &format!("/api/views/find?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {page}");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert!(page.contains(expected) && page.contains("role=\"alert\""), "{query}: {page}");
    }
    let (_, _, page) = get(&handler, "/api/views/find?from=noon&filter=city%3DBoone").await;
    assert!(
        page.contains("value=\"noon\"") && page.contains("value=\"city=Boone\""),
        "the form keeps what was written"
    );
}

#[tokio::test]
async fn a_document_shows_its_versions_the_difference_of_two_and_what_it_was() {
    let world = World::new().await;
    let handler = start(&world);
    let body = |n: i64, city: &str| {
        let list: Vec<i64> = (0..3000).collect();
        json!({"id": "1", "pk": "a", "city": city, "large": 9_007_199_254_740_993_i64, "n": n, "list": list, "updatedBy": "ana"})
    };
    for (n, city) in [(0, "Davidson"), (1, "DAVIDSON")] {
        store(&world, &handler, &[body(n, city)]).await;
    }
    store(&world, &handler, &[json!({"id": "2", "pk": "a", "n": 1}), json!({"id": "2", "pk": "b", "n": 1})]).await;
    let (_, listed) = handler.get("/api/history/versions?id=1&pk=a").await;
    let version = |at: usize| listed["items"][at]["id"].as_str().expect("id").to_owned();
    let page = html(&handler, "/api/views/document?id=1&pk=a").await;
    assert_eq!(page.matches("data-version=").count(), 2);
    for part in ["&quot;Davidson&quot;", "&quot;DAVIDSON&quot;", "unchanged lines", "value=\"/city\"", "by ana"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Only the key is missing, and one document has the id.
    assert_eq!(html(&handler, "/api/views/document?id=1").await, page);
    let choice = html(&handler, "/api/views/document?id=2").await;
    assert!(choice.contains("Several documents have this id") && choice.contains("document?id=2&amp;pk=b"), "{choice}");
    assert!(html(&handler, "/api/views/document?id=3").await.contains("No document has this id"));
    let none = html(&handler, "/api/views/document?id=3&pk=a").await;
    assert!(none.contains("does not exist now") && none.contains("No version is captured"), "{none}");
    let whole = html(&handler, &format!("/api/views/document?id=1&pk=a&view=whole&version={}", version(1))).await;
    assert!(whole.contains("&quot;large&quot;: 9007199254740993,") && whole.contains("1 to 2,000 of"), "{whole}");
    assert!(whole.len() < 400_000, "{} bytes", whole.len());
    let next = html(&handler, "/api/views/document?id=1&pk=a&view=whole&line=2000").await;
    assert!(next.contains("  2999") && next.contains("2,001 to"), "{next}");
    let live = format!("/api/views/document?id=1&pk=a&version={}&with=live&layout=columns", version(1));
    assert!(html(&handler, &live).await.contains("this version and the live document"));
    let both = format!("/api/views/document?id=1&pk=a&version={}&with={}", version(0), version(1));
    assert!(html(&handler, &both).await.contains("two versions"));
    let blame = html(&handler, "/api/views/document?id=1&pk=a&view=blame").await;
    assert!(blame.contains("Who set what") && blame.contains("&quot;DAVIDSON&quot;"), "{blame}");
    let as_of = html(&handler, "/api/views/document?id=1&pk=a&asOf=2001-01-01").await;
    assert!(as_of.contains("is not known. Its history begins at"), "{as_of}");
    for (query, status, expected) in [
        ("", 400, "id is missing"),
        ("id=1&pk=a&view=x", 400, "use compare, whole or blame"),
        ("id=1&pk=a&layout=x", 400, "use inline or columns"),
        ("id=1&pk=a&line=-1", 400, "use a whole number"),
        ("id=1&pk=a&asOf=noon", 400, "asOf: invalid time"),
        ("id=1&partitionKey=x", 400, "partitionKey is"),
        ("id=1&pk=a&colour=red", 400, "unknown parameter"),
        ("id=1&pk=a&version=1700000000-none", 404, "no such version"),
    ] {
        let (found, _, page) = get(&handler, &format!("/api/views/document?{query}")).await;
        assert_eq!(found.as_u16(), status, "{query}: {page}");
        assert!(page.contains(expected), "{query}: {page}");
    }
}

/// Lets the handler run the jobs that are queued.
async fn run_jobs(world: &World, handler: &Handler) {
    let jobs = world.query("jobs", "SELECT * FROM c WHERE c.state = 'queued'").await;
    assert_eq!(handler.invoke_function("RunJobs", &batch_of(&jobs), false).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_restore_is_shown_as_a_plan_with_its_documents_and_then_with_its_result() {
    let world = World::new().await;
    let handler = start(&world);
    let body = |city: &str| json!({"id": "1", "pk": "a", "city": city, "n": 1});
    store(&world, &handler, &[body("Davidson"), body("DAVIDSON")]).await;
    let (_, listed) = handler.get("/api/history/versions?id=1&pk=a").await;
    let request =
        json!({"id": "1", "partitionKey": ["a"], "version": listed["items"][1]["id"], "dryRun": true, "store": true});
    let (status, job) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let path = format!("/api/views/restore?id={}", job["id"].as_str().expect("id"));
    let waiting = html(&handler, &path).await;
    assert!(waiting.contains("The plan waits for a worker") && waiting.contains("data-refresh=\"1\""), "{waiting}");
    run_jobs(&world, &handler).await;
    let plan = html(&handler, &path).await;
    for part in [
        "This is a plan",
        "Replace 1 document in dev/events",
        "&quot;Davidson&quot;",
        "&quot;DAVIDSON&quot;",
        "/execute\"",
        "Its execution takes about",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains("data-refresh"), "a plan that is complete stays as it is");
    let execute = format!("/api/restores/{}/execute", job["id"].as_str().expect("id"));
    let (status, started) = handler.post(&execute, &json!({"reason": "<wrong> names", "requestedBy": "ana"})).await;
    assert_eq!((status, &started["reason"]), (StatusCode::ACCEPTED, &json!("<wrong> names")), "{started}");
    let (status, refused) = handler.post(&execute, &json!({"colour": "red"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
    run_jobs(&world, &handler).await;
    let done = html(&handler, &path).await;
    for part in ["Done. ", "by ana", "Reason: &lt;wrong&gt; names", "Preview the undo"] {
        assert!(done.contains(part), "{part}: {done}");
    }
    assert!(!done.contains("Its execution takes"), "{done}");
    assert_eq!(world.live("a", "1").await.expect("live")["city"], "Davidson");
    for (query, status, expected) in [
        ("", 400, "id is missing"),
        ("id=none", 404, "no such restore"),
        ("id=none&action=move", 400, "use conflict, failed, unknown, "),
        ("id=none&skip=1", 400, "unknown parameter"),
        ("id=none&colour=red", 400, "unknown parameter"),
    ] {
        let (found, _, page) = get(&handler, &format!("/api/views/restore?{query}")).await;
        assert_eq!(found.as_u16(), status, "{query}: {page}");
        assert!(page.contains(expected), "{query}: {page}");
    }
}

#[tokio::test]
async fn the_overview_names_what_needs_action_and_lists_have_what_was_done() {
    let world = World::new().await;
    let handler = start(&world);
    store(&world, &handler, &[json!({"id": "1", "pk": "a", "n": 1})]).await;
    let page = html(&handler, "/api/views/overview").await;
    assert!(page.contains("1 version") && page.contains("dead-letters"), "{page}");
    assert!(page.contains("action.") && page.contains("The leases cannot be read"), "{page}");
    let (status, _, page) = get(&handler, "/api/views/overview?colour=red").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("unknown parameter"), "{page}");
    let list = html(&handler, "/api/views/restores").await;
    assert!(list.contains("Nothing was restored yet"), "{list}");
    let request =
        json!({"id": "1", "partitionKey": ["a"], "asOf": 1, "dryRun": true, "store": true, "reason": "<look>"});
    let (status, job) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let list = html(&handler, "/api/views/restores").await;
    assert!(list.contains(job["id"].as_str().expect("id")) && list.contains("&lt;look&gt;"), "{list}");
    let (status, _, page) = get(&handler, "/api/views/restores?continuation=x").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("continuation"), "{page}");
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_payload_which_never_becomes_markup() {
    let world = World::new().await;
    let handler = start(&world);
    let attack = r#"{"id": "<script>alert(1)</script>", "pk": "a", "_ts": 1700000000}"#;
    let (status, answer) = handler.invoke(&format!("[{attack}]"), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let list = html(&handler, "/api/views/dead-letters").await;
    let link = list
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.starts_with("dead-letters?id="));
    let page = html(&handler, &format!("/api/views/{}", link.expect("a dead letter"))).await;
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("/replay\""), "{page}");
    assert!(tags(&page).iter().all(|tag| !tag.starts_with("script")), "{page}");
    let overview = html(&handler, "/api/views/overview").await;
    assert!(overview.contains("Some documents could not be captured."), "{overview}");
    let (status, verification) = handler.post("/api/verify", &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{verification}");
    let list = html(&handler, "/api/views/verifications").await;
    assert!(list.contains("queued") && list.contains("/cancel\"") && list.contains("data-refresh"), "{list}");
    let id = verification["id"].as_str().expect("id");
    let page = html(&handler, &format!("/api/views/verifications?id={id}")).await;
    assert!(page.contains("No findings so far.") && page.contains("It waits for a worker"), "{page}");
    assert!(html(&handler, "/api/views/backups").await.contains("There are none yet"));
    for (path, status) in [
        ("dead-letters?id=none", 404),
        ("dead-letters?colour=red", 400),
        ("verifications?id=none", 404),
        ("backups?continuation=x", 400),
        ("backups?colour=red", 400),
    ] {
        let (found, headers, page) = get(&handler, &format!("/api/views/{path}")).await;
        assert_eq!(
            (found.as_u16(), &headers["content-type"]),
            (status, &"text/html; charset=utf-8".parse().expect("a value")),
            "{path}: {page}"
        );
    }
}
