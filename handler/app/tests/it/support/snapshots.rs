//! Snapshots of text whose changing parts are replaced: times, ids, request units, addresses.

/// The settings of the snapshots in one folder below `snapshots/`.
///
/// To accept a change: `INSTA_UPDATE=always cargo test -p changefeed --test it`, then review the difference.
pub fn snapshots(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (changing, name) in [
        (r"\d{10}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[version]"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
        (r"\b[0-9a-f]{32,64}\b", "[hash]"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "[time]"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} UTC", "[time]"),
        (r#""(sourceTs|lsn|_ts|previousImageLSN)": \d+"#, r#""$1": "[number]""#),
        (r#""(requestCharge)": [\d.]+"#, r#""$1": "[number]""#),
        (r#""_(rid|self|attachments)": "[^"]*""#, r#""_$1": "[text]""#),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        // A table is as wide as what was replaced.
        (r" {2,}", " "),
        (r"[─═]{2,}", "─"),
        (r"[╌┄]{2,}", "┄"),
    ] {
        settings.add_filter(changing, name);
    }
    settings
}
