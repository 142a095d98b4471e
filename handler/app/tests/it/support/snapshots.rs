//! Settings of snapshots. Values that differ between runs are replaced: times, ids, request units, addresses.

/// Values that differ between runs.
const VARIABLE: &[(&str, &str)] = &[
    (r"\d{10}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[version]"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
    (r"\b[0-9a-f]{32,64}\b", "[hash]"),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)", "[time]"),
    (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}( UTC)?", "[time]"),
    (r#""(sourceTs|lsn|requestCharge)": [\d.]+"#, r#""$1": "[number]""#),
    (r#""version": "\d+\.\d+\.\d+""#, r#""version": "[release]""#),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
];

/// The short ids of versions. Versions of one second have more of theirs.
const SHORT_IDS: &[(&str, &str)] = &[(r"\b1[7-9]\d{8}(-[0-9a-f]{1,8})?\b", "[version]")];

/// The padding of tables, whose width depends on the replaced values.
const PADDING: &[(&str, &str)] = &[(r" {2,}", " ")];

/// The settings of the snapshots in one folder below `snapshots/`: `help`, `json` or `tables`.
///
/// To accept a change: `INSTA_UPDATE=always cargo test -p changefeed --test it`, then review the difference.
pub fn snapshots(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let filters: &[&[(&str, &str)]] = match folder {
        "help" => &[],
        "tables" => &[VARIABLE, SHORT_IDS, PADDING],
        _ => &[VARIABLE],
    };
    for (pattern, name) in filters.iter().copied().flatten() {
        settings.add_filter(pattern, *name);
    }
    settings
}
