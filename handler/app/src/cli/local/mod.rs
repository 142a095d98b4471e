//! `changefeed local`: everything on this machine. The embedded endpoint and the stand-in host run in this process, the
//! functions in a child process, as with the real host. One JSON line on standard output reports their addresses.

mod arguments;
mod browser;
mod incident;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use changefeed_cosmos::{KeyPath, SourceName};
use changefeed_operations::PopulateRequest;
use changefeed_processor::ChangeFeedMode;
use local_cosmos::{Endpoint, StartError};
use local_host::{Host, HostOptions, RunningHost};
use serde_json::{Value, json};

pub use self::arguments::LocalArguments;
use self::browser::open_in_browser;
use super::exit_code::Exit;
use super::interrupt::interrupted;
use super::output::print_line;
use super::progress::bar;
use super::source::TriggerOf;
use super::standard_error::{note, warning};
use crate::config::{ACTOR_FIELDS, JOB_BUDGET, MODE, RawSettings, SETTINGS, SettingValue, Settings};
use crate::feed::Feed;
use crate::service::Service;
use crate::sources::Sources;

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(arguments: &LocalArguments, raw: &RawSettings) -> Result<Exit> {
    let options = local_cosmos::Options {
        port: arguments.cosmos_port,
        control_port: arguments.control_port,
        require_key: arguments.require_account_key,
        partitions: arguments.partitions,
        data: arguments.data.clone(),
        ..Default::default()
    };
    let endpoint = Endpoint::start(options).await.map_err(|error| {
        let hint = matches!(error, StartError::Port { .. })
            .then_some("choose another port with --cosmos-port or --control-port; 0 uses any free port");
        match hint {
            Some(hint) => anyhow::Error::from(error).context(hint),
            None => error.into(),
        }
    })?;
    if arguments.cosmos_only {
        print_line(&ready(&endpoint, None).to_string())?;
        interrupted().await?;
        log_usage(&endpoint);
        endpoint.stop().await;
        return Ok(Exit::Done);
    }

    let mut settings = app_settings(raw, arguments.mode, &endpoint);
    let sources = Sources::new(Settings::read(&RawSettings::from(settings.clone()))?)?;
    for service in sources.all() {
        let containers = &service.changefeed.containers;
        containers.provision(&[KeyPath::property("pk")], false).await.context("provisioning the embedded endpoint")?;
        settings.extend(enabled_functions(raw, service));
        check_trigger(&arguments.script_root, service)?;
    }
    let host = Host::start(HostOptions {
        script_root: arguments.script_root.clone(),
        port: arguments.host_port,
        settings,
        require_keys: arguments.require_keys,
        time_zone: arguments.host_time_zone,
        timer_status_folder: arguments.data.as_ref().map(|folder| folder.join("timers")),
        executable: Some(std::env::current_exe().context("finding this executable")?),
        // Developers restart the handler on purpose, so there is no limit.
        restart_limit: None,
        ..HostOptions::default()
    })
    .await
    .with_context(|| {
        format!(
            "starting the stand-in Functions host in {} (see --script-root and --host-port)",
            arguments.script_root.display()
        )
    })?;
    let outcome = tokio::select! {
        outcome = serve(arguments, &endpoint, &host, &sources) => outcome,
        failure = host.failed() => bail!("the stand-in Functions host ended: {failure}"),
        interrupted = interrupted() => interrupted,
    };
    // A stopping host waits for calls in progress; a second signal ends that.
    tokio::select! {
        () = host.stop() => {}
        interrupted = interrupted() => interrupted?,
    }
    log_usage(&endpoint);
    endpoint.stop().await;
    outcome.map(|()| Exit::Done)
}

async fn serve(arguments: &LocalArguments, endpoint: &Endpoint, host: &RunningHost, sources: &Sources) -> Result<()> {
    host.wait_until_ready().await?;
    let service = sources.first();
    // Capture that is killed before its first checkpoint would start from a later moment.
    for service in sources.all() {
        service.lease_set(Feed::CaptureAllVersions).await?.pin_unstarted().await?;
    }
    if let Some(count) = arguments.populate {
        let bar = bar("Writing", count);
        let request = PopulateRequest { count, seed: arguments.seed, ..PopulateRequest::default() };
        service.changefeed.documents.populate(&request, &|done, _| bar.set_position(done)).await?;
        bar.finish_and_clear();
    }
    if arguments.incident {
        let bar = bar("Writing", incident::writes());
        let played = incident::play(endpoint, service, &|| bar.inc(1)).await.context("writing the incident")?;
        bar.finish_and_clear();
        if !played {
            warning("the container has documents; the incident is not written again");
        }
    }
    let mut ready = ready(endpoint, Some(&host.api_url()));
    if let Some(key) = host.function_key() {
        ready["functionKey"] = json!(key);
    }
    if let Some(key) = host.master_key() {
        ready["masterKey"] = json!(key);
    }
    let console = ready["console"].as_str().unwrap_or_default();
    // What happened in the last hour, if something did.
    let page = if arguments.incident { format!("{console}/find?from=1h") } else { console.to_owned() };
    note(format_args!("The console is at {page}"));
    print_line(&ready.to_string())?;
    if arguments.open {
        open_in_browser(&page);
    }
    std::future::pending().await
}

