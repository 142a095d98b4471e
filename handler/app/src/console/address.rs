//! Addresses of pages. They are relative: within the shell they lead to its pages, and within a whole page to whole pages.

use url::form_urlencoded::Serializer;

/// The beginning of the paths of the app.
pub const API: &str = "/api";

/// The address of a page with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    page: &'static str,
    parameters: Vec<(&'static str, String)>,
}

impl Address {
    /// The address of a page without parameters.
    pub fn of(page: &'static str) -> Self {
        Self { page, parameters: Vec::new() }
    }

    /// The same address with another parameter.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// The same address with a parameter for each value.
    pub fn with_each(self, name: &'static str, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        values.into_iter().fold(self, |address, value| address.with(name, value))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.page)?;
        if self.parameters.is_empty() {
            return Ok(());
        }
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.parameters);
        write!(formatter, "?{}", query.finish())
    }
}
