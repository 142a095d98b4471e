//! Requests that nest deeply. Whatever a client sends, the endpoint answers, and it is still there for the next request.

use serde_json::json;

use crate::rest::Answer;
use crate::scene::Scene;

const QUERY: [(&str, &str); 3] = [
    ("x-ms-documentdb-isquery", "True"),
    ("content-type", "application/query+json"),
    ("x-ms-documentdb-query-enablecrosspartition", "True"),
];
const PLAN: [(&str, &str); 2] =
    [("x-ms-cosmos-is-query-plan-request", "True"), ("x-ms-cosmos-supported-query-features", "OrderBy")];

/// Queries that nest this deeply, each in another way.
fn queries(levels: usize) -> Vec<String> {
    let nested = |before: &str, middle: &str, after: &str| {
        format!("SELECT * FROM c WHERE {}{middle}{}", before.repeat(levels), after.repeat(levels))
    };
    vec![
        nested("", "c", ".a"),
        nested("", "c", "['a']"),
        nested("", "c.a = 1", " AND c.a = 1"),
        nested("", "c.a = 1", " OR c.a = 1"),
        nested("NOT ", "c.a", ""),
        nested("- ", "c.a", ""),
        nested("~", "c.a", ""),
        nested("", "c.a", " + 1"),
        // The two characters of the operator count as two steps.
        format!("SELECT * FROM c WHERE c.a{}", " || 'a'".repeat(levels / 2)),
        format!("SELECT VALUE c{} FROM c", ".a".repeat(levels)),
        format!("SELECT * FROM c ORDER BY c{}", ".a".repeat(levels)),
        format!("SELECT * FROM c{}", ".a".repeat(levels)),
    ]
}

/// Queries with this many brackets within each other.
fn bracketed(levels: usize) -> Vec<String> {
    let pairs =
        [("(", ")"), ("[", "]"), ("{a: ", "}"), ("ABS(", ")"), ("(SELECT VALUE ", ")"), ("ARRAY(SELECT VALUE ", ")")];
    pairs.map(|(open, close)| format!("SELECT * FROM c WHERE {}1{}", open.repeat(levels), close.repeat(levels))).into()
}

async fn ask(scene: &Scene, headers: &[(&str, &str)], query: &str) -> Answer {
    scene.docs("POST", headers, &json!({"query": query}).to_string()).await
}

#[tokio::test]
async fn a_query_that_nests_too_deeply_is_refused() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    for query in queries(5000).into_iter().chain(bracketed(5000)).chain(bracketed(100)) {
        for headers in [&QUERY[..], &PLAN[..]] {
            let answer = ask(&scene, headers, &query).await;
            let shown = &query[..80];
            // Long paths and chains of operators do not nest.
            assert!(answer.status == 200 || answer.status == 400, "{shown}: {} {}", answer.status, answer.text);
            let names_limit =
                ["maximum", "more than", "merged by the client"].iter().any(|words| answer.text.contains(words));
            assert!(answer.status == 200 || names_limit, "{shown}: {}", answer.text);
        }
    }
    let answer = ask(&scene, &QUERY, "SELECT * FROM c").await;
    assert_eq!((answer.status, answer.json()["_count"].as_u64()), (200, Some(1)), "{}", answer.text);
}

#[tokio::test]
async fn a_query_below_the_limit_is_executed() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    for query in queries(250) {
        let shown = &query[..80];
        let answer = ask(&scene, &PLAN, &query).await;
        assert!(
            matches!(answer.status, 200 | 400) && !answer.text.contains("the maximum is"),
            "{shown}: {}",
            answer.text
        );
        let answer = ask(&scene, &QUERY, &query).await;
        assert!(
            matches!(answer.status, 200 | 400) && !answer.text.contains("the maximum is"),
            "{shown}: {}",
            answer.text
        );
    }
    // As many as the service allows.
    let ands = format!("SELECT * FROM c WHERE c.n = 1{}", " AND c.n = 1".repeat(2000));
    let answer = ask(&scene, &QUERY, &ands).await;
    assert_eq!((answer.status, answer.json()["_count"].as_u64()), (200, Some(1)), "{}", answer.text);
}

#[tokio::test]
async fn a_body_that_nests_too_deeply_is_refused() {
    let scene = Scene::start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let item = format!(r#"{{"id":"a","pk":"p","deep":{deep}}}"#);
    let patch = format!(r#"{{"operations":[{{"op":"set","path":"/a","value":{deep}}}]}}"#);
    let batch = format!(r#"[{{"operationType":"Create","partitionKey":"[\"p\"]","resourceBody":{item}}}]"#);
    let query =
        format!(r#"{{"query":"SELECT * FROM c WHERE c.a = @a","parameters":[{{"name":"@a","value":{deep}}}]}}"#);
    let key = ("x-ms-documentdb-partitionkey", r#"["p"]"#);
    let is_batch = ("x-ms-cosmos-is-batch-request", "true");
    let bulk = [key, is_batch, ("x-ms-cosmos-batch-atomic", "false")];
    scene.upsert("p", "a", 1).await;
    let url = scene.endpoint.url();
    let docs = "/dbs/db/colls/c/docs";
    for (method, path, headers, body, expected) in [
        ("POST", docs, &[key][..], &item, 400),
        ("PUT", "/dbs/db/colls/c/docs/a", &[key][..], &item, 400),
        ("PATCH", "/dbs/db/colls/c/docs/a", &[key][..], &patch, 400),
        ("POST", docs, &[key, is_batch][..], &batch, 400),
        // One of the operations is refused.
        ("POST", docs, &bulk[..], &batch, 207),
        ("POST", docs, &QUERY[..], &query, 400),
        ("POST", "/dbs", &[][..], &deep, 400),
        ("POST", "/dbs/db/colls", &[][..], &deep, 400),
    ] {
        let answer = crate::rest::send(url, method, path, headers, body).await;
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
    }
    let key = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let headers = [("x-ms-documentdb-partitionkey", key.as_str())];
    let answer = crate::rest::send(url, "GET", "/dbs/db/colls/c/docs/a", &headers, "").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}
