//! How many pages of divided jobs are under way in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// The places for pages of divided jobs in this process. The portions of a job that run here have together as many pages under way as
/// a job that is not divided.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<String, Weak<PagePlaces>>>);

/// The places for pages of a divided job. Each portion that runs here has a reference.
#[derive(Debug)]
pub(crate) struct PagePlaces {
    pub count: usize,
    pub free: Arc<Semaphore>,
}

impl Places {
    /// The places of a job.
    pub(crate) fn of(&self, job_id: &str, count: usize) -> Arc<PagePlaces> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(job_id).and_then(Weak::upgrade) {
            return known;
        }
        places.retain(|_, places| places.strong_count() > 0);
        let count = count.max(1);
        let new = Arc::new(PagePlaces { count, free: Arc::new(Semaphore::new(count)) });
        places.insert(job_id.to_owned(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portions_of_a_job_share_its_places_and_other_jobs_have_their_own() {
        let places = Places::default();
        let (first, second, other) = (places.of("job", 3), places.of("job", 3), places.of("other", 3));
        let pages: Vec<_> = (0..3).map(|_| Arc::clone(&first.free).try_acquire_owned().expect("a place")).collect();
        assert!(second.free.try_acquire().is_err(), "the first portion has all places");
        assert!(other.free.try_acquire().is_ok());
        assert_eq!(Arc::strong_count(&first), 2, "a page under way is not a portion");
        drop((first, second, pages));
        assert_eq!(places.of("job", 2).count, 2, "no portion was left");
    }
}
