//! Spans and lines of the log reach a collector of OpenTelemetry, over the wire; and capture needs none.

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::host_recordings::{elements, read, send, text};
use crate::support::{Answer, Collector, DEADLINE, Handler, Instance, Span, World, batch_of, until};

/// What a span of a captured batch says, and nothing else.
const CAPTURED: [&str; 10] = [
    "changefeed.dead_letters",
    "changefeed.documents",
    "changefeed.erased",
    "changefeed.excluded",
    "changefeed.request_charge",
    "changefeed.versions.already_stored",
    "changefeed.versions.stored",
    "faas.invocation_id",
    "faas.trigger",
    "http.response.status_code",
];
/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;

/// A handler that exports at once, with more settings.
fn handler(world: &World, endpoint: &str, settings: &[(&str, &str)]) -> Handler {
    let connection = world.endpoint.connection_string();
    let first = [
        ("CosmosDB", connection.as_str()),
        ("NO_PROXY", "127.0.0.1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
    ];
    Handler::start(&[&first[..], settings].concat())
}

/// Captures a document.
async fn capture(world: &World, handler: &Handler, document: Value) -> Value {
    let stored = world.put("a", document).await;
    let (status, answer) = handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    stored
}

/// Runs a job of the jobs container as the trigger does.
async fn run_job(world: &World, handler: &Handler, id: &str) {
    let job = world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await;
    let (status, answer) = handler.invoke_function("RunJobs", &batch_of(&job), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn is_named(name: &str) -> impl Fn(&Span) -> bool {
    move |span| span.name == name
}

#[tokio::test]
async fn a_batch_of_the_host_is_a_span_with_the_id_of_its_invocation() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let handler = handler(&world, &collector.url, &[]);
    let recording: Value = serde_json::from_str(&read("latest-version-plain.json")).expect("JSON");
    let recorded = &recording["requests"][0];
    let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, text(&recorded["body"])).await;
    assert_eq!(status, StatusCode::OK, "{answer}");

    let span = collector.span("the batch", is_named("CosmosChangeFeed")).await;
    let mut head = recorded["head"].as_array().expect("lines").iter().map(text);
    let invocation = head.find_map(|line| line.strip_prefix("X-Azure-Functions-InvocationId: "));
    assert_eq!(Some(text(&span.attributes["faas.invocation_id"])), invocation);
    assert_eq!(span.attributes.keys().collect::<Vec<_>>(), CAPTURED);
    assert_eq!(span.attributes["changefeed.documents"], elements(recorded).len());
    assert_eq!(span.attributes["changefeed.versions.stored"], world.versions().await.len());
    assert!(span.attributes["changefeed.request_charge"].as_f64() > Some(0.0), "{span:?}");
    assert_eq!((&span.attributes["faas.trigger"], span.kind), (&json!("datasource"), SERVER));
    assert_eq!((&span.attributes["http.response.status_code"], span.is_error), (&json!(200), false));
    assert_eq!(span.parent, "");
}

#[tokio::test]
async fn a_restore_is_a_span_of_the_trace_of_its_request_and_has_nothing_of_the_document() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let handler = handler(&world, &collector.url, &[]);
    let document = |n| json!({"id": "a-person", "pk": "a", "n": n, "city": "a-town"});
    let first = capture(&world, &handler, document(1)).await;
    capture(&world, &handler, document(2)).await;
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let request = json!({"id": "a-person", "partitionKey": ["a"], "version": crate::support::version_id(&first)});
    let answer = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = answer.post(format!("{}/api/restores", handler.url())).json(&request);
    let answer = answer.header("traceparent", format!("00-{trace}-{parent}-01"));
    let report: Value = answer.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(report["state"], "done", "{report}");

    let restore = collector.span("the restore", is_named("restore")).await;
    let invocation = collector.span("the request", is_named("POST /api/restores")).await;
    assert_eq!((invocation.trace.as_str(), invocation.parent.as_str()), (trace, parent));
    assert_eq!((invocation.attributes["http.route"].as_str(), invocation.kind), (Some("/api/restores"), SERVER));
    assert_eq!((restore.trace.as_str(), &restore.parent), (trace, &invocation.id));
    assert_eq!(restore.attributes["changefeed.job.id"], report["id"]);
    assert_eq!(restore.attributes["changefeed.job.state"], "done");
    assert_eq!(restore.attributes["changefeed.documents"], 1);
    assert_eq!(restore.attributes["changefeed.request_charge"], report["requestCharge"]);

    handler.get("/api/history/document?id=a-person&pk=a&asOf=now").await;
    collector.span("the request", is_named("GET /api/history/document")).await;
    assert!(collector.has_in_spans("POST /api/restores"));
    for personal in ["a-person", "a-town"] {
        assert!(!collector.has_in_spans(personal), "{personal}");
    }
}

