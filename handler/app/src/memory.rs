//! The allocator, which returns the memory of a large batch to the system. That of glibc keeps more than 100 MB of it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Returns what this thread has freed to the system. The allocator does so itself when the thread allocates again, which it may not do
/// for a long time.
#[allow(unsafe_code)]
pub fn return_freed() {
    // SAFETY: any thread may call it at any time; it touches only memory that is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
