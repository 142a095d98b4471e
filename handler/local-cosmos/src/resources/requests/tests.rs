//! The control plane, request by request.

use super::*;
use crate::resources::Missing;
use crate::resources::fake_account::{CONTAINER, account, ids, json, text};

/// What the .NET SDK sends to create and read databases and containers, with the answers that it needs.
#[test]
fn the_requests_of_the_dotnet_sdk_are_answered() {
    let account = account();
    let autoscale = ("x-ms-cosmos-offer-autopilot-settings", r#"{"maxThroughput":4000}"#);
    let every_policy = r#"{"changeFeedPolicy":{"retentionDuration":10},"indexingPolicy":{"automatic":true,
        "indexingMode":"Consistent","includedPaths":[{"path":"/*","indexes":[]}],"excludedPaths":[{"path":"/x/*"}],
        "compositeIndexes":[[{"path":"/a","order":"ascending"},{"path":"/b","order":"descending"}]],"spatialIndexes":[],
        "vectorIndexes":[],"fullTextIndexes":[]},"uniqueKeyPolicy":{"uniqueKeys":[{"paths":["/a","/b/c"]}]},
        "conflictResolutionPolicy":{"mode":"LastWriterWins","conflictResolutionPath":"/ver"},"computedProperties":
        [{"name":"low","query":"SELECT VALUE LOWER(c.name) FROM c"}],"id":"c5","defaultTtl":-1,
        "partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;
    let hierarchical = r#"{"id":"c4","partitionKey":{"paths":["/t","/u","/s"],"kind":"MultiHash","version":2}}"#;
    let c2 = r#"{"id":"c2","partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;
    let c3 = r#"{"id":"c3","partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;
    let query = r#"{"query":"SELECT * FROM d WHERE d.id = @id","parameters":[{"name":"@id","value":"fixdb"}]}"#;
    let is_query = ("x-ms-documentdb-isquery", "True");
    for (method, path, header, body, status, substatus) in [
        ("POST", "/dbs", None, r#"{"id":"fixdb"}"#, 201, None),
        ("GET", "/dbs/fixdb", None, "", 200, None),
        ("GET", "/dbs/fixdb2", None, "", 404, None),
        ("POST", "/dbs", Some(("x-ms-offer-throughput", "400")), r#"{"id":"fixdb2"}"#, 201, None),
        ("POST", "/dbs", Some(autoscale), r#"{"id":"fixdb3"}"#, 201, None),
        ("POST", "/dbs", None, r#"{"id":"fixdb"}"#, 409, None),
        ("GET", "/dbs/my%20d%C3%A4+b", None, "", 404, None),
        ("GET", "/dbs", Some(("x-ms-max-item-count", "1")), "", 200, None),
        ("POST", "/dbs", Some(is_query), query, 200, None),
        ("POST", "/dbs/fixdb/colls", None, CONTAINER, 201, None),
        ("GET", "/dbs/fixdb/colls/c1", None, "", 200, None),
        ("GET", "/dbs/fixdb/colls/c2", None, "", 404, None),
        ("POST", "/dbs/fixdb/colls", Some(("x-ms-offer-throughput", "1000")), c2, 201, None),
        ("POST", "/dbs/fixdb/colls", Some(autoscale), c3, 201, None),
        ("POST", "/dbs/fixdb/colls", None, hierarchical, 201, None),
        ("POST", "/dbs/fixdb/colls", None, every_policy, 201, None),
        ("POST", "/dbs/fixdb/colls", None, CONTAINER, 409, None),
        ("GET", "/dbs/fixdb/colls/c1", Some(("x-ms-documentdb-populatequotainfo", "True")), "", 200, None),
        ("GET", "/dbs/fixdb/colls", Some(("x-ms-max-item-count", "2")), "", 200, None),
        ("POST", "/dbs/fixdb/colls", Some(is_query), r#"{"query":"SELECT * FROM c WHERE c.id = 'c1'"}"#, 200, None),
        ("POST", "/dbs/fixdb/users", None, r#"{"id":"u1","_permissions":null}"#, 501, None),
        ("POST", "/dbs/fixdb/colls/c1/sprocs", None, r#"{"body":"function(){}","id":"sp1"}"#, 501, None),
        ("POST", "/dbs/fixdb/colls/c1/sprocs/sp1", None, r#"[1,"x"]"#, 501, None),
        ("POST", "/dbs/fixdb/colls/c1/triggers", None, "{}", 501, None),
        ("POST", "/dbs/fixdb/colls/c1/udfs", None, "{}", 501, None),
        ("GET", "/dbs/fixdb/colls/c1/sprocs", None, "", 200, None),
        ("GET", "/dbs/fixdb/colls/c1/conflicts", None, "", 200, None),
        ("GET", "/dbs/nodb/colls/x", None, "", 404, Some("1003")),
        ("GET", "/dbs/nodb/colls", None, "", 404, Some("1003")),
        ("GET", "/dbs/fixdb/colls/nocoll/pkranges", None, "", 404, Some("1003")),
        ("GET", "/dbs/fixdb/colls/nocoll/sprocs", None, "", 404, Some("1003")),
        ("POST", "/dbs/nodb/colls", None, CONTAINER, 404, Some("1003")),
        ("DELETE", "/dbs/fixdb/colls/c3", None, "", 204, None),
        ("DELETE", "/dbs/fixdb/colls/c3", None, "", 404, None),
        ("DELETE", "/dbs/fixdb3", None, "", 204, None),
        ("DELETE", "/dbs/fixdb3", None, "", 404, None),
        ("PATCH", "/dbs/fixdb", None, "", 405, None),
        ("DELETE", "/offers", None, "", 405, None),
    ] {
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let reply = account.send(method, path, &headers, body);
        let found = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!((reply.status, reply.header(header::SUBSTATUS)), (status, substatus), "{method} {path}: {found}");
        assert!(reply.header(header::REQUEST_CHARGE).is_some());
    }
}

#[test]
fn resources_are_found_by_name_and_by_resource_id() {
    let account = account();
    let database = account.created("/dbs", &[], r#"{"id":"db"}"#);
    let container = account.created("/dbs/db/colls", &[], CONTAINER);
    assert_eq!(container["_self"], json!(format!("{}colls/{}/", text(&database["_self"]), text(&container["_rid"]))));
    let (db, coll) = (text(&database["_rid"]), text(&container["_rid"]));
    for path in [
        format!("/dbs/{db}/colls/{coll}"),
        format!("/dbs/db/colls/{coll}/"),
        format!("/dbs/{db}/colls/c1"),
        format!("/{}", text(&container["_self"])),
        "/dbs/db/colls/c1".to_owned(),
    ] {
        assert_eq!(json(&account.get(&path)), container, "{path}");
    }
    assert_eq!(json(&account.get(&format!("/dbs/{db}/"))), database);
    // The resource id of a container of another database.
    account.created("/dbs", &[], r#"{"id":"other"}"#);
    assert_eq!(account.get(&format!("/dbs/other/colls/{coll}")).status, 404);
    // A name that is the resource id of another resource.
    let named = json!({"id": coll, "partitionKey": {"paths": ["/x"]}}).to_string();
    let named = account.created("/dbs/db/colls", &[], &named);
    assert_eq!(json(&account.get(&format!("/dbs/db/colls/{coll}"))), named);
}

#[test]
fn what_is_created_again_has_another_resource_id() {
    let account = account();
    let first = account.created("/dbs", &[], r#"{"id":"db"}"#);
    let container = account.created("/dbs/db/colls", &[], CONTAINER);
    let path = ContainerPath { database: "db".into(), container: "c1".into() };
    let held = account.directory.container(&path).expect("a container");
    assert_eq!(account.send("DELETE", "/dbs/db/colls/c1", &[], "").status, 204);
    assert!(held.is_deleted());
    let again = account.created("/dbs/db/colls", &[], CONTAINER);
    assert_ne!(container["_rid"], again["_rid"]);
    assert!(!account.directory.container(&path).expect("a container").is_deleted());
    assert_eq!(account.send("DELETE", "/dbs/db", &[], "").status, 204);
    let second = account.created("/dbs", &[], r#"{"id":"db"}"#);
    assert_ne!(first["_rid"], second["_rid"]);
    let third = account.created("/dbs/db/colls", &[], CONTAINER);
    assert!(![&container["_rid"], &again["_rid"]].contains(&&third["_rid"]));
    let deleted = account.events().into_iter().filter(|event| event == "c1: deleted").count();
    assert_eq!(deleted, 2);
    assert_eq!(ids(&account.get("/offers"), "Offers").len(), 1);
    assert_eq!(
        account.directory.container(&ContainerPath { container: "x".into(), ..path.clone() }).err(),
        Some(Missing::Container(ContainerPath { container: "x".into(), ..path }))
    );
}

#[test]
fn etags_decide_about_reads_and_writes() {
    let account = account();
    account.created("/dbs", &[], r#"{"id":"db"}"#);
    account.created("/dbs/db/colls", &[], CONTAINER);
    let reply = account.get("/dbs/db/colls/c1");
    let etag = reply.header(header::ETAG).expect("an etag").to_owned();
    assert_eq!(json(&reply)["_etag"], json!(etag));
    let unchanged = account.send("GET", "/dbs/db/colls/c1", &[("if-none-match", &etag)], "");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(account.send("GET", "/dbs/db/colls/c1", &[("if-none-match", "\"x\"")], "").status, 200);
    let new = r#"{"id":"c1","defaultTtl":3600,"partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;
    let replace = |etag: &str| account.send("PUT", "/dbs/db/colls/c1", &[("if-match", etag)], new);
    assert_eq!(replace("\"x\"").status, 412);
    let replaced = replace(&etag);
    assert_eq!((replaced.status, &json(&replaced)["defaultTtl"]), (200, &json!(3_600)));
    assert_ne!(replaced.header(header::ETAG), Some(etag.as_str()));
    assert_eq!(replace(&etag).status, 412);
    assert_eq!(replace("*").status, 200);
    assert_eq!(account.send("DELETE", "/dbs/db/colls/c1", &[("if-match", &etag)], "").status, 412);
    assert_eq!(account.send("DELETE", "/dbs/db", &[("if-match", &etag)], "").status, 412);
    let events = account.events();
    assert_eq!(events, ["c1: created", "c1: ttl Some(3600)", "c1: ttl Some(3600)"]);
    let token = replaced.header(header::SESSION_TOKEN).expect("a session token");
    assert!(token.starts_with("4294967295:-1#"), "{token}");
}

#[test]
fn a_definition_that_the_data_cannot_have_is_refused() {
    let account = account();
    account.created("/dbs", &[], r#"{"id":"db"}"#);
    let body = r#"{"id":"c1","partitionKey":{"paths":["/pk"]},
        "computedProperties":[{"name":"low","query":"SELECT VALUE 1 FROM nothing"}]}"#;
    let refused = account.send("POST", "/dbs/db/colls", &[], body);
    assert_eq!((refused.status, &json(&refused)["message"]), (400, &json!("low cannot be computed")));
    let container = account.created("/dbs/db/colls", &[], CONTAINER);
    assert_eq!(account.send("PUT", "/dbs/db/colls/c1", &[], body).status, 400);
    assert_eq!(json(&account.get("/dbs/db/colls/c1")), container);
}

#[test]
fn lists_are_read_in_pages() {
    let account = account();
    for name in ["a", "b", "c"] {
        account.created("/dbs", &[], &json!({"id": name}).to_string());
    }
    let first = account.send("GET", "/dbs", &[("x-ms-max-item-count", "2")], "");
    assert_eq!((ids(&first, "Databases"), first.header(header::ITEM_COUNT)), (vec!["a".into(), "b".into()], Some("2")));
    let continuation = first.header(header::CONTINUATION).expect("a continuation");
    let headers = [("x-ms-max-item-count", "2"), (header::CONTINUATION, continuation)];
    let second = account.send("GET", "/dbs", &headers, "");
    assert_eq!((ids(&second, "Databases"), second.header(header::CONTINUATION)), (vec!["c".to_owned()], None));
    assert_eq!(json(&second)["_count"], 1);
    assert_eq!(account.send("GET", "/dbs", &[("x-ms-max-item-count", "0")], "").status, 400);
    let found = account.query("/dbs", "SELECT * FROM root r WHERE r.id = @id", json!([{"name": "@id", "value": "b"}]));
    assert_eq!(found.iter().map(|database| &database["id"]).collect::<Vec<_>>(), ["b"]);
    for body in ["", "{}", r#"{"query":1}"#, r#"{"query":"SELECT 1","parameters":[{"value":1}]}"#] {
        assert_eq!(account.send("POST", "/dbs", &[("x-ms-documentdb-isquery", "true")], body).status, 400, "{body}");
    }
}

#[test]
fn a_container_has_its_own_throughput_or_that_of_its_database() {
    let account = account();
    let own = account.created("/dbs", &[], r#"{"id":"own"}"#);
    let shared = account.created("/dbs", &[("x-ms-offer-throughput", "500")], r#"{"id":"shared"}"#);
    let throughput =
        |resource: &Value| account.offer_of(resource).map(|offer| offer["content"]["offerThroughput"].clone());
    let usual = account.created("/dbs/own/colls", &[], CONTAINER);
    let sharing = account.created("/dbs/shared/colls", &[], CONTAINER);
    let header = [("x-ms-offer-throughput", "21000")];
    let separate = r#"{"id":"c2","partitionKey":{"paths":["/pk"],"version":2}}"#;
    let separate = account.created("/dbs/shared/colls", &header, separate);
    assert_eq!(throughput(&own), None);
    assert_eq!(throughput(&shared), Some(json!(500)));
    assert_eq!(throughput(&usual), Some(json!(400)));
    assert_eq!(throughput(&sharing), None);
    assert_eq!(throughput(&separate), Some(json!(21_000)));
    let partitions = |path: &str| json(&account.get(path))["_count"].clone();
    assert_eq!(partitions("/dbs/shared/colls/c1/pkranges"), 1);
    assert_eq!(partitions("/dbs/shared/colls/c2/pkranges"), 3);
    let offer = account.offer_of(&shared).expect("an offer");
    let body = json!({"content": {"offerThroughput": 1_200}}).to_string();
    let reply = account.send("PUT", &format!("/{}", text(&offer["_self"])), &[], &body);
    assert_eq!((reply.status, reply.header("x-ms-offer-replace-pending")), (200, Some("false")));
    let read = account.get(&format!("/offers/{}", text(&offer["id"])));
    assert_eq!(read.header("x-ms-cosmos-min-throughput"), Some("400"));
    assert_eq!(json(&read)["content"]["offerThroughput"], 1_200);
    assert_ne!(json(&read)["_etag"], offer["_etag"]);
    let stale = [("if-match", offer["_etag"].as_str().expect("an etag"))];
    assert_eq!(account.send("PUT", &format!("/offers/{}", text(&offer["id"])), &stale, &body).status, 412);
    assert_eq!(account.get("/offers/uT2L").status, 404);
    assert_eq!(account.get("/offers/nonsense").status, 404);
    let both =
        [("x-ms-offer-throughput", "400"), ("x-ms-cosmos-offer-autopilot-settings", r#"{"maxThroughput":1000}"#)];
    assert_eq!(account.send("POST", "/dbs", &both, r#"{"id":"both"}"#).status, 400);
    assert_eq!(account.get("/dbs/both").status, 404);
}

#[test]
fn the_list_of_partitions_is_read_until_it_changes() {
    let account = account();
    account.created("/dbs", &[], r#"{"id":"db"}"#);
    let container = account.created("/dbs/db/colls", &[], CONTAINER);
    let path = format!("/{}pkranges", text(&container["_self"]));
    let reply = account.get(&path);
    let etag = reply.header(header::ETAG).expect("an etag").to_owned();
    assert_eq!((reply.header(header::ITEM_COUNT), &json(&reply)["_rid"]), (Some("1"), &container["_rid"]));
    assert_eq!(json(&reply)["PartitionKeyRanges"][0]["lsn"], 1);
    let known = [("if-none-match", etag.as_str()), ("a-im", "Incremental Feed"), ("x-ms-max-item-count", "-1")];
    assert_eq!(account.send("GET", &path, &known, "").status, 304);
    let found = account.directory.container(&ContainerPath { database: "db".into(), container: "c1".into() });
    let found = found.expect("a container");
    found.data.ranges.lock().expect("a lock").split(0, None, 1_800_000_000).expect("a split");
    let reply = account.send("GET", &path, &known, "");
    assert_eq!((reply.status, &json(&reply)["_count"]), (200, &json!(2)));
}

#[test]
fn lists_of_what_is_not_offered_are_empty() {
    let account = account();
    account.created("/dbs", &[], r#"{"id":"db"}"#);
    let container = account.created("/dbs/db/colls", &[], CONTAINER);
    let reply = account.get("/dbs/db/colls/c1/udfs");
    let expected = json!({"_rid": container["_rid"], "UserDefinedFunctions": [], "_count": 0});
    assert_eq!((json(&reply), reply.header(header::ITEM_COUNT)), (expected, Some("0")));
    let query = [("x-ms-documentdb-isquery", "True")];
    let reply = account.send("POST", "/dbs/db/users", &query, r#"{"query":"SELECT * FROM u"}"#);
    assert_eq!((reply.status, &json(&reply)["Users"]), (200, &json!([])));
    for (method, path, name) in [
        ("GET", "/dbs/db/colls/c1/sprocs/s", "stored procedures"),
        ("POST", "/dbs/db/clientencryptionkeys", "client encryption keys"),
        ("POST", "/dbs/db/colls/c1/operations/partitionkeydelete", "deletion of all items of a partition key"),
        ("GET", "/addresses", "Gateway mode"),
    ] {
        let reply = account.send(method, path, &[], "");
        let message = text(&json(&reply)["message"]);
        assert!(reply.status == 501 && message.contains(name), "{message}");
    }
}

#[test]
fn the_usage_of_a_container_is_read_on_request() {
    let account = account();
    account.created("/dbs", &[], r#"{"id":"db"}"#);
    account.created("/dbs/db/colls", &[], CONTAINER);
    let reply = account.send("GET", "/dbs/db/colls/c1", &[("x-ms-documentdb-populatequotainfo", "True")], "");
    let usage = reply.header("x-ms-resource-usage").expect("a usage");
    assert!(usage.ends_with("documentsSize=3;documentsCount=3;collectionSize=3;"), "{usage}");
    assert!(account.get("/dbs/db/colls/c1").header("x-ms-resource-usage").is_none());
}

#[test]
fn requests_at_the_same_time_end() {
    let account = account();
    account.created("/dbs", &[("x-ms-offer-throughput", "400")], r#"{"id":"db"}"#);
    let offer = text(&json(&account.get("/offers"))["Offers"][0]["_self"]);
    let replace = r#"{"id":"c1","defaultTtl":9,"partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (account, offer) = (&account, &offer);
            scope.spawn(move || {
                for turn in 0..100 {
                    match (worker + turn) % 6 {
                        0 => account.send("POST", "/dbs/db/colls", &[], CONTAINER),
                        1 => account.send("PUT", "/dbs/db/colls/c1", &[], replace),
                        2 => account.send("DELETE", "/dbs/db/colls/c1", &[], ""),
                        3 => account.get("/dbs/db/colls"),
                        4 => account.send("PUT", &format!("/{offer}"), &[], r#"{"content":{"offerThroughput":600}}"#),
                        _ => account.get("/dbs/db/colls/c1/pkranges"),
                    };
                    account.directory.to_json().expect("JSON");
                }
            });
        }
    });
    let containers = ids(&account.get("/dbs/db/colls"), "DocumentCollections");
    assert!(containers.len() <= 1);
}
