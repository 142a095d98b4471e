//! How many pages and items of a job are under way in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of divided jobs in this process. The portions of a job that run here have together as many pages under way as a job that
/// is not divided.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<String, Weak<JobPlaces>>>);

/// The places of a job. Each portion that runs here has a reference.
#[derive(Debug)]
pub(crate) struct JobPlaces {
    /// The most pages.
    pub count: usize,
    /// Places for pages that are free.
    pub pages: Arc<Semaphore>,
    items: OnceLock<ItemPlaces>,
}

/// Places for items: the pages of a job share them, so that the last pages of a slice have as many items under way as all pages had.
#[derive(Clone, Debug)]
pub struct ItemPlaces {
    count: usize,
    free: Arc<Semaphore>,
}

impl ItemPlaces {
    /// So many places.
    pub fn new(count: usize) -> Self {
        let count = count.max(1);
        Self { count, free: Arc::new(Semaphore::new(count)) }
    }

    /// The number of places.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits for a place, and works on an item in it.
    pub async fn take<T>(&self, work: impl Future<Output = T>) -> T {
        let _place: Option<OwnedSemaphorePermit> = Arc::clone(&self.free).acquire_owned().await.ok();
        work.await
    }
}

impl JobPlaces {
    pub(crate) fn new(count: usize) -> Self {
        let count = count.max(1);
        Self { count, pages: Arc::new(Semaphore::new(count)), items: OnceLock::new() }
    }

    /// The places for items: so many, unless another run of the job has said otherwise.
    pub(crate) fn items(&self, count: usize) -> ItemPlaces {
        self.items.get_or_init(|| ItemPlaces::new(count)).clone()
    }
}

impl Places {
    /// The places of a job.
    pub(crate) fn of(&self, job_id: &str, count: usize) -> Arc<JobPlaces> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(job_id).and_then(Weak::upgrade) {
            return known;
        }
        places.retain(|_, places| places.strong_count() > 0);
        let new = Arc::new(JobPlaces::new(count));
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
        let pages: Vec<_> = (0..3).map(|_| Arc::clone(&first.pages).try_acquire_owned().expect("a place")).collect();
        assert!(second.pages.try_acquire().is_err(), "the first portion has all places");
        assert!(other.pages.try_acquire().is_ok());
        assert_eq!((first.items(5).count(), second.items(7).count(), other.items(7).count()), (5, 5, 7));
        assert_eq!(Arc::strong_count(&first), 2, "a page under way is not a portion");
        drop((first, second, pages));
        assert_eq!(places.of("job", 2).count, 2, "no portion was left");
    }

    #[tokio::test]
    async fn as_many_items_are_under_way_as_there_are_places() {
        let places = ItemPlaces::new(2);
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let end = Semaphore::new(0);
        let item = || {
            places.take(async {
                begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                end.acquire().await.expect("open").forget();
            })
        };
        let items = futures::future::join_all((0..5).map(|_| item()));
        let released = async {
            for expected in [2, 3, 4, 5, 5] {
                tokio::task::yield_now().await;
                assert_eq!(begun.load(std::sync::atomic::Ordering::SeqCst), expected);
                end.add_permits(1);
            }
        };
        futures::join!(items, released);
    }
}
