//! Which tests replay each recording, through the stand-in host and against the handler. A recording that is added without a replay
//! fails here.

use std::collections::BTreeSet;
use std::path::Path;

/// A file, and the tests that replay it: `FILE::TEST` of this crate, or of the application where it starts with `app/`.
const REPLAYS: [(&str, &[&str]); 35] = [
    ("all-versions-create-replace-delete-expire.json", &[BATCHES, APP_ALL_VERSIONS]),
    ("all-versions-create-replace-delete-expire-without-previous.json", &[BATCHES, APP_ALL_VERSIONS]),
    ("all-versions-hierarchical-key.json", &[BATCHES, APP_KEYS_ALL_VERSIONS]),
    ("all-versions-live-documents.json", &[BATCHES, APP_ALL_VERSIONS]),
    ("all-versions-no-key-value.json", &[BATCHES, APP_KEYS_ALL_VERSIONS]),
    ("answer-table.json", &["replay_answers::every_recorded_answer_has_the_same_outcome"]),
    ("core-tools-framing.json", &[BATCHES, APP_BATCHES]),
    ("crash-codes.json", &["replay_process::the_handler_is_restarted_after_the_same_exit_codes"]),
    (
        "date-like-ids-and-keys.json",
        &[DATES, "app/identity_through_host::what_a_host_in_utc_delivered_is_stored_under_the_original_ids_and_keys"],
    ),
    (
        "date-like-ids-and-keys-new-york.json",
        &[
            DATES,
            "app/identity_through_host::what_a_host_in_new_york_delivered_is_stored_under_the_original_ids_and_keys",
        ],
    ),
    (
        "empty-answer-hangs.json",
        &["replay_answers::an_empty_answer_hangs_until_the_timeout_and_the_retry_has_a_new_process"],
    ),
    ("hierarchical-key.json", &[BATCHES, APP_KEYS]),
    ("http-envelope-binary.json", &[ENVELOPES]),
    ("http-envelope-json.json", &[ENVELOPES]),
    ("http-envelope-no-output.json", &[ENVELOPES]),
    ("http-envelope-query-and-params.json", &[ENVELOPES]),
    ("http-envelope-return-value.json", &[ENVELOPES]),
    ("http-envelope-text.json", &[ENVELOPES]),
    (
        "http-proxy.json",
        &[
            "replay_http::a_proxied_request_and_its_response_are_those_of_the_real_host",
            "replay_http::a_request_without_an_answer_is_repeated_as_often_as_by_the_real_host",
        ],
    ),
    ("jobs-trigger.json", &[BATCHES, "app/host_recordings_keys::the_recorded_request_for_a_job_runs_the_job"]),
    ("latest-version-plain.json", &[BATCHES, APP_BATCHES]),
    ("no-key-value.json", &[BATCHES, APP_KEYS]),
    ("no-retry-policy.json", &[BATCHES, APP_BATCHES]),
    (
        "odd-values.jsonl",
        &[
            "replay_values::two_hundred_odd_values_are_delivered_as_by_the_real_host",
            "app/host_recordings::documents_that_a_host_in_utc_and_in_new_york_rewrote_are_stored_as_they_are",
        ],
    ),
    (
        "poison.jsonl",
        &[
            "replay_values::a_document_is_delivered_or_stalls_the_trigger_as_with_the_real_host",
            "replay_values::a_change_of_all_versions_mode_is_delivered_or_stalls_the_trigger_as_with_the_real_host",
        ],
    ),
    (
        "poison-not-stored.jsonl",
        &[
            "replay_poison::documents_that_are_long_are_delivered_as_by_the_real_host",
            "replay_poison::documents_that_the_account_refused_are_refused",
            "replay_poison::documents_in_a_feed_that_no_account_has_are_delivered_if_they_are_json",
        ],
    ),
    ("poison-stops-the-partition.json", &[BATCHES, APP_BATCHES]),
    ("retry-exhausted.json", &[BATCHES, APP_BATCHES]),
    (
        "retry-exponential.json",
        &[BATCHES, "replay_process::retries_have_the_pauses_of_an_exponential_backoff", APP_BATCHES],
    ),
    ("retry-fixed-delay.json", &[BATCHES, APP_BATCHES]),
    ("retry-other-failures.json", &[BATCHES, APP_BATCHES]),
    ("shutdown.json", &["replay_process::a_host_that_stops_waits_for_the_call_and_does_not_checkpoint_it"]),
    ("startup-and-ping.json", &["replay_batches::a_readiness_probe_has_only_its_host"]),
    (
        "timer.json",
        &[
            "replay_timer::a_call_has_the_bytes_of_the_real_host_apart_from_times",
            "replay_timer::a_call_that_was_missed_while_the_host_was_stopped_is_past_due",
            "app/host_recordings::the_recorded_timer_calls_succeed",
        ],
    ),
    (
        "two-megabyte-document.json",
        &[
            "replay_batches::a_large_document_is_sent_in_chunks_of_a_kilobyte",
            "app/host_recordings_keys::the_recorded_request_for_a_large_document_stores_it",
        ],
    ),
];
const BATCHES: &str = "replay_batches::the_same_documents_lead_to_the_same_requests";
const DATES: &str =
    "replay_batches::ids_and_keys_that_look_like_dates_are_delivered_as_by_the_real_host_in_two_time_zones";
const ENVELOPES: &str = "replay_http::a_request_as_json_and_the_answer_to_the_client_are_those_of_the_real_host";
const APP_BATCHES: &str = "app/host_recordings::the_recorded_requests_for_a_batch_store_each_document_once";
const APP_ALL_VERSIONS: &str =
    "app/host_recordings::the_recorded_requests_of_all_versions_mode_store_every_version_delete_and_expiry";
const APP_KEYS: &str = "app/host_recordings_keys::documents_with_other_keys_are_stored_under_them";
const APP_KEYS_ALL_VERSIONS: &str =
    "app/host_recordings_keys::deletes_of_documents_with_other_keys_are_stored_under_them";

/// The source of the file with this test.
fn source(test: &str) -> String {
    let (module, name) = test.split_once("::").expect("FILE::TEST");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = match module.strip_prefix("app/") {
        Some(module) => folder.join("../app/tests/it").join(format!("{module}.rs")),
        None => folder.join("tests/it").join(format!("{module}.rs")),
    };
    let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let before = source.split_once(&format!("async fn {name}() {{")).map(|(before, _)| before.trim_end());
    assert!(before.is_some_and(|before| before.ends_with(']')), "there is no test {test}");
    source
}

#[test]
fn every_recording_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/recordings");
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").file_name());
    let files = files.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "README.md");
    let listed: BTreeSet<String> = REPLAYS.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files.collect::<BTreeSet<String>>(), listed);
    for (file, tests) in REPLAYS {
        let stem = file.split_once('.').expect("a name with an ending").0;
        let stem = stem.strip_prefix("http-envelope-").unwrap_or(stem);
        assert!(!tests.is_empty(), "{file}");
        for test in tests {
            let source = source(test);
            let names_it = [format!("\"{stem}\""), format!("\"{file}\"")].iter().any(|name| source.contains(name));
            assert!(names_it, "{test} does not name {file}");
        }
    }
}
