//! The control interface over HTTP and JSON, on a loopback port of its own.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::ALLOW;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

use super::{ControlError, description, expire, fault_requests, partition_count, partition_list, settings, transition};
use crate::gateway::Gateway;
use crate::limits::MAX_CONTROL_REQUEST_BYTES;

/// Serves on a listener until the handle or the runtime stops it.
pub(crate) fn serve(gateway: &Arc<Gateway>, listener: TcpListener) -> std::io::Result<ServerHandle> {
    let data = Data::from(Arc::clone(gateway));
    let app = move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(MAX_CONTROL_REQUEST_BYTES))
            .default_service(web::to(answer))
    };
    let server =
        HttpServer::new(app).tcp_nodelay(true).workers(1).disable_signals().shutdown_timeout(0).listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

async fn answer(gateway: Data<Gateway>, request: HttpRequest, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    if let Err(refused) = loopback::check(&request) {
        return refuse(StatusCode::FORBIDDEN, "Forbidden", refused.to_string());
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => return refuse(error.as_response_error().status_code(), "BadRequest", error.to_string()),
    };
    let allowed = description::methods(request.path());
    if allowed.is_empty() {
        let message = format!("unknown path {}; GET / lists the requests", request.path());
        return refuse(StatusCode::NOT_FOUND, "NotFound", message);
    }
    if !allowed.contains(&request.method().as_str()) {
        let allowed = allowed.join(", ");
        let message = format!("{} does not support {}; it supports {allowed}", request.path(), request.method());
        return HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, allowed))
            .json(error("MethodNotAllowed", &message));
    }
    match execute(&gateway.into_inner(), &request, &body).await {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => {
            let (status, code) = status(&error);
            refuse(status, code, error.to_string())
        }
    }
}

async fn execute(gateway: &Arc<Gateway>, request: &HttpRequest, body: &[u8]) -> Result<Value, ControlError> {
    match (request.method().as_str(), request.path()) {
        ("GET", "/partitions") => partition_list::answer(gateway, request.query_string()),
        ("POST", "/partitions") => partition_count::answer(gateway, body).await,
        ("POST", "/split") => transition::answer_split(gateway, body).await,
        ("POST", "/merge") => transition::answer_merge(gateway, body).await,
        ("POST", "/throttle") => settings::answer_throttle(gateway, body),
        ("POST", "/faults") => fault_requests::add(gateway, body),
        ("GET", "/faults") => Ok(fault_requests::pending(gateway)),
        ("DELETE", "/faults") => Ok(fault_requests::clear(gateway)),
        ("POST", "/unindexed-queries") => settings::answer_unindexed_queries(gateway, body),
        ("GET", "/requests") => Ok(json!({"requests": gateway.requests.list()})),
        ("DELETE", "/requests") => Ok(json!({"requests": gateway.requests.take()})),
        ("POST", "/expire") => expire::answer(gateway, body),
        ("POST", "/previous-images") => settings::answer_previous_images(gateway, body),
        ("POST", "/clock") => settings::answer_clock(gateway, body),
        _ => Ok(description::describe(gateway)),
    }
}

fn status(error: &ControlError) -> (StatusCode, &'static str) {
    match error {
        ControlError::NoContainer { .. } | ControlError::NoPartition { .. } | ControlError::NoItem(_) => {
            (StatusCode::NOT_FOUND, "NotFound")
        }
        ControlError::NotAdjacent(..) | ControlError::Invalid(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
        ControlError::Busy => (StatusCode::CONFLICT, "Conflict"),
        ControlError::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
    }
}

fn refuse(status: StatusCode, code: &str, message: String) -> HttpResponse {
    HttpResponse::build(status).json(error(code, &message))
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}
