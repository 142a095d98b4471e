//! A collector of OpenTelemetry: decodes what is exported, and answers, refuses or holds the requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{DEADLINE, until};

/// The largest body.
const MAX_BYTES: usize = 64 << 20;

/// What the collector does with a request.
#[derive(Clone, Copy, PartialEq)]
pub enum Answer {
    Accept,
    Refuse,
    /// Until there is another answer.
    Hold,
}

/// A received span. Ids are hexadecimal.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub kind: i32,
    pub is_error: bool,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
}

/// A received line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub target: String,
    pub level: String,
    pub text: String,
    pub trace: String,
    pub span: String,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    lines: Vec<Line>,
    /// The bodies of requests with spans.
    bodies: Vec<Bytes>,
    /// The `api-key` header of each request.
    keys: Vec<String>,
    /// The paths of requests that are held, and the number of those that were refused.
    held: Vec<String>,
    refused: usize,
}

/// A running collector, which ends with the test.
pub struct Collector {
    received: Arc<Mutex<Received>>,
    answer: watch::Sender<Answer>,
    pub url: String,
}

impl Collector {
    pub fn start(answer: Answer) -> Self {
        let received = Arc::<Mutex<Received>>::default();
        let (answer, answers) = watch::channel(answer);
        let data = (Data::from(Arc::clone(&received)), Data::new(answers));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let app = move || {
            let (received, answers) = data.clone();
            let app = App::new().app_data(received).app_data(answers).app_data(PayloadConfig::new(MAX_BYTES));
            app.default_service(web::to(receive))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("a server").run();
        tokio::spawn(server);
        Self { received, answer, url }
    }

    pub fn set_answer(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn spans(&self) -> Vec<Span> {
        self.received().spans.clone()
    }

    pub fn lines(&self) -> Vec<Line> {
        self.received().lines.clone()
    }

    /// Whether a text is in a request with spans.
    pub fn has_in_spans(&self, text: &str) -> bool {
        self.received().bodies.iter().any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    pub fn keys(&self) -> Vec<String> {
        self.received().keys.clone()
    }

    pub fn is_holding(&self, path: &str) -> bool {
        self.received().held.iter().any(|held| held == path)
    }

    pub fn refused(&self) -> usize {
        self.received().refused
    }

    /// Waits for the first span that fits.
    pub async fn span(&self, what: &str, fits: impl Fn(&Span) -> bool) -> Span {
        let found = || self.spans().into_iter().find(&fits);
        until(what, DEADLINE, async || found().is_some()).await;
        found().expect("a span")
    }

    /// Waits for the first line with a text.
    pub async fn line(&self, text: &str) -> Line {
        let found = || self.lines().into_iter().find(|line| line.text.contains(text));
        until(text, DEADLINE, async || found().is_some()).await;
        found().expect("a line")
    }
}

async fn receive(
    received: Data<Mutex<Received>>,
    answers: Data<watch::Receiver<Answer>>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let received = || received.lock().unwrap_or_else(PoisonError::into_inner);
    let path = request.path().to_owned();
    assert_eq!(request.headers().get("content-type").expect("a type"), "application/x-protobuf");
    let mut answers = answers.get_ref().clone();
    if *answers.borrow() == Answer::Hold {
        received().held.push(path.clone());
    }
    let answer = *answers.wait_for(|answer| *answer != Answer::Hold).await.expect("an answer");
    let mut received = received();
    received.held.retain(|held| *held != path);
    if answer == Answer::Refuse {
        received.refused += 1;
        return HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE);
    }
    let key = request.headers().get("api-key").map(|key| key.to_str().expect("a key").to_owned());
    received.keys.extend(key);
    match path.as_str() {
        "/v1/traces" => {
            received.spans.extend(spans(&body));
            received.bodies.push(body);
        }
        "/v1/logs" => received.lines.extend(lines(&body)),
        other => panic!("{other}"),
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("spans");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = members(of_resource.resource.expect("a resource").attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind,
                is_error: span.status.is_some_and(|status| status.code == SpanStatus::Error as i32),
                attributes: members(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn lines(body: &[u8]) -> Vec<Line> {
    let request = ExportLogsServiceRequest::decode(body).expect("lines");
    let scopes = request.resource_logs.into_iter().flat_map(|of_resource| of_resource.scope_logs);
    scopes
        .flat_map(|scope| {
            let target = scope.scope.map(|scope| scope.name).unwrap_or_default();
            scope.log_records.into_iter().map(move |record| Line {
                target: target.clone(),
                level: record.severity_text,
                text: value(record.body).as_str().unwrap_or_default().to_owned(),
                trace: hex(&record.trace_id),
                span: hex(&record.span_id),
            })
        })
        .collect()
}

fn members(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
    attributes.into_iter().map(|attribute| (attribute.key, value(attribute.value))).collect()
}

fn value(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::DoubleValue(number)) => json!(number),
        Some(any_value::Value::BoolValue(flag)) => json!(flag),
        None => Value::Null,
        Some(other) => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
