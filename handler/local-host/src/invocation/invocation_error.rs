//! Why an invocation failed, in the words of the real host. The handler receives them in `RetryContext.Exception`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::HostFailure;

/// A failed invocation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvocationError {
    /// The handler responded with a status other than 2xx.
    #[error("Response status code does not indicate success: {status} ({reason}).")]
    Status {
        /// The status code.
        status: u16,
        /// The standard reason phrase of that code.
        reason: String,
    },
    /// No response arrived, or the connection broke.
    #[error("An error occurred while sending the request. {0}")]
    Transport(String),
    /// The response is not a JSON object of the expected shape, or has another media type.
    #[error("Invalid HttpResponseMessage:\n{problem}\n {body}")]
    InvalidResponse {
        /// What is wrong with the response.
        problem: String,
        /// The response body.
        body: String,
    },
    /// The function timeout expired; the handler was killed.
    #[error("Timeout value of {0:?} exceeded by function. Initiating cancellation.")]
    Timeout(Duration),
    /// The host has shut down.
    #[error("{0}")]
    NoHandler(#[from] HostFailure),
}

impl InvocationError {
    /// The exception as Newtonsoft.Json serializes one.
    pub(super) fn exception(&self) -> Value {
        json!({
            "ClassName": self.class_name(),
            "Message": self.to_string(),
            "Data": null,
            "InnerException": null,
            "HelpURL": null,
            "StackTraceString": "   at LocalHost.Invoke()",
            "RemoteStackTraceString": null,
            "RemoteStackIndex": 0,
            "ExceptionMethod": null,
            "HResult": self.result_code(),
            "Source": "LocalHost",
            "WatsonBuckets": null,
        })
    }

    fn class_name(&self) -> &'static str {
        match self {
            Self::Status { .. } | Self::Transport(_) => "System.Net.Http.HttpRequestException",
            Self::InvalidResponse { .. } | Self::NoHandler(_) => "System.InvalidOperationException",
            Self::Timeout(_) => "Microsoft.Azure.WebJobs.Host.FunctionTimeoutException",
        }
    }

    fn result_code(&self) -> i32 {
        match self {
            Self::InvalidResponse { .. } | Self::NoHandler(_) => -2_146_233_079,
            Self::Status { .. } | Self::Transport(_) | Self::Timeout(_) => -2_146_233_088,
        }
    }
}
