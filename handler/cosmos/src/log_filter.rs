//! The log filters of the SDK: it logs every retry, which is no news to an operator.

/// For a process that serves: the SDK's warnings are logged.
pub const SERVING_LOG_FILTER: &str = "azure_data_cosmos_driver=warn";
/// For a command, whose output is read by a person: only the SDK's errors are logged.
pub const COMMAND_LOG_FILTER: &str = "azure_data_cosmos_driver=error";
