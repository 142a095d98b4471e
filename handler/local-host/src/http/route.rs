//! Finds the function of a request, by route templates as in ASP.NET's router.
//!
//! Literals ignore case and a trailing slash is ignored. Of several functions that match route and method, the first by
//! name is chosen.

use crate::app::{AuthLevel, Function, FunctionApp, Trigger};

/// The routes of an app.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Debug)]
pub(crate) struct Route {
    pub function: String,
    pub auth_level: AuthLevel,
    methods: Option<Vec<String>>,
    template: Template,
}

#[derive(Debug, PartialEq)]
struct Template(Vec<Segment>);

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Parameter,
    /// `{name?}`
    Optional,
    /// `{*name}`: any number of segments.
    CatchAll,
}

/// A function with an invalid or unsupported route.
#[derive(Debug, PartialEq)]
pub(crate) struct UnsupportedRoute {
    pub function: String,
    pub route: String,
    pub allowed: &'static str,
}

impl Routes {
    pub(crate) fn from_app(app: &FunctionApp) -> Result<Self, UnsupportedRoute> {
        let routes = app.functions.iter().filter_map(|function| Route::from_function(function, &app.host.route_prefix));
        routes.collect::<Result<_, _>>().map(Self)
    }

    /// `path` starts with a slash and is percent-encoded.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.allows(method) && route.template.matches(path))
    }
}

impl Route {
    fn from_function(function: &Function, prefix: &str) -> Option<Result<Self, UnsupportedRoute>> {
        let Trigger::Http(trigger) = &function.trigger else { return None };
        let path = if prefix.is_empty() { trigger.route.clone() } else { format!("{prefix}/{}", trigger.route) };
        let template = Template::parse(&path).map_err(|allowed| UnsupportedRoute {
            function: function.name.clone(),
            route: trigger.route.clone(),
            allowed,
        });
        Some(template.map(|template| Self {
            function: function.name.clone(),
            auth_level: trigger.auth_level,
            methods: trigger.methods.clone(),
            template,
        }))
    }

    fn allows(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method)))
    }
}

impl Template {
    fn parse(path: &str) -> Result<Self, &'static str> {
        let segments = path.strip_suffix('/').unwrap_or(path).split('/').map(Segment::parse);
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let last = segments.len() - 1;
        for (index, segment) in segments.iter().enumerate() {
            match segment {
                Segment::Optional | Segment::CatchAll if index < last => {
                    return Err("an optional or catch-all parameter only at the end of the route");
                }
                _ => {}
            }
        }
        Ok(Self(segments))
    }

    fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut segments = path.strip_suffix('/').unwrap_or(path).split('/').filter(|_| !path.is_empty());
        for segment in &self.0 {
            let matches = match segment {
                Segment::CatchAll => return true,
                Segment::Literal(literal) => segments.next().is_some_and(|text| text.eq_ignore_ascii_case(literal)),
                Segment::Parameter => segments.next().is_some_and(|text| !text.is_empty()),
                Segment::Optional => segments.next().is_none_or(|text| !text.is_empty()),
            };
            if !matches {
                return false;
            }
        }
        segments.next().is_none()
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a route without empty segments and without a leading slash");
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        let (name, segment) = match (name.trim_start_matches('*'), name.strip_suffix('?')) {
            (rest, _) if rest.len() < name.len() => (rest, Self::CatchAll),
            (_, Some(optional)) => (optional, Self::Optional),
            (name, None) => (name, Self::Parameter),
        };
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        if !is_name(name) {
            return Err("segments that are literals or one of {name}, {name?}, {*name}, without constraints");
        }
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template).expect(template).matches(path)
    }

    #[test]
    fn literals_ignore_case_and_a_trailing_slash() {
        assert!(matches("api/Query", "/api/Query"));
        assert!(matches("api/Query", "/API/query"));
        assert!(matches("api/Query", "/api/query/"));
        assert!(!matches("api/Query", "/api/queries"));
        assert!(!matches("api/Query", "/api"));
        assert!(!matches("api/Query", "/api/query/1"));
        assert!(!matches("api/Query", "/api//query"));
        assert!(!matches("api/Query", "/"));
    }

    #[test]
    fn a_parameter_matches_exactly_one_segment() {
        assert!(matches("api/restores/{id}/undo", "/api/restores/r%2F1/undo"));
        assert!(!matches("api/restores/{id}", "/api/restores"));
        assert!(!matches("api/restores/{id}", "/api/restores/"));
        assert!(!matches("api/restores/{id}/undo", "/api/restores//undo"));
        assert!(!matches("api/restores/{id}", "/api/restores/1/2"));
    }

    #[test]
    fn an_optional_parameter_matches_one_segment_or_none() {
        assert!(matches("api/backups/{id?}", "/api/backups"));
        assert!(matches("api/backups/{id?}", "/api/backups/"));
        assert!(matches("api/backups/{id?}", "/api/backups/1"));
        assert!(!matches("api/backups/{id?}", "/api/backups/1/2"));
    }

    #[test]
    fn a_catch_all_parameter_matches_any_number_of_segments() {
        for path in ["/api/console", "/api/console/", "/api/console/a", "/api/console/a/b.js", "/api/Console/a//b/"] {
            assert!(matches("api/console/{*rest}", path), "{path}");
        }
        assert!(!matches("api/console/{*rest}", "/api/consoles"));
        assert!(matches("{*rest}", "/"));
        assert!(matches("{**rest}", "/any/thing"));
    }

    #[test]
    fn invalid_and_unsupported_templates_are_rejected() {
        for template in
            ["api//x", "/x", "api/{id:int}", "api/{a}-{b}", "api/{a?}/x", "api/{*a}/x", "api/{}", "api/{a", "api/v{a}"]
        {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
