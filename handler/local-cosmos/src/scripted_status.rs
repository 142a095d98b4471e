//! A status that a test wants in place of the one that a request or an operation would have been answered with.

/// How long a client is to wait after a scripted 429. SDKs wait for this time, and some fail without it.
const RETRY_AFTER_MS: u32 = 10;

/// A scripted status and sub-status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScriptedStatus {
    pub status: u16,
    substatus: u32,
}

impl ScriptedStatus {
    /// The sub-status 0 is none.
    pub(crate) fn new(status: u16, substatus: u32) -> Self {
        Self { status, substatus }
    }

    /// The sub-status, as answers have it.
    pub(crate) fn substatus(self) -> Option<String> {
        (self.substatus != 0).then(|| self.substatus.to_string())
    }

    pub(crate) fn retry_after_milliseconds(self) -> Option<u32> {
        (self.status == 429).then_some(RETRY_AFTER_MS)
    }
}
