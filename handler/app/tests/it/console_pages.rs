//! Pages of the console: documents by field, backups, the state of the capture, and what moved in a document.

use reqwest::StatusCode;
use serde_json::json;

use crate::console::{get, html, start, store, tags, url};
use crate::support::World;
use crate::support::backups::run_backup;

#[tokio::test]
async fn documents_and_versions_are_found_by_their_fields_page_by_page() {
    let world = World::new().await;
    let handler = start(&world);
    for n in 0..60 {
        let body = |city: &str| json!({"id": format!("{n:02}"), "pk": "a", "city": city, "n": n, "updatedBy": "ana"});
        store(&world, &handler, &[body("Davidson"), body("DAVIDSON")]).await;
    }
    let page = html(&handler, "/api/views/documents").await;
    assert!(page.contains("documents?filter=city_name%3DDavidson") && !page.contains("<table"), "{page}");
    // Versions only: no live document has the value.
    let mut links = Vec::new();
    let mut next = Some("documents?filter=city%3DDavidson+and+n+%3E%3D+0&from=&to=".to_owned());
    while let Some(path) = next {
        let page = html(&handler, &format!("/api/views/{path}")).await;
        assert!(page.contains("&quot;Davidson&quot;") && !page.contains("DAVIDSON"), "{page}");
        let found =
            page.split("href=\"").filter_map(|rest| rest.split('"').next()).map(|link| link.replace("&amp;", "&"));
        let (rows, others): (Vec<String>, Vec<String>) = found.partition(|link| link.starts_with("document?"));
        links.extend(rows);
        next = others.into_iter().find(|link| link.contains("continuation="));
    }
    assert!(links.iter().all(|link| link.contains("version=")), "{links:?}");
    links.sort();
    links.dedup();
    assert_eq!(links.len(), 60);
    let live = html(&handler, "/api/views/documents?filter=city%3DDAVIDSON+and+id%3D07").await;
    assert!(live.contains(">live<") && live.contains("value=\"city=DAVIDSON and id=07\""), "{live}");
    let none = html(&handler, "/api/views/documents?filter=city%3DBoone").await;
    assert!(none.contains("No document and no version matches"), "{none}");
    // Times become absolute.
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let request = client.get(format!("{}/api/views/documents?filter=n%3D1&from=1h", handler.url()));
    let request = request.header("x-console-fragment", "1").send().await.expect("an answer");
    let fragment = request.text().await.expect("HTML");
    assert!(fragment.contains("data-address=\"documents?filter=n%3D1&amp;from=20"), "{fragment}");
    let hostile = url("city=\"<img src=x onerror=alert(1)>\"");
    for (query, status, expected) in [
        (format!("filter={hostile}"), StatusCode::OK, "&lt;img"),
        ("filter=a%20b%20c".to_owned(), StatusCode::BAD_REQUEST, "filter: "),
        ("filter=n%3D1&from=noon".to_owned(), StatusCode::BAD_REQUEST, "from: invalid time"),
        ("filter=n%3D1&continuation=x".to_owned(), StatusCode::BAD_REQUEST, "continuation"),
        ("colour=red".to_owned(), StatusCode::BAD_REQUEST, "unknown parameter"),
    ] {
        let (found, _, page) = get(&handler, &format!("/api/views/documents?{query}")).await;
        assert_eq!(found, status, "{query}: {page}");
        assert!(page.contains(expected), "{query}: {page}");
        assert!(tags(&page).iter().all(|tag| !tag.starts_with("img")), "{page}");
    }
}

#[tokio::test]
async fn the_head_of_a_page_names_the_action_that_is_needed() {
    let world = World::new().await;
    let handler = start(&world);
    let pill = html(&handler, "/api/views/health").await;
    assert!(pill.contains("Action needed") && pill.contains("pill bad") && pill.contains("changefeed"), "{pill}");
    let (status, _, page) = get(&handler, "/api/views/health?colour=red").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("unknown parameter"), "{page}");
    let shell = html(&handler, "/api/console/find").await;
    assert!(shell.contains("id=\"health\" hidden"), "{shell}");
}

#[tokio::test]
async fn a_backup_is_shown_with_its_request_and_why_its_files_cannot_be_read() {
    let world = World::new().await;
    let handler = start(&world);
    store(&world, &handler, &[json!({"id": "1", "pk": "a", "n": 1})]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let location = folder.path().join("<b>b").to_str().expect("a path").to_owned();
    let request = json!({"to": location, "filter": ["n=1"], "reason": "<nightly>", "requestedBy": "ana"});
    let view = run_backup(&world.changefeed(|_| ()), request).await;
    let list = html(&handler, "/api/views/backups").await;
    assert!(list.contains(&format!("backups?id={}", view.id)), "{list}");
    let page = html(&handler, &format!("/api/views/backups?id={}", view.id)).await;
    for part in [
        "Finished",
        "by ana",
        "&lt;nightly&gt;",
        "&lt;b&gt;b",
        "n=1",
        "The files cannot be read from here.",
        "folders are available only",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("Preview the restore"), "{page}");
    let (status, _, page) = get(&handler, "/api/views/backups?id=none").await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("no such backup"), "{page}");
}

#[tokio::test]
async fn a_part_of_a_document_that_moved_is_not_shown_as_removed_and_added() {
    let world = World::new().await;
    let handler = start(&world);
    let stop = |city: &str| json!({"city": city, "open": true, "zip": 1});
    let before =
        json!({"id": "1", "pk": "a", "stops": [stop("Boone"), stop("Cary"), stop("Durham")], "name": "Davidson"});
    let after =
        json!({"id": "1", "pk": "a", "stops": [stop("Cary"), stop("Durham"), stop("Boone")], "city": "Davidson"});
    store(&world, &handler, &[before, after]).await;
    for layout in ["inline", "columns"] {
        let page = html(&handler, &format!("/api/views/document?id=1&pk=a&layout={layout}")).await;
        for part in ["5 lines moved to /stops/2", "5 lines moved from /stops/0", "moved to /city", "moved from /name"] {
            assert!(page.contains(part), "{layout}: {part}: {page}");
        }
        assert!(!page.contains("class=\"minus\"") && !page.contains("class=\"plus\""), "{layout}: {page}");
    }
}
