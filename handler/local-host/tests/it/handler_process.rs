//! The life of the handler process.

use local_host::{Delivery, HandlerOutput, HostFailure, InvocationError, OutputLine};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::puppet;
use crate::stage::{App, Backstage, Stage, within};

fn app() -> App {
    App::new(json!({})).with_cosmos("OnChange", Value::Null)
}

/// What becomes of a batch that any handler accepts.
async fn delivery(stage: &Stage) -> Delivery {
    let (delivery, ()) =
        tokio::join!(stage.host.deliver("OnChange", &[]), async { stage.call().await.succeed().await });
    delivery.expect("a function")
}

async fn kill(pid: u64) {
    let status = tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).status().await;
    assert!(status.expect("kill").success());
}

#[tokio::test]
async fn the_handler_sees_the_hosts_variables_the_app_settings_and_the_apps_folder() {
    let set = |options: &mut local_host::HostOptions| drop(options.settings.insert("Setting".into(), "value".into()));
    let stage = Stage::set_with(app(), &[], set).await;
    let process = stage.process().await;
    let root = stage.app.root().canonicalize().expect("a folder");
    assert_eq!(process.report["folder"], json!(root));
    assert_eq!(process.variable("FUNCTIONS_APP_ROOT_PATH"), root.to_string_lossy());
    assert!(process.variable("FUNCTIONS_CUSTOMHANDLER_PORT").parse::<u16>().is_ok());
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_PORT"), process.variable("FUNCTIONS_HTTPWORKER_PORT"));
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID").len(), 36);
    assert_eq!(process.variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID"), process.variable("FUNCTIONS_HTTPWORKER_ID"));
    assert_eq!(process.variable("Setting"), "value");
    assert!(!process.variable("PATH").is_empty());
    within(stage.host.wait_until_handler_ready()).await.expect("a handler");
    assert_eq!(stage.host.handler_pid().map(u64::from), Some(process.pid()));
}

#[tokio::test]
async fn the_command_line_of_host_json_is_expanded_joined_and_split_again() {
    let executable = std::env::current_exe().expect("this executable");
    let arguments = [&puppet::ARGUMENTS[..], &["%EXTRA%", "p%FUNCTIONS_CUSTOMHANDLER_PORT%", "x%NoSuch%y"]].concat();
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
    let stage = Stage::set_with(app, &[], set).await;
    let process = stage.process().await;
    let port = format!("p{}", process.variable("FUNCTIONS_CUSTOMHANDLER_PORT"));
    let expected = [&puppet::ARGUMENTS[..], &["a", "b c", &port, "xy", "main file", "last"]].concat();
    assert_eq!(process.report["arguments"], json!(expected));
    assert!(process.report["folder"].as_str().is_some_and(|folder| folder.ends_with("/OnChange")));
}

#[tokio::test]
async fn a_handler_that_fails_is_started_again_and_the_third_failure_shuts_the_host_down() {
    let stage = Stage::set(app()).await;
    let first = stage.process().await;
    within(stage.host.wait_until_handler_ready()).await.expect("a handler");
    kill(first.pid()).await;
    let mut second = stage.process().await;
    assert_ne!(first.pid(), second.pid());
    assert_eq!(delivery(&stage).await, Delivery::Succeeded);
    second.command("exit 7").await;
    let mut third = stage.process().await;
    assert_eq!(delivery(&stage).await, Delivery::Succeeded);
    third.command("abort").await;
    let failure = within(stage.host.failed()).await;
    assert_eq!(failure, HostFailure::RestartLimit { errors: 3, last: "was ended by signal 6".to_owned() });
    assert_eq!(within(stage.host.wait_until_ready()).await, Err(failure));
    let (address, pid) = (stage.host.address(), stage.host.handler_pid());
    assert_eq!(pid, None);
    within(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn the_last_lines_on_stderr_explain_a_failure() {
    let set = |options: &mut local_host::HostOptions| options.restart_limit = Some(1);
    let (lines, mut printed) = mpsc::unbounded_channel();
    let stage = Stage::set_with(app(), &[], |options| {
        set(options);
        options.handler_output = HandlerOutput::Channel(lines);
    })
    .await;
    let mut process = stage.process().await;
    process.command("err it broke").await;
    within(async { while printed.recv().await.is_some_and(|line| line.text != "it broke") {} }).await;
    process.command("exit 5").await;
    let failure = within(stage.host.failed()).await;
    assert_eq!(failure, HostFailure::RestartLimit { errors: 1, last: "ended with code 5: it broke".to_owned() });
}

#[tokio::test]
async fn without_a_limit_the_handler_comes_back_however_often_it_is_killed() {
    let set = |options: &mut local_host::HostOptions| options.restart_limit = None;
    let stage = Stage::set_with(app(), &[], set).await;
    for _ in 0..5 {
        let process = stage.process().await;
        assert_eq!(delivery(&stage).await, Delivery::Succeeded);
        kill(process.pid()).await;
    }
    stage.process().await;
    assert_eq!(delivery(&stage).await, Delivery::Succeeded);
}

#[tokio::test]
async fn a_handler_that_asks_for_a_restart_gets_it_uncounted() {
    let stage = Stage::set(app()).await;
    for _ in 0..4 {
        let mut process = stage.process().await;
        assert_eq!(delivery(&stage).await, Delivery::Succeeded);
        process.command("exit 200").await;
    }
    stage.process().await;
    assert_eq!(delivery(&stage).await, Delivery::Succeeded);
}

#[tokio::test]
async fn a_handler_that_ends_with_code_0_is_not_started_again_and_invocations_fail() {
    let stage = Stage::set(app()).await;
    let mut process = stage.process().await;
    assert_eq!(delivery(&stage).await, Delivery::Succeeded);
    process.command("exit 0").await;
    process.gone().await;
    let delivery = within(stage.host.deliver("OnChange", &[])).await;
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Transport(_)))), "{delivery:?}");
    within(async {
        while stage.host.handler_pid().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let answer = stage.host.deliver("OnChange", &[]).await;
    assert!(matches!(answer, Ok(Delivery::Skipped(InvocationError::Transport(_)))), "{answer:?}");
}

#[tokio::test]
async fn an_invocation_waits_for_a_handler_that_is_being_started() {
    let stage = Stage::set_with(app(), &[""], |_| ()).await;
    let mut process = stage.process().await;
    let (delivery, ()) = tokio::join!(stage.host.deliver("OnChange", &[]), async {
        process.command("listen").await;
        stage.call().await.succeed().await;
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn an_invocation_in_flight_fails_when_the_handler_is_killed() {
    let stage = Stage::set(app()).await;
    let process = stage.process().await;
    let (delivery, call) = tokio::join!(stage.host.deliver("OnChange", &[]), async {
        let call = stage.call().await;
        kill(process.pid()).await;
        call
    });
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Transport(_)))), "{delivery:?}");
    call.abandoned().await;
}

