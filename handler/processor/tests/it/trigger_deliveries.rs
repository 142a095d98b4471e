//! Which changes the trigger can deliver, as it was recorded with the real Functions host. Each line of
//! `trigger_deliveries.jsonl` is a change and whether the host threw an exception before it called the function.

use changefeed_processor::{Change, ChangeFeedMode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    mode: String,
    throws: bool,
    change: Change,
}

#[test]
fn the_rule_agrees_with_every_recorded_delivery_of_the_real_host() {
    let mut counts = [0, 0];
    for line in include_str!("../trigger_deliveries.jsonl").lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mode: ChangeFeedMode = recorded.mode.parse().expect("a mode");
        let reason = recorded.change.undeliverable(mode);
        assert_eq!(reason.is_some(), recorded.throws, "{}: {reason:?}", recorded.name);
        counts[usize::from(recorded.throws)] += 1;
    }
    assert!(counts[0] > 80 && counts[1] > 35, "{counts:?}");
}
