//! The files of a function app: host.json, and a function.json in each function's folder; and the app settings.

mod fields;
mod function_app;
mod function_json;
mod host_json;
mod retry_policy;
mod schedule;
mod settings;
pub(crate) mod time_span;

pub(crate) use function_app::FunctionApp;
pub(crate) use function_json::{AuthLevel, CosmosTrigger, Function, TimerTrigger, Trigger};
pub(crate) use host_json::Description;
pub(crate) use retry_policy::RetryPolicy;
pub(crate) use schedule::Schedule;
pub(crate) use settings::Settings;
