//! The span of an invocation: of a function that a trigger calls, or of an HTTP function.

use std::borrow::Cow;

use actix_web::Error;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::span::{count, failed};
use crate::feed::Feed;

/// What is known of an invocation before it is answered; `None` for the path that the host polls at the start.
pub struct Invocation(Option<Start>);

struct Start {
    /// The span of the `traceparent` header.
    parent: Context,
    name: Cow<'static, str>,
    attributes: Vec<KeyValue>,
}

impl Invocation {
    /// The invocation that a request belongs to. Of its path, the pattern is known to the span: not the ids in it.
    pub fn of(request: &ServiceRequest, id: Option<&str>) -> Self {
        let pattern = request.match_pattern();
        if pattern.as_deref() == Some("/") {
            return Self(None);
        }
        let id = id.map(|id| KeyValue::new("faas.invocation_id", id.to_owned()));
        let mut attributes = Vec::from_iter(id);
        let function = pattern.as_deref().filter(|pattern| !pattern.starts_with("/api"));
        let (trigger, name) = match function.map(|path| path.trim_start_matches('/')) {
            Some(name) if Feed::ALL.iter().any(|feed| feed.function() == name) => ("datasource", name.to_owned()),
            Some(name) => ("timer", name.to_owned()),
            None => {
                let method = request.method().to_string();
                let name = format!("{method} {}", pattern.as_deref().unwrap_or("unknown path"));
                attributes.push(KeyValue::new("http.request.method", method));
                attributes.extend(pattern.map(|pattern| KeyValue::new("http.route", pattern)));
                ("http", name)
            }
        };
        attributes.push(KeyValue::new("faas.trigger", trigger));
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        Self(Some(Start { parent, name: name.into(), attributes }))
    }

    /// Answers within the span.
    pub async fn around<B>(
        self,
        answer: impl Future<Output = Result<ServiceResponse<B>, Error>>,
    ) -> Result<ServiceResponse<B>, Error> {
        let Some(Start { parent, name, attributes }) = self.0 else { return answer.await };
        let tracer = global::tracer(env!("CARGO_PKG_NAME"));
        let span = tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let context = parent.with_span(span.start_with_context(&tracer, &parent));
        let answering = async {
            let answered = answer.await;
            let status = match &answered {
                Ok(response) => response.status(),
                Err(error) => error.as_response_error().status_code(),
            };
            count("http.response.status_code", status.as_u16().into());
            if status.is_server_error() {
                failed();
            }
            answered
        };
        answering.with_context(context).await
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
