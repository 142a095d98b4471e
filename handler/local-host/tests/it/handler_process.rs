//! The life of the handler process.

use local_host::{Delivery, HandlerOutput, HostFailure, InvocationError, OutputLine};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::scripted_handler;
use crate::test_host::{App, TestHost, TestHostSetup, with_deadline};

fn app() -> App {
    App::new(json!({})).with_cosmos("OnChange", Value::Null)
}

/// Delivers a batch, which succeeds.
/// Delivers a batch, and lets the handler succeed if it receives it.
async fn deliver(host: &TestHost) -> Delivery {
    let succeed = async {
        host.call().await.succeed().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        delivery = host.running.deliver("OnChange", &[]) => delivery.expect("a function"),
        () = succeed => unreachable!("it waits for the delivery"),
    }
}

async fn kill(pid: u64) {
    let status = tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).status().await;
    assert!(status.expect("kill").success());
}

#[tokio::test]
async fn the_handler_receives_the_hosts_variables_the_app_settings_and_the_apps_folder() {
    let set = |options: &mut local_host::HostOptions| drop(options.settings.insert("Setting".into(), "value".into()));
    let host = TestHost::start_with(app(), &[], set).await;
    let process = host.process().await;
    let root = host.app.root().canonicalize().expect("a folder");
    assert_eq!(process.report["folder"], json!(root));
    assert_eq!(process.variable("FUNCTIONS_APP_ROOT_PATH"), root.to_string_lossy());
    assert!(process.variable("FUNCTIONS_CUSTOMHANDLER_PORT").parse::<u16>().is_ok());
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_PORT"), process.variable("FUNCTIONS_HTTPWORKER_PORT"));
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID").len(), 36);
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID"), process.variable("FUNCTIONS_HTTPWORKER_ID"));
    assert_eq!(process.variable("Setting"), "value");
    assert!(!process.variable("PATH").is_empty());
    with_deadline(host.running.wait_until_handler_ready()).await.expect("a handler");
    assert_eq!(host.running.handler_pid().map(u64::from), Some(process.pid()));
}

#[tokio::test]
async fn the_command_line_of_host_json_is_expanded_joined_and_split_again() {
    let executable = std::env::current_exe().expect("this executable");
    let arguments =
        [&scripted_handler::ARGUMENTS[..], &["%EXTRA%", "p%FUNCTIONS_CUSTOMHANDLER_PORT%", "x%NoSuch%y"]].concat();
    let app = App::new(json!({"customHandler": {"description": {
        "defaultExecutablePath": "%FOLDER%/handler", "arguments": arguments, "defaultWorkerPath": "main file",
        "workerArguments": ["last"], "workingDirectory": "OnChange",
    }}}))
    .with_cosmos("OnChange", Value::Null);
    std::fs::create_dir(app.root().join("bin")).expect("a folder");
    std::os::unix::fs::symlink(executable, app.root().join("bin/handler")).expect("a link");
    let set = |options: &mut local_host::HostOptions| {
        (options.executable, options.arguments) = (None, None);
        options.settings.extend([("EXTRA", "a \"b c\""), ("FOLDER", "bin")].map(|(n, v)| (n.into(), v.into())));
    };
    let host = TestHost::start_with(app, &[], set).await;
    let process = host.process().await;
    let port = format!("p{}", process.variable("FUNCTIONS_CUSTOMHANDLER_PORT"));
    let expected = [&scripted_handler::ARGUMENTS[..], &["a", "b c", &port, "xy", "main file", "last"]].concat();
    assert_eq!(process.report["arguments"], json!(expected));
    assert!(process.report["folder"].as_str().is_some_and(|folder| folder.ends_with("/OnChange")));
}

#[tokio::test]
async fn a_failed_handler_is_restarted_and_the_third_failure_shuts_the_host_down() {
    let host = TestHost::start(app()).await;
    let first = host.process().await;
    with_deadline(host.running.wait_until_handler_ready()).await.expect("a handler");
    kill(first.pid()).await;
    let mut second = host.process().await;
    assert_ne!(first.pid(), second.pid());
    assert_eq!(deliver(&host).await, Delivery::Succeeded);
    second.command("exit 7").await;
    let mut third = host.process().await;
    assert_eq!(deliver(&host).await, Delivery::Succeeded);
    third.command("abort").await;
    let failure = with_deadline(host.running.failed()).await;
    assert_eq!(failure, HostFailure::RestartLimit { errors: 3, last: "was ended by signal 6".to_owned() });
    assert_eq!(with_deadline(host.running.wait_until_ready()).await, Err(failure));
    let (address, pid) = (host.running.address(), host.running.handler_pid());
    assert_eq!(pid, None);
    with_deadline(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_failure_quotes_the_last_lines_on_stderr() {
    let set = |options: &mut local_host::HostOptions| options.restart_limit = Some(1);
    let (lines, mut printed) = mpsc::unbounded_channel();
    let host = TestHost::start_with(app(), &[], |options| {
        set(options);
        options.handler_output = HandlerOutput::Channel(lines);
    })
    .await;
    let mut process = host.process().await;
    process.command("err out of memory").await;
    with_deadline(async { while printed.recv().await.is_some_and(|line| line.text != "out of memory") {} }).await;
    process.command("exit 5").await;
    let failure = with_deadline(host.running.failed()).await;
    assert_eq!(failure, HostFailure::RestartLimit { errors: 1, last: "ended with code 5: out of memory".to_owned() });
}

#[tokio::test]
async fn without_a_limit_the_handler_is_always_restarted() {
    let set = |options: &mut local_host::HostOptions| options.restart_limit = None;
    let host = TestHost::start_with(app(), &[], set).await;
    for _ in 0..5 {
        let process = host.process().await;
        assert_eq!(deliver(&host).await, Delivery::Succeeded);
        kill(process.pid()).await;
    }
    host.process().await;
    assert_eq!(deliver(&host).await, Delivery::Succeeded);
}

#[tokio::test]
async fn a_requested_restart_does_not_count_as_an_error() {
    let host = TestHost::start(app()).await;
    for _ in 0..4 {
        let mut process = host.process().await;
        assert_eq!(deliver(&host).await, Delivery::Succeeded);
        process.command("exit 200").await;
    }
    host.process().await;
    assert_eq!(deliver(&host).await, Delivery::Succeeded);
}

#[tokio::test]
async fn a_handler_that_ends_with_code_0_is_not_restarted_and_invocations_fail() {
    let host = TestHost::start(app()).await;
    let mut process = host.process().await;
    assert_eq!(deliver(&host).await, Delivery::Succeeded);
    process.command("exit 0").await;
    process.ended().await;
    let delivery = with_deadline(host.running.deliver("OnChange", &[])).await;
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Refused { .. }))), "{delivery:?}");
    with_deadline(async {
        while host.running.handler_pid().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let delivery = host.running.deliver("OnChange", &[]).await;
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Refused { .. }))), "{delivery:?}");
}

