//! Who requests something on the command line.

use clap::Args;

use crate::jobs::host;

#[derive(Debug, Args)]
pub struct RequesterArguments {
    /// Name of the requester, stored in the record; default: the user and the machine
    #[arg(long, value_name = "NAME")]
    requested_by: Option<String>,
}

impl RequesterArguments {
    /// The given name, or that of the user and the machine: `me@laptop`.
    pub fn name(&self) -> Option<String> {
        let user = || ["USER", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        self.requested_by.clone().or_else(|| Some(format!("{}@{}", user().filter(|user| !user.is_empty())?, host())))
    }
}
