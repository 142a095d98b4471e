//! host.json: handler, timeouts, route prefix, and the default retry policy.

use std::path::Path;
use std::time::Duration;

use super::fields::Fields;
use super::retry_policy::RetryPolicy;
use super::time_span;
use crate::error::HostError;

const DEFAULT_FUNCTION_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const DEFAULT_INITIALIZATION_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct HostJson {
    /// `None` is no limit.
    pub function_timeout: Option<Duration>,
    pub description: Description,
    pub initialization_timeout: Duration,
    /// The handler's port; `None` is any free one.
    pub handler_port: Option<u16>,
    pub route_prefix: String,
    /// Whether requests are proxied to the handler; otherwise it receives them as JSON.
    pub proxies_http: bool,
    /// For functions without their own policy.
    pub retry: Option<RetryPolicy>,
}

/// `customHandler.description`, before variables are expanded.
#[derive(Debug)]
pub(crate) struct Description {
    pub executable: Option<String>,
    pub worker_path: Option<String>,
    pub working_directory: Option<String>,
    pub worker_directory: Option<String>,
    pub arguments: Vec<String>,
    pub worker_arguments: Vec<String>,
    pub stderr_for_errors_only: bool,
}

impl HostJson {
    pub(crate) fn read(file: &Path) -> Result<Self, HostError> {
        let root = Fields::read(file)?;
        if root.string("version")?.as_deref() != Some("2.0") {
            return Err(root.invalid("version", "\"2.0\""));
        }
        let custom_handler =
            root.section("customHandler")?.ok_or_else(|| root.invalid("customHandler", "an object"))?;
        let proxies_http = custom_handler.boolean("enableProxyingHttpRequest")? == Some(true);
        if !proxies_http && custom_handler.boolean("enableForwardingHttpRequest")? == Some(true) {
            return Err(custom_handler.invalid(
                "enableForwardingHttpRequest",
                "false; the stand-in host can proxy requests, with enableProxyingHttpRequest, or send them as JSON",
            ));
        }
        if let Some(http) = custom_handler.section("http")?
            && !http.sections("routes")?.is_empty()
        {
            return Err(
                http.invalid("routes", "none, because the stand-in host reads functions from function.json files only")
            );
        }
        let description =
            custom_handler.section("description")?.ok_or_else(|| custom_handler.invalid("description", "an object"))?;
        Ok(Self {
            function_timeout: function_timeout(&root)?,
            description: Description::from_fields(&description)?,
            initialization_timeout: custom_handler
                .time_span("initializationTimeout")?
                .unwrap_or(DEFAULT_INITIALIZATION_TIMEOUT),
            handler_port: handler_port(&custom_handler)?,
            route_prefix: route_prefix(&root)?,
            proxies_http,
            retry: root.section("retry")?.as_ref().map(RetryPolicy::from_fields).transpose()?,
        })
    }
}

impl Description {
    fn from_fields(section: &Fields) -> Result<Self, HostError> {
        let non_empty = |name| section.string(name).map(|text| text.filter(|text| !text.is_empty()));
        Ok(Self {
            executable: non_empty("defaultExecutablePath")?,
            worker_path: non_empty("defaultWorkerPath")?,
            working_directory: non_empty("workingDirectory")?,
            worker_directory: non_empty("workerDirectory")?,
            arguments: section.strings("arguments")?.unwrap_or_default(),
            worker_arguments: section.strings("workerArguments")?.unwrap_or_default(),
            stderr_for_errors_only: section.boolean("useStdErrorStreamForErrorsOnly")?.unwrap_or(true),
        })
    }
}

fn function_timeout(root: &Fields) -> Result<Option<Duration>, HostError> {
    let Some(text) = root.string("functionTimeout")? else { return Ok(Some(DEFAULT_FUNCTION_TIMEOUT)) };
    let allowed = format!("-1 for no limit, or {} of at least one second", time_span::SYNTAX);
    match time_span::parse(&text) {
        _ if text.trim() == "-1" => Ok(None),
        Some(timeout) if timeout >= Duration::from_secs(1) => Ok(Some(timeout)),
        _ => Err(root.invalid("functionTimeout", &allowed)),
    }
}

fn handler_port(custom_handler: &Fields) -> Result<Option<u16>, HostError> {
    let Some(port) = custom_handler.integer("port")? else { return Ok(None) };
    let port = u16::try_from(port).ok().filter(|port| *port != 0);
    port.map(Some).ok_or_else(|| custom_handler.invalid("port", "an integer from 1 to 65535"))
}

