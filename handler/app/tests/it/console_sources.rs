//! The console of an app with several sources: each page is of one of them, and its links stay there.

use reqwest::StatusCode;
use serde_json::json;

use crate::console::{get, html, start, tags};
use crate::support::{CommandLine, Handler, World, batch_of};

const SOURCES: &str = "default,orders";
/// The attributes with the address of a page or the path of a request.
const ADDRESSES: [&str; 8] =
    ["href", "data-post", "data-each", "data-verify", "data-next", "data-chart", "data-address", "data-above"];

/// Every address of a page and every path of a request in the HTML.
fn addresses(html: &str) -> Vec<String> {
    let values = tags(html).into_iter().flat_map(|tag| {
        let value = |name: &str| tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        ADDRESSES.into_iter().filter_map(value).collect::<Vec<_>>()
    });
    let is_of_app = |value: &&str| !value.is_empty() && !value.starts_with('#') && !value.contains("/assets/");
    values.filter(is_of_app).map(|value| value.replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn every_link_keeps_the_source_and_the_overview_shows_all() {
    let world = World::new().await;
    let (code, text) = CommandLine::new(&world).with("CHANGEFEED_SOURCES", SOURCES).text(&["provision"]).await;
    assert_eq!(code, 0, "{text}");
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", connection.as_str()), ("CHANGEFEED_SOURCES", SOURCES)]);
    let second = chrono::Utc::now().timestamp() - 60;
    let version =
        |v: i64| json!({"id": "1", "pk": "a", "v": v, "_ts": second + v, "_lsn": v, "_etag": format!("\"{v}\"")});
    let batch = batch_of(&[version(1), version(2), json!({"pk": "a", "text": "no id"})]);
    let (status, answer) = handler.invoke_function("CosmosChangeFeed_orders", &batch, false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let request = json!({"all": true, "asOf": "1s", "dryRun": true});
    let (_, plan) = handler.post("/api/restores?source=orders", &request).await;
    assert_eq!(plan["counts"]["create"], 1, "{plan}");

    for page in [
        "overview",
        "find?from=1h",
        "jobs",
        "restores",
        "backups",
        "verifications",
        "dead-letters",
        "document?id=1&pk=a",
        "documents",
        "words",
    ] {
        let joined = if page.contains('?') { '&' } else { '?' };
        let html = html(&handler, &format!("/api/views/{page}{joined}source=orders")).await;
        assert!(html.contains("dev / orders"), "{page}: {html}");
        let addresses = addresses(&html);
        assert!(addresses.len() > 8, "{page}: {addresses:?}");
        for address in addresses {
            let is_choice = address.ends_with("?source=default");
            assert!(is_choice || address.contains("source=orders"), "{page}: {address}");
        }
        let forms = html.matches("method=\"get\"").count();
        assert_eq!(html.matches("name=\"source\" value=\"orders\"").count(), forms, "{page}: {html}");
    }
    let overview = html(&handler, "/api/views/overview?source=orders").await;
    let shown = ["<h2>Sources</h2>", "overview?source=default\"", "overview?source=orders\"", ">events</td>"];
    assert!(shown.iter().all(|text| overview.contains(text)), "{overview}");
    // Without a choice it is the first source, which has captured nothing.
    let first = html(&handler, "/api/views/dead-letters").await;
    assert!(first.contains("dev / events") && !first.contains("no-id"), "{first}");
    let letters = html(&handler, "/api/views/dead-letters?source=orders").await;
    assert!(letters.contains("no-id"), "{letters}");
    let (status, _, unknown) = get(&handler, "/api/views/find?source=nothing").await;
    assert!(status == StatusCode::BAD_REQUEST && unknown.contains("use one of default, orders"), "{unknown}");
}

#[tokio::test]
async fn an_app_with_one_source_has_no_choice() {
    let world = World::new().await;
    let handler = start(&world);
    for page in ["overview", "find", "restores"] {
        let html = html(&handler, &format!("/api/views/{page}")).await;
        assert!(!html.contains("source=") && !html.contains("name=\"source\""), "{page}: {html}");
    }
}
