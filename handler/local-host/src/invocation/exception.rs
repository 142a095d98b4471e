//! A failed attempt as `RetryContext.Exception` has it: as Newtonsoft.Json writes the exceptions of the real host.
//!
//! Exceptions that .NET can serialize are written by that interface, the others by their properties. Stack traces are not reproduced.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::invalid_response::{InvalidResponse, Problem};
use super::invocation_error::InvocationError;
use crate::app::time_span;

const STACK_TRACE: &str = "   at LocalHost.Invoke()";
const RESULT_EXCEPTION: i64 = -2_146_233_088;
const RESULT_INVALID_OPERATION: i64 = -2_146_233_079;
const RESULT_ARGUMENT: i64 = -2_147_024_809;
const RESULT_IO: i64 = -2_146_232_800;
const RESULT_SOCKET: i64 = -2_147_467_259;
/// The values of the enumeration `HttpRequestError`.
const CONNECTION_ERROR: i64 = 2;
const RESPONSE_ENDED: i64 = 10;
const ECONNREFUSED: i64 = 111;

pub(super) fn exception(error: &InvocationError, function: &str, invocation: Uuid) -> Value {
    if let InvocationError::Timeout(timeout) = error {
        let timeout = time_span::display(*timeout);
        let message = format!("Timeout value of {timeout} was exceeded by function: Functions.{function}");
        let exception = Serializable {
            class: "Microsoft.Azure.WebJobs.Host.FunctionTimeoutException",
            message,
            inner: Value::Null,
            result: RESULT_EXCEPTION,
            source: "Microsoft.Azure.WebJobs.Host",
        };
        let first = json!({
            "Timeout": timeout,
            "InstanceId": invocation.to_string(),
            "MethodName": format!("Functions.{function}"),
            "Handled": false,
        });
        return exception.json(first, json!({}));
    }
    let exception = Serializable {
        class: "Microsoft.Azure.WebJobs.Host.FunctionInvocationException",
        message: format!("Exception while executing function: Functions.{function}"),
        inner: inner(error),
        result: RESULT_EXCEPTION,
        source: "System.Private.CoreLib",
    };
    let first = json!({
        "InstanceId": invocation.to_string(),
        "MethodName": format!("Host.Functions.{function}"),
        "Handled": false,
    });
    exception.json(first, json!({}))
}

fn inner(error: &InvocationError) -> Value {
    match error {
        InvocationError::Status { status, .. } => {
            let first = json!({"HttpRequestError": 0, "StatusCode": status});
            properties(first, &error.to_string(), Value::Null, "System.Net.Http", RESULT_EXCEPTION)
        }
        InvocationError::Transport(_) => {
            let first = json!({"HttpRequestError": RESPONSE_ENDED});
            let message = "The response ended prematurely. (ResponseEnded)";
            let ended = properties(first, message, Value::Null, "System.Net.Http", RESULT_IO);
            let first = json!({"HttpRequestError": RESPONSE_ENDED, "StatusCode": null});
            properties(first, "An error occurred while sending the request.", ended, "System.Net.Http", RESULT_IO)
        }
        InvocationError::Refused { .. } => {
            let refused = Serializable {
                class: "System.Net.Sockets.SocketException",
                message: "Connection refused".to_owned(),
                inner: Value::Null,
                result: RESULT_SOCKET,
                source: "System.Net.Sockets",
            };
            let refused = refused.json(json!({}), json!({"NativeErrorCode": ECONNREFUSED}));
            let first = json!({"HttpRequestError": CONNECTION_ERROR, "StatusCode": null});
            properties(first, &error.to_string(), refused, "System.Net.Http", RESULT_SOCKET)
        }
        InvocationError::InvalidResponse(invalid) => invalid_operation(error, of_problem(invalid)),
        InvocationError::NoHandler(_) | InvocationError::Timeout(_) => invalid_operation(error, Value::Null),
    }
}

fn invalid_operation(error: &InvocationError, inner: Value) -> Value {
    let exception = Serializable {
        class: "System.InvalidOperationException",
        message: error.to_string(),
        inner,
        result: RESULT_INVALID_OPERATION,
        source: "Microsoft.Azure.WebJobs.Script",
    };
    exception.json(json!({}), json!({}))
}

