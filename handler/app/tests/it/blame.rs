//! Blame: which version, and whose, set each field of a document.

use std::collections::BTreeMap;

use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CommandLine, Handler, World, batch_of};

const START: i64 = 1_700_000_000;

/// A change of AllVersionsAndDeletes mode.
fn change(operation: &str, source_ts: i64, document: &Value) -> Value {
    let mut current = document.clone();
    current["_ts"] = json!(source_ts);
    current["_etag"] = json!(format!("\"e{}\"", source_ts - START));
    json!({"current": current, "metadata": {"lsn": source_ts - START, "operationType": operation, "crts": source_ts}})
}

async fn blame(handler: &Handler, parameters: &str) -> Value {
    let (status, answer) = handler.get(&format!("/api/history/blame?{parameters}")).await;
    assert_eq!(status, StatusCode::OK, "{parameters}: {answer}");
    answer
}

/// The answer's fields by path: the operation and the actor, or what is not known.
fn by_path(answer: &Value) -> BTreeMap<String, String> {
    let field = |field: &Value| {
        let text = |name: &str| field[name].as_str().unwrap_or("-").to_owned();
        let origin = match field["operation"].as_str() {
            Some(operation) => format!("{operation} by {}", text("actor")),
            None if field["unknown"] == true => "unknown".to_owned(),
            None => format!("at or before {}", text("atOrBefore")),
        };
        (text("path"), origin)
    };
    answer["fields"].as_array().expect("fields").iter().map(field).collect()
}

fn expected(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(path, origin)| ((*path).to_owned(), (*origin).to_owned())).collect()
}

#[tokio::test]
async fn each_field_of_a_document_has_the_version_and_the_actor_that_set_it() {
    let world = World::new().await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_ACTOR_FIELDS", "updatedBy")]);
    let imported = json!({"id": "1", "pk": "a", "city_name": "Davidson", "location": {"type": "Point", "coordinates": [1, 2]},
        "tags": {}, "updatedBy": "import"});
    let mut released = imported.clone();
    (released["city_name"], released["updatedBy"]) = (json!("DAVIDSON"), json!("release-42"));
    let mut edited = released.clone();
    (edited["phone"], edited["updatedBy"], edited["restored_at"]) = (json!("704"), json!("user"), json!(5));
    handler
        .invoke_until_accepted(&batch_of(&[
            change("create", START + 10, &imported),
            change("replace", START + 20, &released),
        ]))
        .await;
    let stored = world.put("a", edited.clone()).await;

    // The live document is not captured yet.
    let answer = blame(&handler, "id=1&pk=a").await;
    let fields = [
        ("/id", "create by import"),
        ("/pk", "create by import"),
        ("/city_name", "replace by release-42"),
        ("/location/type", "create by import"),
        ("/location/coordinates", "create by import"),
        ("/tags", "create by import"),
        ("/phone", "write by user"),
        ("/updatedBy", "write by user"),
    ];
    assert_eq!(by_path(&answer), expected(&fields), "{answer}");
    let phone = |answer: &Value| {
        let fields = answer["fields"].as_array().expect("fields").iter();
        fields.clone().find(|field| field["path"] == "/phone").expect("phone").clone()
    };
    assert_eq!((&phone(&answer)["captured"], &phone(&answer)["value"]), (&json!(false), &json!("704")));

    let lsn = 1_000;
    let metadata = json!({"lsn": lsn, "operationType": "replace", "crts": stored["_ts"]});
    handler.invoke_until_accepted(&batch_of(&[json!({"current": stored, "metadata": metadata})])).await;
    let answer = blame(&handler, "id=1&pk=a").await;
    assert_eq!((&answer["state"], &answer["versionsRead"]), (&json!("version"), &json!(3)), "{answer}");
    let written = json!({"path": "/phone", "value": "704", "versionId": answer["versionId"], "sourceTs": stored["_ts"],
        "operation": "replace", "actor": "user", "exact": true});
    assert_eq!(phone(&answer), written);

    // As of a time, and with fewer versions.
    let answer = blame(&handler, &format!("id=1&pk=a&asOf={}", START + 15)).await;
    assert!(by_path(&answer).values().all(|origin| origin == "create by import"), "{answer}");
    assert_eq!(answer["versionId"], format!("{}-e10", START + 10));
    let answer = blame(&handler, &format!("id=1&pk=a&asOf={}", START + 5)).await;
    assert_eq!((&answer["state"], &answer["because"]), (&json!("absent"), &json!(format!("{}-e10", START + 10))));
    let answer = by_path(&blame(&handler, "id=1&pk=a&maxVersions=2").await);
    let oldest = format!("at or before {}-e20", START + 20);
    assert_eq!(
        (&answer["/city_name"], &answer["/tags"], &answer["/phone"]),
        (&oldest, &oldest, &"replace by user".to_owned())
    );
    assert_eq!(answer["/id"], "create by import");

    // On the command line.
    let command_line = CommandLine::new(&world);
    let arguments = ["history", "blame", "--id", "1", "--pk", "a"];
    let (code, shown) = command_line.json(&arguments).await;
    assert_eq!((code, shown), (0, blame(&handler, "id=1&pk=a").await));
    let (_, table) = command_line.text(&arguments).await;
    let row =
        |field: &str| table.lines().find(|line| line.contains(field)).unwrap_or_else(|| panic!("{table}")).to_owned();
    assert!(row("city_name").contains("release-42") && row("city_name").contains("2023-11-14 22:13:40"), "{table}");
    assert!(row("phone").contains("\"704\"") && row("phone").contains("user"), "{table}");
    let (_, table) = command_line.text(&[&arguments[..], &["--max-versions", "2"]].concat()).await;
    assert!(table.contains("or before") && table.contains("newest 2 versions"), "{table}");
}

