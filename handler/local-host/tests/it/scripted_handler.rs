//! The handler process of the tests: this test executable, run again as a child process.
//!
//! It reports to the test how it was started, and then executes one command per line: `listen`, `exit 7`, `abort`,
//! `out some text`, `err some text`. Connections are relayed to the test byte for byte. It ends when the test ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::{Map, Value, json};

/// Holds the port where the test accepts reports and sends commands.
pub const CONTROL_VARIABLE: &str = "SCRIPTED_HANDLER_CONTROL_PORT";
/// Holds the port where the test accepts relayed connections.
pub const RELAY_VARIABLE: &str = "SCRIPTED_HANDLER_RELAY_PORT";
/// The arguments that run this executable as a handler.
pub const ARGUMENTS: [&str; 3] = ["--exact", "scripted_handler::executes_commands", "--nocapture"];

#[test]
fn executes_commands() {
    let Ok(control) = std::env::var(CONTROL_VARIABLE) else { return };
    let control = TcpStream::connect(("127.0.0.1", control.parse().expect("a port"))).expect("the test");
    report(&control);
    for command in BufReader::new(control).lines().map_while(Result::ok) {
        match command.split_once(' ').unwrap_or((&command, "")) {
            ("listen", _) => listen(),
            ("exit", code) => std::process::exit(code.parse().expect("a code")),
            ("abort", _) => std::process::abort(),
            ("out", text) => println!("{text}"),
            ("err", text) => eprintln!("{text}"),
            (other, _) => panic!("unknown command {other}"),
        }
    }
    std::process::exit(3);
}

fn report(mut control: &TcpStream) {
    let environment: Map<String, Value> = std::env::vars().map(|(name, value)| (name, Value::from(value))).collect();
    let report = json!({
        "pid": std::process::id(),
        "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
        "folder": std::env::current_dir().expect("a folder"),
        "environment": environment,
    });
    writeln!(control, "{report}").expect("the test");
}

fn listen() {
    let port = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT").expect("the host's variable");
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("a free port");
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || relay(&connection));
        }
    });
}

fn relay(host: &TcpStream) {
    let port = std::env::var(RELAY_VARIABLE).expect("the test's variable");
    let Ok(test) = TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))) else { return };
    thread::scope(|scope| {
        scope.spawn(|| copy(&test, host));
        copy(host, &test);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // Either end may disconnect at any time, which is passed on to the other.
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
