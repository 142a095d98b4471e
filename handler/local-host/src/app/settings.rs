//! App settings, which `%Setting%`, `%VAR%` and the `connection` of a trigger refer to.

use std::collections::BTreeMap;
use std::fmt;

/// App settings take precedence over this process's environment, as in the real host.
#[derive(Clone, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

/// The names alone: any value can be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// A connection string, which is not printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConnectionString(String);

impl ConnectionString {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConnectionString(…)")
    }
}

impl Settings {
    pub(crate) fn new(settings: BTreeMap<String, String>) -> Self {
        Self(settings)
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// Whether a setting disables a function: `AzureWebJobs.<name>.Disabled`, or the same with underscores, is `1` or `true`.
    pub(crate) fn is_disabled(&self, function: &str) -> bool {
        let names = [format!("AzureWebJobs.{function}.Disabled"), format!("AzureWebJobs_{function}_Disabled")];
        let is_true = |value: String| value == "1" || value.eq_ignore_ascii_case("true");
        names.iter().any(|name| self.get(name).is_some_and(is_true))
    }

    pub(crate) fn app_settings(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Resolves a trigger property that is `%Setting%` as a whole. `None` if that setting does not exist.
    pub(crate) fn resolve(&self, text: &str) -> Option<String> {
        let name = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
        match name.filter(|name| !name.is_empty() && !name.contains('%')) {
            Some(name) => self.get(name),
            None => Some(text.to_owned()),
        }
    }

    /// Replaces every `%VAR%` that is set; the others remain.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            expanded.push_str(before);
            match after.split_once('%').and_then(|(name, after)| Some((self.get(name)?, after))) {
                Some((value, after)) => {
                    expanded.push_str(&value);
                    rest = after;
                }
                None => {
                    expanded.push('%');
                    rest = after;
                }
            }
        }
        expanded + rest
    }

    /// The connection string of a `connection`: `AzureWebJobs<name>` takes precedence over `<name>`, and for each the
    /// connection strings over the app settings.
    ///
    /// # Errors
    /// The problem and its remedy, if there is none or the connection is identity-based.
    pub(crate) fn connection_string(&self, name: &str) -> Result<ConnectionString, String> {
        for candidate in [format!("AzureWebJobs{name}"), name.to_owned()] {
            let value = self.get(&format!("ConnectionStrings__{candidate}")).or_else(|| self.get(&candidate));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                return Ok(ConnectionString(value));
            }
            if self.get(&format!("{candidate}__accountEndpoint")).is_some() {
                return Err(format!(
                    "{candidate}__accountEndpoint defines an identity-based connection, but the stand-in host supports \
                     connection strings only; set {name} to AccountEndpoint=…;AccountKey=…;"
                ));
            }
        }
        Err(format!("there is no app setting of this name; set {name} to AccountEndpoint=…;AccountKey=…;"))
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_property_is_resolved_only_if_it_is_one_setting_as_a_whole() {
        let settings = settings(&[("Database", "dev")]);
        assert_eq!(settings.resolve("%Database%").as_deref(), Some("dev"));
        assert_eq!(settings.resolve("a-%Database%").as_deref(), Some("a-%Database%"));
        assert_eq!(settings.resolve("%"), Some("%".to_owned()));
        assert_eq!(settings.resolve("%NoSuchSettingAnywhere%"), None);
    }

    #[test]
    fn a_function_is_disabled_by_a_setting_that_is_true_or_1() {
        let settings = settings(&[
            ("AzureWebJobs.A.Disabled", "True"),
            ("AzureWebJobs_B_Disabled", "1"),
            ("AzureWebJobs.C.Disabled", "yes"),
            ("AzureWebJobs.D.Disabled", "false"),
        ]);
        assert_eq!(["A", "B", "C", "D", "E"].map(|name| settings.is_disabled(name)), [true, true, false, false, false]);
    }

    #[test]
    fn variables_are_expanded_within_a_text() {
        let settings = settings(&[("BIN", "target/debug"), ("NAME", "handler")]);
        assert_eq!(settings.expand("%BIN%/%NAME%"), "target/debug/handler");
        assert_eq!(settings.expand("100% of %NAME%, %NoSuchVariable%"), "100% of handler, %NoSuchVariable%");
    }

    #[test]
    fn a_connection_with_the_prefix_takes_precedence() {
        let both = settings(&[("AzureWebJobsCosmosDB", "first"), ("CosmosDB", "second")]);
        let found = |settings: &Settings| settings.connection_string("CosmosDB").map(|found| found.expose().to_owned());
        assert_eq!(found(&both), Ok("first".to_owned()));
        assert_eq!(found(&settings(&[("CosmosDB", "second")])), Ok("second".to_owned()));
        assert_eq!(
            format!("{both:?} {:?}", both.connection_string("CosmosDB")),
            "{\"AzureWebJobsCosmosDB\", \"CosmosDB\"} Ok(ConnectionString(…))"
        );
    }

    #[test]
    fn an_identity_based_connection_is_rejected_with_the_remedy() {
        let settings = settings(&[("CosmosDB__accountEndpoint", "https://example.invalid/")]);
        let problem = settings.connection_string("CosmosDB").expect_err("no connection string");
        assert!(problem.contains("identity-based") && problem.contains("connection strings only"), "{problem}");
        let problem = settings.connection_string("Other").expect_err("no setting");
        assert!(problem.contains("set Other to"), "{problem}");
    }
}