#[tokio::test]
async fn a_document_that_does_not_exist_or_whose_first_version_is_not_known_says_so() {
    let world = World::new().await;
    let handler = world.handler();
    assert_eq!(blame(&handler, "id=none&pk=a").await, json!({"state": "unknown"}));
    // LatestVersion mode: whether the first write created the document is not known.
    let write = |n: i64| json!({"id": "1", "pk": "a", "n": n, "x": 1, "_ts": START + n, "_etag": format!("\"e{n}\""), "_lsn": n});
    handler.invoke_until_accepted(&batch_of(&[write(1), write(2)])).await;
    let answer = blame(&handler, &format!("id=1&pk=a&asOf={}", START + 5)).await;
    let fields = [("/id", "unknown"), ("/pk", "unknown"), ("/n", "write by -"), ("/x", "unknown")];
    assert_eq!(by_path(&answer), expected(&fields), "{answer}");

    // A document that was deleted, and created again.
    let document = json!({"id": "2", "pk": "a", "n": 1});
    let delete = json!({"current": null, "metadata": {"crts": START + 20, "lsn": 20, "operationType": "delete", "id": "2",
        "partitionKey": {"pk": "a"}}});
    handler.invoke_until_accepted(&batch_of(&[change("create", START + 10, &document), delete])).await;
    let answer = blame(&handler, "id=2&pk=a").await;
    assert_eq!(answer["state"], "absent");
    assert!(answer["because"].as_str().is_some_and(|because| because.contains("-delete-")), "{answer}");
    let again = change("create", START + 30, &document);
    handler
        .invoke_until_accepted(&batch_of(&[
            again,
            change("replace", START + 40, &json!({"id": "2", "pk": "a", "n": 2})),
        ]))
        .await;
    let answer = blame(&handler, &format!("id=2&pk=a&asOf={}", START + 45)).await;
    let fields = [("/id", "create by -"), ("/pk", "create by -"), ("/n", "replace by -")];
    assert_eq!(by_path(&answer), expected(&fields), "{answer}");
    assert_eq!(answer["fields"][0]["versionId"], format!("{}-e30", START + 30));

    for (parameters, part) in [
        ("id=1&pk=a&maxVersions=0", "maxVersions is 0; allowed are 1 to 1000"),
        ("id=1&pk=a&maxVersions=1001", "maxVersions is 1001; allowed are 1 to 1000"),
        ("id=1", "give one of pk"),
        ("id=1&pk=a&asOf=soon", "asOf"),
    ] {
        let (status, answer) = handler.get(&format!("/api/history/blame?{parameters}")).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(part), "{parameters}: {answer}");
    }
}

/// The requests since the last call, and the items that they returned.
fn cost(world: &World) -> (usize, usize) {
    let requests = world.endpoint.take_requests();
    let requests = requests.iter().filter(|r| !matches!(r.kind, LoggedKind::Metadata | LoggedKind::QueryPlan));
    requests.fold((0, 0), |(count, items), request| (count + 1, items + request.items))
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_stops_when_every_field_is_explained_however_long_the_history_is() {
    let world = World::new().await;
    let handler = world.handler();
    let mut costs = Vec::new();
    for (id, count) in [("few", 100), ("many", 1_000)] {
        // `n` changes in every version, `rare` in every fiftieth, `never` in none.
        let document = |n: i64| json!({"id": id, "pk": "a", "n": n, "rare": n / 50, "never": 1});
        let changes = (0..count).map(|n| change(if n == 0 { "create" } else { "replace" }, START + n, &document(n)));
        let changes: Vec<Value> = changes.collect();
        for batch in changes.chunks(500) {
            handler.invoke_until_accepted(&batch_of(batch)).await;
        }
        let read = async |parameters: &str| {
            cost(&world);
            let answer = blame(&handler, &format!("id={id}&pk=a&asOf={}{parameters}", START + count)).await;
            (answer, cost(&world))
        };
        read("").await;
        let (answer, (requests, items)) = read("&maxVersions=60").await;
        let origins = by_path(&answer);
        assert_eq!((&origins["/n"], &origins["/rare"]), (&"replace by -".to_owned(), &"replace by -".to_owned()));
        assert_eq!(origins["/never"], format!("at or before {}-e{}", START + count - 60, count - 60));
        assert_eq!(origins["/id"], "create by -");
        assert!(items <= 150, "{count} versions: {items} items");
        // The whole history.
        let (answer, (all_requests, _)) = read("").await;
        assert!(by_path(&answer)["/never"] == "create by -" && answer["versionsRead"] == count, "{answer}");
        costs.push((requests, all_requests));
    }
    let [few, many] = costs.as_slice() else { panic!("{costs:?}") };
    assert_eq!(few.0, many.0, "requests");
    assert!(many.1 > few.1 && many.1 <= 1_000 / 50 + few.0 + 5, "{costs:?}");
}
