//! The error answers of an operation, for the description of the API.

#![cfg_attr(not(test), expect(dead_code, reason = "only a test makes the description of the API"))]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
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

/// Groups of error answers, and the answers of all groups for the components of the document.
macro_rules! errors {
    ($($(#[$comment:meta])* $name:ident: $key_is_needed:literal, $($codes:expr),+;)+) => {
        $(
            $(#[$comment])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    references($key_is_needed, &[$($codes as &[ErrorCode]),+].concat())
                }
            }
        )+

        /// The error answers of all operations, by the names under which they are components of the document.
        #[cfg(test)]
        pub fn error_components() -> BTreeMap<String, RefOr<Response>> {
            let groups = [$([$($codes as &[ErrorCode]),+].concat()),+];
            let mut components: BTreeMap<String, RefOr<Response>> = groups
                .iter()
                .flat_map(|codes| by_status(codes).into_values())
                .map(|codes| (component_name(&codes), response(&codes).into()))
                .collect();
            let refused = Response::new("The Functions host refused the key. The answer has no body.");
            components.insert(KEY_REFUSED.to_owned(), refused.into());
            components
        }
    };
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

/// The component for 401.
const KEY_REFUSED: &str = "KeyRefused";

/// The codes by their status.
fn by_status(codes: &[ErrorCode]) -> BTreeMap<String, Vec<ErrorCode>> {
    let mut by_status = BTreeMap::<String, Vec<ErrorCode>>::new();
    for code in codes {
        let same_status = by_status.entry(code.status().as_str().to_owned()).or_default();
        if !same_status.contains(code) {
            same_status.push(*code);
        }
    }
    by_status
}

/// `InvalidRequestOrWindowTooWide`
fn component_name(codes: &[ErrorCode]) -> String {
    codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("Or")
}

/// One answer for each status of the codes.
fn references(key_is_needed: bool, codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let names = by_status(codes).into_iter().map(|(status, codes)| (status, component_name(&codes)));
    let refused = key_is_needed.then(|| ("401".to_owned(), KEY_REFUSED.to_owned()));
    names.chain(refused).map(|(status, name)| (status, Ref::from_response_name(name).into())).collect()
}

fn response(codes: &[ErrorCode]) -> Response {
    let meanings: Vec<String> = codes.iter().map(|code| format!("`{code:?}`: {}.", code.meaning())).collect();
    let names: Vec<Value> = codes.iter().map(|code| json!(code)).collect();
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build();
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