#[tokio::test]
async fn a_slice_of_a_job_is_a_span_and_lines_of_the_log_have_its_ids() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let handler = handler(&world, &collector.url, &[]);
    let (status, job) = handler.post("/api/verify", &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    run_job(&world, &handler, text(&job["id"])).await;
    let slice = collector.span("the slice", is_named("job slice")).await;
    let invocation = collector.span("the invocation", is_named("RunJobs")).await;
    assert_eq!((&slice.trace, &slice.parent), (&invocation.trace, &invocation.id));
    assert_eq!(slice.attributes["changefeed.job.id"], job["id"]);
    assert_eq!(slice.attributes["changefeed.job.kind"], "verify");
    assert_eq!((&slice.attributes["changefeed.job.state"], slice.is_error), (&json!("done"), false));

    let mut unknown = world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{}'", text(&job["id"]))).await;
    unknown[0]["id"] = json!("1764267000-0a1b2c3d");
    unknown[0]["kind"] = json!("of-a-later-version");
    unknown[0]["state"] = json!("queued");
    let jobs = world.container("jobs").await;
    jobs.upsert_item("1764267000-0a1b2c3d", "1764267000-0a1b2c3d", &unknown[0], None).await.expect("stored");
    run_job(&world, &handler, "1764267000-0a1b2c3d").await;
    let line = collector.line("which this version cannot run").await;
    let slice = collector.span("the slice", |span| span.id == line.span).await;
    assert_eq!(slice.attributes["changefeed.job.id"], "1764267000-0a1b2c3d");
    assert_eq!((line.trace, line.level.as_str()), (slice.trace, "WARN"));
    assert_eq!(line.target, "changefeed_jobs::claim");
}

#[tokio::test]
async fn a_batch_that_fails_is_a_failed_span_and_its_reason_is_in_the_log_only() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let handler = handler(&world, &collector.url, &[]);
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    // A missing permission.
    let effect = Effect::Status { status: 403, substatus: 5300 };
    let container = Some("changes".to_owned());
    world.endpoint.inject(Fault { container, kind: RequestKind::Write, times: 1, effect });
    let (status, answer) = handler.invoke(&batch_of(&[stored]), false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    let span = collector.span("the batch", is_named("CosmosChangeFeed")).await;
    assert!(span.is_error);
    assert_eq!(span.attributes["http.response.status_code"], 503);
    let line = collector.line("could not store batch").await;
    assert_eq!((line.trace, line.span), (span.trace, span.id));
    assert!(!collector.has_in_spans("could not store"));
}

#[tokio::test]
async fn a_collector_that_hangs_delays_no_batch_and_a_full_queue_drops_spans() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Hold));
    let queue = [("OTEL_BSP_MAX_QUEUE_SIZE", "4"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")];
    let handler = handler(&world, &collector.url, &[&queue[..], &[("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")]].concat());
    capture(&world, &handler, json!({"id": "0", "pk": "a"})).await;
    for path in ["/v1/traces", "/v1/logs"] {
        until(path, DEADLINE, async || collector.is_holding(path)).await;
    }
    for n in 1..20 {
        capture(&world, &handler, json!({"id": n.to_string(), "pk": "a"})).await;
    }
    assert_eq!(world.versions().await.len(), 20);
    assert!(collector.is_holding("/v1/traces") && collector.spans().is_empty(), "{:?}", collector.spans());

    collector.set_answer(Answer::Accept);
    collector.span("a batch after the first", is_named("CosmosChangeFeed")).await;
    let (status, _) = handler.end().await;
    assert!(status.success());
    assert!(collector.spans().len() < 20, "{:?}", collector.spans());
}

#[tokio::test]
async fn a_collector_that_refuses_costs_one_warning_and_gets_what_comes_later() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Refuse));
    let handler = handler(&world, &collector.url, &[]);
    for n in 0..3 {
        capture(&world, &handler, json!({"id": n.to_string(), "pk": "a"})).await;
    }
    until("refused requests", DEADLINE, async || collector.refused() >= 8).await;
    assert_eq!(world.versions().await.len(), 3);
    collector.set_answer(Answer::Accept);
    let (_, answer) = handler.get("/api/status").await;
    assert!(answer["containers"].is_array(), "{answer}");
    collector.span("a later request", is_named("GET /api/status")).await;
    let (status, log) = handler.end().await;
    assert!(status.success());
    let warning = format!("could not export telemetry to {}: it answered 503", &collector.url["http://".len()..]);
    assert_eq!(log.matches("could not export telemetry").count(), 1, "{log}");
    assert!(log.contains(&warning), "{log}");
    // It would be the next reason to export.
    assert!(collector.lines().iter().all(|line| !line.text.contains("could not export")));
}

