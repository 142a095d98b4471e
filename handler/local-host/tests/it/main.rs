//! The host tested over its wire protocols. The handler is this executable, run as a child process: it relays its
//! connections to the test, which sees every byte that the host sends and scripts the responses.

mod batches;
mod captured_log;
mod cosmos_account;
mod cosmos_trigger;
mod handler_process;
mod http_requests;
mod raw_client;
mod recording;
mod replay_answers;
mod replay_batches;
mod replay_every_recording;
mod replay_http;
mod replay_poison;
mod replay_process;
mod replay_timer;
mod replay_values;
mod scripted_handler;
mod stalls;
mod start_errors;
mod test_host;
mod timer_trigger;
