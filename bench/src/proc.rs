//! What the operating system says about a process: processor time and memory. Linux only.

use std::fs;

use anyhow::{Context, Result};

/// The kernel counts processor time in hundredths of a second for programs, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor seconds of a process so far, of all its threads.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The name of the program, in brackets, can have spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    // The state is the first field here: user and system time are the fields 14 and 15 of the whole line.
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (ticks(11), ticks(12));
    Ok((user.context("no user time")? + system.context("no system time")?) / TICKS_PER_SECOND)
}

/// The most memory that a process has had, in bytes.
pub(crate) fn peak_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak memory")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("reading the peak memory")?;
    Ok(kilobytes * 1024)
}