fn route_prefix(root: &Fields) -> Result<String, HostError> {
    let http = root.section("extensions")?.map(|extensions| extensions.section("http")).transpose()?.flatten();
    let prefix = http.as_ref().map(|http| http.string("routePrefix")).transpose()?.flatten();
    match (prefix, http) {
        (Some(prefix), Some(http)) if prefix.starts_with('/') || prefix.ends_with('/') => {
            Err(http.invalid("routePrefix", "a path without leading or trailing slash, or an empty string"))
        }
        (prefix, _) => Ok(prefix.unwrap_or_else(|| "api".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::HostJson;

    fn read(json: &str) -> Result<HostJson, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("host.json");
        std::fs::write(&file, json).expect("a file");
        HostJson::read(&file).map_err(|error| error.to_string().replace(&format!("{}", file.display()), "host.json"))
    }

    fn with(more: &str) -> String {
        format!(
            r#"{{"version":"2.0","customHandler":{{"enableProxyingHttpRequest":true,
                "description":{{"defaultExecutablePath":"handler"}}}}{more}}}"#
        )
    }

    #[test]
    fn missing_properties_have_the_hosts_defaults_and_unknown_ones_are_ignored() {
        let host = read(&with(r#","logging":{"x":1},"extensionBundle":{}"#)).expect("host.json");
        assert_eq!(host.function_timeout, Some(Duration::from_secs(1800)));
        assert_eq!(host.initialization_timeout, Duration::from_secs(30));
        assert_eq!((host.route_prefix.as_str(), host.handler_port, host.retry), ("api", None, None));
        assert!(host.description.stderr_for_errors_only);
    }

    #[test]
    fn a_function_timeout_of_minus_one_is_no_limit() {
        assert_eq!(read(&with(r#","functionTimeout":"-1""#)).expect("host.json").function_timeout, None);
        assert_eq!(read(&with(r#","functionTimeout":-1"#)).expect("host.json").function_timeout, None);
    }

    #[test]
    fn the_route_prefix_can_be_empty() {
        let host = read(&with(r#","extensions":{"http":{"routePrefix":""}}"#)).expect("host.json");
        assert_eq!(host.route_prefix, "");
    }

    #[test]
    fn an_invalid_value_is_rejected_with_file_property_value_and_what_is_allowed() {
        let error = read(&with(r#","functionTimeout":"soon""#)).expect_err("no time span");
        assert_eq!(
            error,
            "host.json: functionTimeout is \"soon\"; allowed: -1 for no limit, or a time span such as 00:30:00 \
             ([days.]hours:minutes[:seconds[.fraction]]) of at least one second"
        );
        let error = read(&with(r#","retry":{"strategy":"fixedDelay","maxRetryCount":-2}"#)).expect_err("no count");
        assert_eq!(
            error,
            "host.json: retry.maxRetryCount is -2; allowed: -1 for no limit, or an integer of at least 0"
        );
        let error = read(&with(r#","retry":{"strategy":"never","maxRetryCount":1}"#)).expect_err("no strategy");
        assert_eq!(error, "host.json: retry.strategy is \"never\"; allowed: fixedDelay, exponentialBackoff");
        let error = read(r#"{"version":"2.0"}"#).expect_err("no handler");
        assert_eq!(error, "host.json: customHandler is missing; allowed: an object");
        assert!(read("{").expect_err("no JSON").starts_with("host.json is not valid JSON: EOF"));
    }

    #[test]
    fn requests_are_sent_as_json_unless_they_are_proxied() {
        let read = |more: &str| read(&format!(r#"{{"version":"2.0","customHandler":{{"description":{{}}{more}}}}}"#));
        assert!(!read("").expect("host.json").proxies_http);
        assert!(!read(r#","enableProxyingHttpRequest":false"#).expect("host.json").proxies_http);
        let both = r#","enableProxyingHttpRequest":true,"enableForwardingHttpRequest":true"#;
        assert!(read(both).expect("host.json").proxies_http);
        let error = read(r#","enableForwardingHttpRequest":true"#).expect_err("forwarding");
        assert!(error.contains("customHandler.enableForwardingHttpRequest is true; allowed: false"), "{error}");
    }
}
