//! The memory of the handler follows the size of a batch, and is returned after it.
#![cfg(target_os = "linux")]

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use crate::support::{World, batch_of, until};

const MEGABYTE: usize = 1024 * 1024;

/// What a document may hold, in about 1.9 MB of text: short fields, which the host's encodings of a batch double in size; one
/// long text; numbers, which take many times their text in memory.
fn content(kind: usize) -> Value {
    match kind % 3 {
        0 => Value::Object((0..100_000).map(|n| (format!("k{n}"), json!(format!("v{n}")))).collect::<Map<_, _>>()),
        1 => json!("some text ".repeat(190_000)),
        _ => json!((0..320_000).map(|n| n % 100_000).collect::<Vec<_>>()),
    }
}

fn document(n: usize) -> Value {
    json!({"id": n.to_string(), "pk": "a", "content": content(n), "_etag": format!("\"{n}\""), "_ts": 1_600_000_000 + n})
}

#[tokio::test]
async fn a_batch_of_112_megabytes_takes_at_most_four_times_its_size_and_is_freed() {
    let world = World::new().await;
    let handler = world.handler();
    let (status, answer) = handler.invoke(&batch_of(&[json!({"id": "1"})]), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let idle = handler.memory("VmRSS");

    let batch = batch_of(&(0..50).map(document).collect::<Vec<_>>());
    let encoded = Value::String(Value::String(batch.clone()).to_string()).to_string().len();
    assert!((107 * MEGABYTE..120 * MEGABYTE).contains(&encoded), "{encoded} bytes");
    for chunked in [true, false] {
        let (status, answer) = handler.invoke(&batch, chunked).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let peak = handler.memory("VmHWM");
    eprintln!(
        "batch {} MB, idle {} MB, peak {} MB, after {} MB",
        encoded / MEGABYTE,
        idle / MEGABYTE,
        peak / MEGABYTE,
        handler.memory("VmRSS") / MEGABYTE
    );
    assert!(peak <= 4 * encoded, "{} MB for a batch of {} MB", peak / MEGABYTE, encoded / MEGABYTE);
    until("the memory is freed", Duration::from_secs(30), async || handler.memory("VmRSS") < idle + 100 * MEGABYTE)
        .await;
}