#[tokio::test]
async fn without_a_collector_batches_are_stored_and_the_process_ends() {
    let world = World::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
    let handler = handler(&world, &format!("http://{free}"), &[]);
    capture(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    world.only_version().await;
    let warning = format!("could not export telemetry to {free}: Connection refused");
    until("a warning", DEADLINE, async || handler.logged().contains(&warning)).await;
    let (status, _) = handler.end().await;
    assert!(status.success());
}

#[tokio::test]
async fn the_end_of_the_process_exports_what_waits_unless_the_collector_hangs() {
    let world = World::new().await;
    let rarely = [("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_BLRP_SCHEDULE_DELAY", "3600000")];
    for (answer, spans) in [(Answer::Accept, 1), (Answer::Hold, 0)] {
        let collector = Collector::start(answer);
        let handler = handler(&world, &collector.url, &rarely);
        capture(&world, &handler, json!({"id": "1", "pk": "a"})).await;
        assert!(collector.spans().is_empty() && collector.lines().is_empty());
        let (status, log) = handler.end().await;
        assert!(status.success(), "{log}");
        assert_eq!(collector.spans().len(), spans);
        assert_eq!(collector.lines().iter().any(|line| line.text.contains("listening on")), spans > 0);
        assert_eq!(log.contains("was not exported within 3 s"), spans == 0, "{log}");
    }
}

#[tokio::test]
async fn what_the_exporter_logs_is_not_exported() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let handler = handler(&world, &collector.url, &[("RUST_LOG", "trace")]);
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let effect = Effect::Status { status: 403, substatus: 5300 };
    let container = Some("changes".to_owned());
    world.endpoint.inject(Fault { container, kind: RequestKind::Write, times: 3, effect });
    // What the exporter logs while it exports the warning of one batch would be exported with that of the next.
    for failed in 1..=3 {
        let (status, answer) = handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        let warnings = || collector.lines().iter().filter(|line| line.text.contains("could not store batch")).count();
        until("the warning", DEADLINE, async || warnings() == failed).await;
    }
    let address = &collector.url["http://".len()..];
    assert!(handler.logged().contains(address), "{}", handler.logged());
    let texts: Vec<String> = collector.lines().into_iter().map(|line| line.text).collect();
    assert!(texts.iter().any(|text| text.contains("pooling idle connection")), "those of the client of Cosmos DB");
    assert_eq!(texts.iter().filter(|text| text.contains(address)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn the_variables_of_open_telemetry_have_effect_and_a_wrong_one_is_named() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    let named =
        [("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=one,service.name=other"), ("OTEL_SERVICE_NAME", "orders")];
    for (settings, service) in [(&named[..], "orders"), (&named[..0], "changefeed")] {
        let settings = [&[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")][..], settings].concat();
        let handler = handler(&world, &collector.url, &settings);
        handler.get("/api").await;
        let of_service = |span: &Span| span.resource["service.name"] == service;
        let span = collector.span(service, of_service).await;
        assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
        let instance = text(&span.resource["service.instance.id"]);
        assert_eq!((instance == "one", instance.contains(':')), (service == "orders", service != "orders"));
        assert!(!handler.logged().contains("secret"));
    }
    assert!(!collector.keys().is_empty() && collector.keys().iter().all(|key| key == "secret"));

    let off = Collector::start(Answer::Accept);
    for (setting, value, problem) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", Some("allowed are http/protobuf")),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318", Some("allowed are URLs such as http://localhost:4318")),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd", Some("allowed are gzip")),
        ("OTEL_SDK_DISABLED", "true", None),
    ] {
        let handler = handler(&world, &off.url, &[(setting, value)]);
        capture(&world, &handler, json!({"id": "1", "pk": "a"})).await;
        let (_, log) = handler.end().await;
        assert_eq!(log.contains("telemetry is not exported: "), problem.is_some(), "{setting}: {log}");
        assert!(problem.is_none_or(|problem| log.contains(problem)), "{setting}: {log}");
    }
    assert!(off.spans().is_empty() && off.lines().is_empty());
    let handler = handler(&world, &off.url, &[("OTEL_LOGS_EXPORTER", "none")]);
    handler.get("/api").await;
    assert!(handler.end().await.0.success());
    assert!(!off.spans().is_empty() && off.lines().is_empty());
}

#[tokio::test]
async fn batches_and_slices_of_the_processor_are_spans() {
    let (world, collector) = (World::new().await, Collector::start(Answer::Accept));
    world.create("leases", &["/id"]).await;
    let variables = [
        ("NO_PROXY", "127.0.0.1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let connection = world.endpoint.connection_string();
    let instance = Instance::start_with(&connection, &["--instance", "one"], &variables).expect("ready");
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    let batch = collector.span("the batch", is_named("process")).await;
    until("the version", DEADLINE, async || !world.versions().await.is_empty()).await;
    assert_eq!(batch.attributes["faas.invocation_id"], world.only_version().await["capturedBy"]);
    assert!(text(&batch.attributes["faas.invocation_id"]).starts_with("one:"), "{batch:?}");
    assert_eq!(batch.attributes["changefeed.versions.stored"], 1);
    let handler = world.handler();
    let (_, job) = handler.post("/api/verify", &json!({})).await;
    let is_slice = |span: &Span| span.name == "job slice" && span.attributes["changefeed.job.id"] == job["id"];
    collector.span("a slice", is_slice).await;
    assert!(instance.end("-TERM").await.success());
}
