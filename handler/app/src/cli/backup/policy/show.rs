//! Prints the policy.

use anyhow::Result;
use changefeed_operations::{BackupPolicy, DigestView, PolicyView, RunView};

use crate::cli::output::{Output, print_json, print_line};
use crate::cli::standard_error::note;
use crate::cli::time;

/// Prints the policy, its next run and its last ones.
pub fn print(view: &PolicyView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let policy = &view.policy;
    let at = policy.at.map(|at| format!(" at {at}")).unwrap_or_default();
    let zone = policy.time_zone.as_deref().unwrap_or("UTC");
    let full = policy.full_every.map(|full| format!("; a full backup every {full}")).unwrap_or_default();
    line("Location", &policy.to)?;
    line("Schedule", &format!("every {}{at} ({zone}){full}", policy.every))?;
    line("Keeps", &kept(policy))?;
    line("Digests", if policy.digests == Some(true) { "written with each backup" } else { "not written" })?;
    line("Set", &time::of_text(&view.set_at))?;
    if let Some(host) = &view.only_on {
        line("Runs on", &format!("{host} only, with changefeed process or changefeed backup policy run"))?;
    }
    if let Some(next) = &view.next_run {
        line("Next run", &time::of_text(next))?;
    }
    if let Some(last) = &view.last {
        line("Last run", &run(last))?;
    }
    if let Some(done) = view.last_done.as_ref().filter(|done| view.last.as_ref().is_none_or(|last| last.id != done.id))
    {
        line("Last done", &run(done))?;
    }
    if let Some(digests) = &view.last_digests {
        line("Last digests", &job_of(digests))?;
    }
    if let Some(problem) = &view.problem {
        line("Problem", problem)?;
    }
    if policy.to.contains("://") {
        note(
            "Recommended: a blob container with versioning and a time-based retention policy, so that no one can delete or change a backup \
             before that time.",
        );
    }
    Ok(())
}

fn line(title: &str, text: &str) -> Result<()> {
    print_line(&format!("{title:<12} {text}"))
}

fn kept(policy: &BackupPolicy) -> String {
    let counts = [("daily", policy.keep_daily), ("weekly", policy.keep_weekly), ("monthly", policy.keep_monthly)];
    let kept: Vec<String> =
        counts.iter().filter_map(|(name, count)| count.map(|count| format!("{count} {name}"))).collect();
    if kept.is_empty() { "every backup".to_owned() } else { format!("{}, and what they continue", kept.join(", ")) }
}

/// `2026-11-20 02:00:00 UTC: done, 60 documents; a full backup, because …`
fn run(run: &RunView) -> String {
    let slot = time::of_text(&run.slot);
    let Some(backup) = &run.backup else { return format!("{slot}: backup {} has not started", run.id) };
    let state = format!("{:?}", backup.state).to_lowercase();
    let message = backup.progress.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let reason = backup.request["reason"].as_str().unwrap_or_default();
    format!("{slot}: backup {}, {state}{message}, {} documents; {reason}", run.id, backup.counts.documents)
}

fn job_of(digests: &DigestView) -> String {
    let state = format!("{:?}", digests.state).to_lowercase();
    let message = digests.progress.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let until = digests.counts.complete_until.as_ref();
    let until = until.map(|until| format!("; complete until {}", time::of_text(until))).unwrap_or_default();
    format!("job {}, {state}{message}{until}", digests.id)
}