#[tokio::test]
async fn an_invocation_waits_for_a_starting_handler() {
    let host = TestHost::start_with(app(), &[""], |_| ()).await;
    let mut process = host.process().await;
    let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
        process.command("listen").await;
        host.call().await.succeed().await;
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn an_invocation_in_flight_fails_when_the_handler_is_killed() {
    let host = TestHost::start(app()).await;
    let process = host.process().await;
    let (delivery, call) = tokio::join!(host.running.deliver("OnChange", &[]), async {
        let call = host.call().await;
        kill(process.pid()).await;
        call
    });
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Transport(_)))), "{delivery:?}");
    call.abandoned().await;
}

#[tokio::test]
async fn a_handler_that_never_listens_is_restarted_and_counts_as_an_error() {
    let app = App::new(json!({"customHandler": {"initializationTimeout": "00:00:00.3"}}));
    let app = app.with_cosmos("OnChange", Value::Null);
    let set = |options: &mut local_host::HostOptions| options.restart_limit = Some(2);
    let host = TestHost::start_with(app, &["", ""], set).await;
    let failure = with_deadline(host.running.failed()).await;
    let last = "Initializing HttpWorker timed out.".to_owned();
    assert!(matches!(failure, HostFailure::RestartLimit { errors: 2, last: error } if error.contains(&last)));
}

#[tokio::test]
async fn an_invocation_that_waits_too_long_shuts_the_host_down() {
    let app = App::new(json!({"customHandler": {"initializationTimeout": "00:00:00.2"}}));
    let app = app.with_cosmos("OnChange", Value::Null);
    let set = |options: &mut local_host::HostOptions| options.restart_limit = None;
    let host = TestHost::start_with(app, &[""; 20], set).await;
    let delivery = with_deadline(host.running.deliver("OnChange", &[])).await;
    // The triggers stop together with the host, so either may end the delivery.
    assert!(
        matches!(delivery, Ok(Delivery::Skipped(InvocationError::NoHandler(_)) | Delivery::Stopped)),
        "{delivery:?}"
    );
    let failure = with_deadline(host.running.failed()).await;
    assert!(matches!(failure, HostFailure::InitializationTimedOut { .. }), "{failure}");
}

#[tokio::test]
async fn output_of_the_handler_is_passed_on_with_a_level() {
    let (lines, mut printed) = mpsc::unbounded_channel();
    let output = HandlerOutput::Channel(lines);
    let host = TestHost::start_with(app(), &[], |options| options.handler_output = output).await;
    let mut process = host.process().await;
    let expected = [
        ("out", log::Level::Info, "hello: an error"),
        ("err", log::Level::Error, "hello again"),
        ("err", log::Level::Warn, "a Warning"),
    ];
    for (stream, level, text) in expected {
        process.command(&format!("{stream} {text}")).await;
        let line = with_deadline(async {
            loop {
                match printed.recv().await {
                    Some(line) if line.text.ends_with(text) => return line,
                    Some(_) => {}
                    None => panic!("the output ended"),
                }
            }
        });
        assert_eq!(line.await, OutputLine { level, text: text.to_owned() });
    }
}

#[tokio::test]
async fn a_stop_kills_the_handler_and_closes_the_port() {
    let host = TestHost::start(app()).await;
    let process = host.process().await;
    with_deadline(host.running.wait_until_handler_ready()).await.expect("a handler");
    let address = host.running.address();
    with_deadline(host.running.stop()).await;
    process.ended().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn dropping_the_host_kills_the_handler_and_closes_the_port() {
    let app = app();
    let host = TestHostSetup::new(&app, &[]).await.start(app).await.expect("a host");
    let (process, address) = (host.process().await, host.running.address());
    drop(host);
    process.ended().await;
    with_deadline(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
}
