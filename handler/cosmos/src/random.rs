//! Random numbers, for ids and for the pauses between attempts.
//!
//! With the feature `simulation`, a thread can be given a seed: the same seed then brings the same numbers.

#[cfg(feature = "simulation")]
mod seeded {
    use std::cell::RefCell;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    thread_local! {
        static SEEDED: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
    }

    /// Makes the random numbers of this thread follow from a seed.
    pub fn seed_random(seed: u64) {
        SEEDED.set(Some(ChaCha8Rng::seed_from_u64(seed)));
    }

    pub(super) fn next(otherwise: impl FnOnce() -> u64) -> u64 {
        SEEDED.with_borrow_mut(|seeded| seeded.as_mut().map_or_else(otherwise, rand::Rng::next_u64))
    }
}

#[cfg(feature = "simulation")]
pub use seeded::seed_random;

/// A random number.
pub fn random_u64() -> u64 {
    #[cfg(feature = "simulation")]
    return seeded::next(rand::random);
    #[cfg(not(feature = "simulation"))]
    rand::random()
}

/// A random number.
pub fn random_u32() -> u32 {
    (random_u64() >> 32) as u32
}

/// A random number from 0 up to but not including 1.
pub(crate) fn random_fraction() -> f64 {
    f64::from(random_u32()) / (f64::from(u32::MAX) + 1.0)
}
