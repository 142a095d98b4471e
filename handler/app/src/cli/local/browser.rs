//! Opens the console in the browser of this machine.

use crate::cli::standard_error::warning;

/// Opens an address. A browser that cannot be opened is a warning.
pub fn open_in_browser(address: &str) {
    let address = address.to_owned();
    // Some launchers wait for the end of the browser.
    std::thread::spawn(move || {
        if let Err(error) = open::that(&address) {
            warning(format_args!("could not open a browser: {error}; open {address} yourself"));
        }
    });
}