fn of_problem(invalid: &InvalidResponse) -> Value {
    let (class, inner) = match &invalid.problem {
        Problem::MediaType { media_type, charset } => {
            let parameters = match charset {
                Some(charset) => json!([{"Name": "charset", "Value": charset}]),
                None => json!([]),
            };
            let media_type = json!({"CharSet": charset, "Parameters": parameters, "MediaType": media_type});
            let first = json!({"MediaType": media_type});
            let message = invalid.problem.to_string();
            return properties(first, &message, Value::Null, "System.Net.Http.Formatting", RESULT_EXCEPTION);
        }
        Problem::Conversion { from, to, .. } => {
            let argument = Serializable {
                class: "System.ArgumentException",
                message: format!("Could not cast or convert from {from} to {to}."),
                inner: Value::Null,
                result: RESULT_ARGUMENT,
                source: "Newtonsoft.Json",
            };
            ("Newtonsoft.Json.JsonSerializationException", argument.json(json!({}), json!({"ParamName": null})))
        }
        Problem::UnexpectedEnd(_) | Problem::Array(_) => ("Newtonsoft.Json.JsonSerializationException", Value::Null),
        Problem::Syntax(_) => ("Newtonsoft.Json.JsonReaderException", Value::Null),
    };
    let exception = Serializable {
        class,
        message: invalid.problem.to_string(),
        inner,
        result: RESULT_EXCEPTION,
        source: "Newtonsoft.Json",
    };
    exception.json(json!({}), json!({}))
}

/// An exception that .NET can serialize.
struct Serializable {
    class: &'static str,
    message: String,
    inner: Value,
    result: i64,
    source: &'static str,
}

impl Serializable {
    fn json(self, first: Value, last: Value) -> Value {
        let common = json!({
            "ClassName": self.class,
            "Message": self.message,
            "Data": null,
            "InnerException": self.inner,
            "HelpURL": null,
            "StackTraceString": STACK_TRACE,
            "RemoteStackTraceString": null,
            "RemoteStackIndex": 0,
            "ExceptionMethod": null,
            "HResult": self.result,
            "Source": self.source,
            "WatsonBuckets": null,
        });
        joined([first, common, last])
    }
}

/// An exception that is written by its properties.
fn properties(first: Value, message: &str, inner: Value, source: &str, result: i64) -> Value {
    let common = json!({
        "Message": message,
        "Data": {},
        "InnerException": inner,
        "HelpLink": null,
        "Source": source,
        "HResult": result,
        "StackTrace": STACK_TRACE,
    });
    joined([first, common])
}

fn joined<const N: usize>(parts: [Value; N]) -> Value {
    let parts = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(parts.flatten().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{InvocationError, Uuid, Value, exception};

    #[test]
    fn a_timeout_is_written_as_the_real_host_writes_it() {
        let recording: Value =
            serde_json::from_str(include_str!("../../tests/it/recordings/empty-answer-hangs.json")).expect("JSON");
        let body = recording["requests"][1]["body"].as_str().expect("a text");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let mut expected = body["Metadata"]["RetryContext"]["Exception"].clone();
        let id: Uuid = expected["InstanceId"].as_str().expect("a text").parse().expect("a GUID");
        expected["StackTraceString"] = super::STACK_TRACE.into();
        let written = exception(&InvocationError::Timeout(Duration::from_secs(10)), "CosmosChangeFeed", id);
        assert_eq!(written.to_string(), expected.to_string());
    }

    #[test]
    fn a_refused_connection_has_the_address_and_the_error_of_the_system() {
        let address = ([127, 0, 0, 1], 9).into();
        let written = exception(&InvocationError::Refused { address }, "F", Uuid::nil());
        assert_eq!(written["InnerException"]["Message"], "Connection refused (127.0.0.1:9)");
        assert_eq!(written["InnerException"]["InnerException"]["NativeErrorCode"], 111);
    }
}
