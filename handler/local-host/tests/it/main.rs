//! The host over the wire. The handler is a puppet: a child process that relays its connections to the test, which sees
//! every byte that the host sends and answers as the story wants.

mod cosmos;
mod http;
mod invocation;
mod log_book;
mod process;
mod puppet;
mod refusals;
mod stage;
mod timer;
mod trigger;