/// The line that reports the addresses.
fn ready(endpoint: &Endpoint, api: Option<&str>) -> Value {
    let mut ready = json!({"event": "ready"});
    if let Some(api) = api {
        ready["api"] = json!(api);
        ready["console"] = json!(format!("{api}/console"));
    }
    ready["cosmos"] = json!(endpoint.url());
    if let Some(control) = endpoint.control_url() {
        ready["control"] = json!(control.trim_end_matches('/'));
    }
    ready["connectionString"] = json!(endpoint.connection_string());
    ready
}

/// The fields that name the actor of a version, unless a setting says otherwise.
const LOCAL_ACTOR_FIELDS: &str = "updatedBy";
/// The change feed mode of the capture, unless the arguments or a setting say otherwise.
const LOCAL_MODE: &str = "AllVersionsAndDeletes";
/// The budget of a job, unless the request or a setting names one.
const LOCAL_JOB_BUDGET: &str = "unlimited";

/// The settings that enable the trigger of a source in its mode, and disable that in the other one. A source without a name has triggers in
/// every folder of an app: without that source, they are disabled.
fn enabled_functions(raw: &RawSettings, service: &Service) -> BTreeMap<String, String> {
    let settings = service.settings();
    let own = Feed::CAPTURED.map(|feed| (settings.function(feed), feed.mode() != settings.mode));
    let has_default = settings.sources.is_empty() || settings.sources.iter().any(SourceName::is_default);
    let unused = Feed::CAPTURED.into_iter().filter(|_| !has_default).map(|feed| (feed.function().to_owned(), true));
    let disabled = own.into_iter().chain(unused).map(|(function, is_disabled)| {
        let name = format!("AzureWebJobs.{function}.Disabled");
        let value = raw.get(&name).map_or_else(|| is_disabled.to_string(), |value| value.expose().to_owned());
        (name, value)
    });
    disabled.collect()
}

/// Checks that the app has the trigger of a source with a name.
fn check_trigger(app: &Path, service: &Service) -> Result<()> {
    let (settings, feed) = (service.settings(), Feed::captured_in(service.settings().mode));
    let trigger = TriggerOf { monitored: &settings.names.monitored, lease_prefix: settings.lease_prefix(feed) };
    let source = service.source();
    match trigger.differs_from(app, &settings.function(feed)).filter(|_| !source.is_default()) {
        Some(found) => bail!("{found}; run: changefeed source add {source} --script-root {}", app.display()),
        None => Ok(()),
    }
}

/// The settings of the functions: the environment, defaults for the rest, and the embedded endpoint as the account.
fn app_settings(raw: &RawSettings, mode: Option<ChangeFeedMode>, endpoint: &Endpoint) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for setting in SETTINGS.iter().filter(|setting| setting.name.starts_with("CHANGEFEED_")) {
        let default = match setting.name {
            // So that the actor of a version shows as soon as a document has one.
            name if name == ACTOR_FIELDS.name => LOCAL_ACTOR_FIELDS,
            // The embedded endpoint has the mode that misses nothing.
            name if name == MODE.name => LOCAL_MODE,
            // Its containers say that they have the least throughput, and no throughput limits them.
            name if name == JOB_BUDGET.name => LOCAL_JOB_BUDGET,
            _ => setting.default,
        };
        let default = Some(default).filter(|default| *default != "-");
        settings.extend(
            raw.get(setting.name)
                .map(SettingValue::expose)
                .or(default)
                .map(|value| (setting.name.to_owned(), value.to_owned())),
        );
    }
    if let Some(mode) = mode {
        settings.insert(MODE.name.to_owned(), mode.to_string());
    }
    for name in raw.names("CHANGEFEED_").filter(|name| name.contains("__")) {
        settings.extend(raw.get(name).map(|value| (name.to_owned(), value.expose().to_owned())));
    }
    // Both names, because the trigger prefers the longer one.
    for name in ["AzureWebJobsCosmosDB", "CosmosDB"] {
        settings.insert(name.to_owned(), endpoint.connection_string());
    }
    // Otherwise the SDK waits for the metadata service of an Azure machine.
    settings.insert("COSMOS_DISABLE_IMDS".to_owned(), "1".to_owned());
    settings
}

fn log_usage(endpoint: &Endpoint) {
    let usage = endpoint.usage();
    log::info!("the embedded endpoint answered {} requests for {:.0} RU", usage.requests, usage.request_units);
}
