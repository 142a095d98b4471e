//! The error answers of an operation, for the description of the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::error_code::ErrorCode;

/// An error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes JSON and is never constructed")]
pub struct ErrorAnswer {
    #[schema(inline)]
    error: ErrorDetails,
}

/// What is wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes JSON and is never constructed")]
pub struct ErrorDetails {
    /// For programs.
    #[schema(example = "InvalidRequest")]
    code: String,
    /// For people.
    message: String,
    /// Present only where there is more to say.
    #[schema(required = false)]
    details: BTreeMap<String, Value>,
}

/// What each operation that reads a container can answer.
const READING: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::NotFound,
    ErrorCode::Throttled,
    ErrorCode::CorruptData,
    ErrorCode::InternalError,
    ErrorCode::CosmosForbidden,
    ErrorCode::Unavailable,
];
/// What each operation with a body can answer.
const WITH_BODY: &[ErrorCode] =
    &[ErrorCode::RequestTimeout, ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType];
/// What each operation that writes records can answer.
const WRITING: &[ErrorCode] = &[ErrorCode::Conflict, ErrorCode::PreconditionFailed, ErrorCode::PayloadTooLarge];

/// A group of error answers.
macro_rules! errors {
    ($($(#[$comment:meta])* $name:ident: $key_is_needed:literal, $($codes:expr),+;)+) => {$(
        $(#[$comment])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses($key_is_needed, &[$($codes as &[ErrorCode]),+].concat())
            }
        }
    )+};
}

errors! {
    /// The answers of an operation that needs no key and reads nothing.
    FixedErrors: false, &[ErrorCode::InvalidRequest];
    /// The answers of an operation that reads the program's own state.
    StatusErrors: true, &[ErrorCode::InvalidRequest];
    /// The answers of an operation that reads.
    ReadErrors: true, READING;
    /// The answers of an operation that reads a window of time.
    WindowErrors: true, READING, &[ErrorCode::WindowTooWide];
    /// The answers of a query, whose text is in the body.
    QueryErrors: true, READING, WITH_BODY;
    /// The answers of an operation that writes, without a body.
    WriteErrors: true, READING, WRITING;
    /// The answers of an operation that writes, with a body.
    WriteBodyErrors: true, READING, WRITING, WITH_BODY;
    /// The answers of an operation that opens the location of a backup.
    BackupErrors: true, READING, WRITING, WITH_BODY, &[ErrorCode::PlaceNotAllowed];
    /// The answers of a restore, which can be that of a window, or from a backup.
    RestoreErrors: true, READING, WRITING, WITH_BODY, &[ErrorCode::PlaceNotAllowed, ErrorCode::WindowTooWide];
    /// The answers of a function for trying out.
    TryoutErrors: true, READING, WRITING, WITH_BODY, &[ErrorCode::TurnedOff];
}

/// One answer for each status of the codes.
fn responses(key_is_needed: bool, codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<String, Vec<ErrorCode>>::new();
    for code in codes {
        let same_status = by_status.entry(code.status().as_str().to_owned()).or_default();
        if !same_status.contains(code) {
            same_status.push(*code);
        }
    }
    let mut responses: BTreeMap<String, RefOr<Response>> =
        by_status.into_iter().map(|(status, codes)| (status, response(&codes).into())).collect();
    if key_is_needed {
        let refused = Response::new("The Functions host refused the key. The answer has no body.");
        responses.insert("401".to_owned(), refused.into());
    }
    responses
}

fn response(codes: &[ErrorCode]) -> Response {
    let meanings: Vec<String> = codes.iter().map(|code| format!("`{code:?}`: {}.", code.meaning())).collect();
    let names: Vec<Value> = codes.iter().map(|code| json!(code)).collect();
    let code = Object::builder().enum_values(Some(names)).build();
    let error = ObjectBuilder::new().schema_type(Type::Object).property("code", code).build();
    let of_status = ObjectBuilder::new().schema_type(Type::Object).property("error", error).build();
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("ErrorAnswer")).item(of_status).build();
    let builder = ResponseBuilder::new()
        .description(meanings.join(" "))
        .content("application/json", Content::new(Some(Schema::AllOf(schema))));
    if codes.iter().any(|code| code.asks_for_retry()) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
        let header = Header::builder()
            .schema(Some(seconds))
            .description(Some("After how many seconds to send the request again."))
            .build();
        return builder.header("Retry-After", header).build();
    }
    builder.build()
}