#[tokio::test]
async fn a_handler_that_never_listens_is_started_again_and_counts_as_failing() {
    let app = App::new(json!({"customHandler": {"initializationTimeout": "00:00:00.3"}}));
    let app = app.with_cosmos("OnChange", Value::Null);
    let set = |options: &mut local_host::HostOptions| options.restart_limit = Some(2);
    let stage = Stage::set_with(app, &["", ""], set).await;
    let failure = within(stage.host.failed()).await;
    let last = "Initializing HttpWorker timed out.".to_owned();
    assert!(matches!(failure, HostFailure::RestartLimit { errors: 2, last: error } if error.contains(&last)));
}

#[tokio::test]
async fn an_invocation_that_waits_too_long_for_a_handler_shuts_the_host_down() {
    let app = App::new(json!({"customHandler": {"initializationTimeout": "00:00:00.2"}}));
    let app = app.with_cosmos("OnChange", Value::Null);
    let set = |options: &mut local_host::HostOptions| options.restart_limit = None;
    let stage = Stage::set_with(app, &[""; 20], set).await;
    let delivery = within(stage.host.deliver("OnChange", &[])).await;
    // The triggers are stopped with the host, so the delivery may hear of the one or the other first.
    assert!(
        matches!(delivery, Ok(Delivery::Skipped(InvocationError::NoHandler(_)) | Delivery::Stopped)),
        "{delivery:?}"
    );
    let failure = within(stage.host.failed()).await;
    assert!(matches!(failure, HostFailure::InitializationTimedOut { .. }), "{failure}");
}

#[tokio::test]
async fn what_the_handler_prints_is_passed_on_with_a_level() {
    let (lines, mut printed) = mpsc::unbounded_channel();
    let output = HandlerOutput::Channel(lines);
    let stage = Stage::set_with(app(), &[], |options| options.handler_output = output).await;
    let mut process = stage.process().await;
    let expected = [
        ("out", log::Level::Info, "hello: an error"),
        ("err", log::Level::Error, "hello again"),
        ("err", log::Level::Warn, "a Warning"),
    ];
    for (stream, level, text) in expected {
        process.command(&format!("{stream} {text}")).await;
        let line = within(async {
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
    let stage = Stage::set(app()).await;
    let process = stage.process().await;
    within(stage.host.wait_until_handler_ready()).await.expect("a handler");
    let address = stage.host.address();
    within(stage.host.stop()).await;
    process.gone().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_host_that_is_dropped_takes_its_handler_with_it() {
    let app = app();
    let stage = Backstage::new(&app, &[]).await.start(app).await.expect("a host");
    let (process, address) = (stage.process().await, stage.host.address());
    drop(stage);
    process.gone().await;
    within(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
}
