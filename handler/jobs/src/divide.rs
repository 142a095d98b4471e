//! Divides a phase among portions.

use std::collections::HashMap;

use changefeed_cosmos::{Container, Error, Key};

use crate::job::Job;
use crate::jobs::Jobs;
use crate::parts::Parts;
use crate::portion::new_portion_id;

/// The fewest portions of a job, if its budget allows them: commands that follow it can claim some.
const MIN_PORTIONS: usize = 4;
/// The most portions of a job.
const MAX_PORTIONS: usize = 32;
/// The least budget of a portion, in request units a second. A smaller one needs no further worker.
const MIN_BUDGET: f64 = 1000.0;
/// Parts of a portion for each page that a worker has under way: with one, some workers would have few pages under way at the end.
const PARTS_FOR_A_PAGE: usize = 2;
/// Random ids that are tried for each portion, to find some in each physical partition.
const TRIED_IDS: usize = 64;

/// Divides parts among the portions of a job: at least one for each physical partition of the jobs container, unless the budget is
/// too small. Returns the parts, of which each portion has enough for a worker, and the portions: none if one worker is enough.
///
/// # Errors
/// When the jobs container cannot be read.
pub(crate) async fn divide(jobs: &Jobs, job: &Job, parts: Parts) -> Result<(Parts, Vec<(String, Parts)>), Error> {
    if parts.items() < jobs.options().portion_items || job.job.only_on.is_some() {
        return Ok((parts, Vec::new()));
    }
    let container = jobs.open().await?;
    let by_budget = job.job.ru_per_second.map_or(MAX_PORTIONS, |budget| (budget / MIN_BUDGET) as usize);
    let partitions = container.ranges().await?.len();
    let portions = partitions.clamp(MIN_PORTIONS, MAX_PORTIONS).min(by_budget);
    if portions < 2 {
        return Ok((parts, Vec::new()));
    }
    let parts = parts.at_least(portions * jobs.options().parallel.max(1) * PARTS_FOR_A_PAGE);
    let divided = parts.divided(portions);
    let ids = spread_ids(&container, &job.id, divided.len(), partitions).await?;
    Ok((parts, ids.into_iter().zip(divided).collect()))
}

/// This many ids of portions, about as many in each of the physical partitions.
async fn spread_ids(
    container: &Container,
    job_id: &str,
    count: usize,
    partitions: usize,
) -> Result<Vec<String>, Error> {
    let most = count.div_ceil(partitions.max(1));
    let (mut ids, mut by_range) = (Vec::new(), HashMap::new());
    for _ in 0..count * TRIED_IDS {
        let id = new_portion_id(job_id);
        let range = container.range_of(&Key::text(&id)).await?;
        let in_range: &mut usize = by_range.entry(range.min).or_default();
        if *in_range < most {
            *in_range += 1;
            ids.push(id);
        }
        if ids.len() == count {
            break;
        }
    }
    ids.resize_with(count, || new_portion_id(job_id));
    Ok(ids)
}
