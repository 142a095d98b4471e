//! Times as people write them, on the command line and over HTTP: how they are read, and how they are echoed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of, executable};

/// A zone that has had no daylight saving time since 1951, so that every local time exists once.
const TOKYO: &str = "Asia/Tokyo";

/// A world with a version of document 1, and its time.
async fn world() -> (World, DateTime<Utc>) {
    let world = World::new().await;
    let document = world.put("a", json!({"id": "1", "pk": "a", "n": 1})).await;
    world.handler().invoke(&batch_of(std::slice::from_ref(&document)), false).await;
    let second = document["_ts"].as_i64().expect("_ts");
    (world, DateTime::from_timestamp(second, 0).expect("a time"))
}

/// Runs a command with more settings; returns its exit code, output and errors.
async fn run(world: &World, settings: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = executable();
    command.env("CosmosDB", world.endpoint.connection_string()).env("TZ", "UTC").args(arguments);
    command.envs(settings.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

/// The time by the clocks in Tokyo.
fn in_tokyo(time: DateTime<Utc>) -> DateTime<Utc> {
    time + TimeDelta::hours(9)
}

#[tokio::test]
async fn a_local_time_is_in_the_zone_of_the_flag_then_of_the_setting_then_of_the_machine() {
    let (world, time) = world().await;
    let as_of = |time: DateTime<Utc>| time.format("%F %T").to_string();
    let document = |as_of: String| {
        ["history", "document", "--id", "1", "--pk", "a", "--as-of"].map(str::to_owned).into_iter().chain([as_of])
    };
    for (flag, settings, written) in [
        (Some(TOKYO), vec![], in_tokyo(time)),
        (Some(TOKYO), vec![("CHANGEFEED_TIME_ZONE", "America/New_York")], in_tokyo(time)),
        (None, vec![("CHANGEFEED_TIME_ZONE", TOKYO)], in_tokyo(time)),
        (None, vec![("TZ", TOKYO)], in_tokyo(time)),
        (None, vec![], time),
    ] {
        for (seconds, exists) in [(0, true), (-1, false)] {
            let written = as_of(written + TimeDelta::seconds(seconds));
            let mut arguments: Vec<String> = document(written.clone()).collect();
            arguments.extend(flag.iter().flat_map(|zone| ["--time-zone".to_owned(), (*zone).to_owned()]));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (code, output, echoed) = run(&world, &settings, &arguments).await;
            assert_eq!(code, 0, "{echoed}");
            assert_eq!(output.contains("\"n\": 1"), exists, "{arguments:?} {settings:?}: {output}");
            let utc = (time + TimeDelta::seconds(seconds)).format("%F %T UTC");
            let local = if flag.is_some() || !settings.is_empty() {
                format!(" ({written} +09:00 {TOKYO})")
            } else {
                String::new()
            };
            assert!(echoed.contains(&format!("{written} is {utc}{local}\n")), "{echoed}");
        }
    }
}

#[tokio::test]
async fn a_window_begins_with_since_and_its_ends_are_checked() {
    let (world, time) = world().await;
    let search = |more: &[&str]| {
        let arguments: Vec<String> =
            ["history", "search", "--filter", "n=1"].iter().chain(more).map(|text| (*text).to_owned()).collect();
        let world = &world;
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(world, &[], &arguments).await
        }
    };
    for window in [vec!["--since", "-1h"], vec!["--since=1h", "--until", "0s"], vec!["--from", "1d", "--to", "1s"]] {
        let (code, output, echoed) = search(&window).await;
        assert_eq!(code, 0, "{echoed}");
        assert!(
            echoed.contains(&format!("{} is ", window[1].trim_start_matches("--since="))) || window.len() == 3,
            "{echoed}"
        );
        assert!(window.contains(&"1s") || output.contains("version") || output.contains("n: 1"), "{output}");
    }
    let later = (time + TimeDelta::days(2)).format("%FT%TZ").to_string();
    let (code, output, echoed) = search(&["--until", &later]).await;
    assert!(code == 0 && output.contains("n: 1"), "{output}");
    assert!(echoed.contains("warning: to is ") && echoed.contains("the window ends now"), "{echoed}");
    let (code, _, refused) = search(&["--since", &later]).await;
    assert!(code != 0 && refused.contains("which is in the future"), "{refused}");
    let (code, _, refused) = search(&["--since", "10m", "--until", "20m"]).await;
    assert!(code != 0 && refused.contains("which is after to"), "{refused}");
}

#[tokio::test]
async fn a_time_that_is_no_time_there_is_wrong_usage() {
    let world = World::new().await;
    let as_of = ["history", "document", "--id", "1", "--pk", "a", "--as-of"];
    for (time, more, named) in [
        (
            "2020-10-25 02:30",
            vec!["--time-zone", "Europe/Berlin"],
            "use 2020-10-25T02:30:00+02:00 (2020-10-25T00:30:00Z) or",
        ),
        ("2020-03-08 02:30", vec!["--time-zone", "America/New_York"], "does not exist in America/New_York"),
        ("noon", vec![], "invalid time \"noon\""),
        ("10m", vec!["--time-zone", "Berlin"], "unknown time zone \"Berlin\""),
    ] {
        let (code, _, refused) = run(&world, &[], &[&as_of[..], &[time], &more].concat()).await;
        assert!(code == 2 && refused.contains(named), "{code} {refused}");
    }
    let (code, _, refused) = run(&world, &[("CHANGEFEED_TIME_ZONE", "Berlin")], &[&as_of[..], &["10m"]].concat()).await;
    assert!(code == 1 && refused.contains("setting CHANGEFEED_TIME_ZONE"), "{code} {refused}");
}

#[tokio::test]
async fn over_http_a_local_time_is_in_utc_or_in_the_zone_of_the_setting_and_a_plan_echoes_it() {
    let (world, time) = world().await;
    let connection = world.endpoint.connection_string();
    for (zone, local, offset) in [("UTC", time, "+00:00"), (TOKYO, in_tokyo(time), "+09:00")] {
        let mut settings = vec![("CosmosDB", connection.as_str())];
        settings.extend(Some(("CHANGEFEED_TIME_ZONE", zone)).filter(|_| zone != "UTC"));
        let handler = Handler::start(&settings);
        let written = local.format("%F %T").to_string();
        let (status, found) =
            handler.get(&format!("/api/history/document?id=1&pk=a&asOf={}", written.replace(' ', "%20"))).await;
        assert!(status == 200 && found.to_string().contains("\"n\":1"), "{found}");
        for name in ["asOf", "before"] {
            let (status, plan) =
                handler.post("/api/restores", &json!({"all": true, name: written, "dryRun": true})).await;
            assert_eq!(status, 200, "{plan}");
            let expected = json!({name: {
                "utc": time.format("%FT%TZ").to_string(),
                "local": format!("{}{offset}", local.format("%FT%T")),
                "zone": zone,
            }});
            assert_eq!(plan["interpreted"], expected, "{plan}");
        }
        let window = json!({"changedBetween": {"from": written, "to": written}, "force": true, "dryRun": true});
        let (status, plan) = handler.post("/api/restores", &window).await;
        assert_eq!(status, 200, "{plan}");
        for name in ["from", "to"] {
            assert_eq!(plan["interpreted"][name]["utc"], json!(time.format("%FT%TZ").to_string()), "{plan}");
        }
        let time_of = |name: &str| {
            json!({name: {
                "utc": time.format("%FT%TZ").to_string(),
                "local": format!("{}{offset}", local.format("%FT%T")),
                "zone": zone,
            }})
        };
        assert_eq!(found["interpreted"], time_of("asOf"), "{found}");
        let at = written.replace(' ', "%20");
        for (path, name) in [
            (format!("blame?id=1&pk=a&asOf={at}"), "asOf"),
            (format!("search?to={at}"), "to"),
            (format!("changes?to={at}"), "to"),
            (format!("activity?to={at}"), "to"),
        ] {
            let (status, answer) = handler.get(&format!("/api/history/{path}")).await;
            assert_eq!((status.as_u16(), &answer["interpreted"]), (200, &time_of(name)), "{path}: {answer}");
        }
        let job = json!({"all": true, "asOf": written, "job": true});
        let (status, answer) = handler.post("/api/restores", &job).await;
        assert_eq!((status.as_u16(), &answer["interpreted"]), (202, &time_of("asOf")), "{answer}");
        let version = found["version"]["id"].clone();
        let request = json!({"id": "1", "partitionKey": ["a"], "version": version, "dryRun": true});
        let (_, plan) = handler.post("/api/restores", &request).await;
        assert_eq!((&plan["dryRun"], &plan["interpreted"]), (&json!(true), &Value::Null), "{plan}");
    }
    let handler = world.handler();
    let (status, refused) = handler.get("/api/history/search?filter=n%3D1&from=0s&to=10m").await;
    assert!(status == 400 && refused.to_string().contains("which is after to"), "{refused}");
}
