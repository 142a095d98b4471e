//! The allocator, which returns the memory of a large batch to the system (that of glibc keeps more than 100 MB of it), and its pages.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After a batch with more bytes than this, freed memory is returned to the system.
pub const LARGE_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Returns what this thread has freed to the system. The allocator does so itself when the thread allocates again, which it may not do
/// for a long time.
#[allow(unsafe_code)]
pub fn return_freed() {
    // SAFETY: any thread may call it at any time; it touches only memory that is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Makes the memory of this process consist of small pages. The allocator asks for huge ones, of 2 MB, and a process that needs little of
/// many of them takes twice the memory.
pub fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        log::debug!("huge pages stay in use: {error}");
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    /// The bytes of memory that this process has.
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
        let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
        pages * 4096
    }

    /// Other tests allocate in the same process, so this one measures a process that runs only [`measured`].
    #[test]
    fn freed_memory_is_returned_without_another_allocation() {
        let executable = std::env::current_exe().expect("this executable");
        let mut alone = std::process::Command::new(executable);
        alone.args(["--exact", "memory::tests::measured", "--ignored"]);
        assert!(alone.status().expect("a process").success());
    }

    #[test]
    #[ignore = "it measures its process, and is run alone by the test above"]
    fn measured() {
        let before = resident();
        let blocks: Vec<Vec<u8>> = (0..200_000).map(|n| vec![n as u8; 1000]).collect();
        assert!(resident() > before + 150 * MEGABYTE);
        drop(blocks);
        return_freed();
        let after = resident();
        assert!(after < before + 50 * MEGABYTE, "{} MB before, {} MB after", before / MEGABYTE, after / MEGABYTE);
    }
}
