//! A panic ends the process, also while other requests are under way.
//!
//! A panic is a defect of this program, and after it no state in memory is to be trusted. What is stored does not depend on that state: a
//! batch that was not acknowledged is delivered again, and another worker continues a job. The release profile does not unwind, which makes
//! the executable smaller by a sixth.

use std::panic;

/// The variable with the id of the process, which the Functions host sets.
const WORKER_ID: &str = "FUNCTIONS_CUSTOMHANDLER_WORKER_ID";
/// What Rust programs end with after a panic.
const PANICKED: i32 = 101;
/// The Functions host starts the process again at once. After any other code than this one it counts an error, and it shuts down after three
/// errors within 30 minutes.
const RESTART: i32 = 200;

/// Ends the process after the message of a panic was printed.
pub fn end_the_process() {
    let code = if std::env::var_os(WORKER_ID).is_some() { RESTART } else { PANICKED };
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(code);
    }));
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// Runs the test below as a process of its own.
    fn panicking(worker_id: Option<&str>) -> Output {
        let mut test = Command::new(std::env::current_exe().expect("the tests"));
        test.args(["--exact", "panics::tests::a_task_panics", "--ignored", "--nocapture"]).env_remove(WORKER_ID);
        worker_id.iter().for_each(|id| {
            test.env(WORKER_ID, id);
        });
        test.output().expect("it ran")
    }

    #[test]
    fn a_panic_of_a_task_ends_the_process_and_the_host_restarts_it_without_counting_an_error() {
        for (worker_id, code) in [(None, 101), (Some("8d2a"), 200)] {
            let output = panicking(worker_id);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{text}");
            assert!(text.contains("a defect in a task"), "{text}");
            assert!(!text.contains("it continues"), "{text}");
        }
    }

    #[tokio::test]
    #[ignore = "it ends the process; the test above runs it"]
    async fn a_task_panics() {
        end_the_process();
        let task = tokio::spawn(async { panic!("a defect in a task") });
        assert!(task.await.is_err());
        eprintln!("it continues");
    }
}
