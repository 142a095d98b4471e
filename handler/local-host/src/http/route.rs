//! Which function a request is for: route templates, matched as ASP.NET's router matches them.
//!
//! Literals match whatever their case, a trailing slash does not matter, and the first function in the order of names
//! whose route and methods fit takes the request.

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
    Rest,
}

/// A function whose route this host cannot match, and why.
#[derive(Debug, PartialEq)]
pub(crate) struct UnsupportedRoute {
    pub function: String,
    pub route: String,
    pub problem: &'static str,
}

impl Routes {
    pub(crate) fn of(app: &FunctionApp) -> Result<Self, UnsupportedRoute> {
        let routes = app.functions.iter().filter_map(|function| Route::of(function, &app.host.route_prefix));
        routes.collect::<Result<_, _>>().map(Self)
    }

    /// The route of a request; `path` starts with a slash and is still percent-encoded.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.allows(method) && route.template.matches(path))
    }
}

impl Route {
    fn of(function: &Function, prefix: &str) -> Option<Result<Self, UnsupportedRoute>> {
        let Trigger::Http(trigger) = &function.trigger else { return None };
        let path = if prefix.is_empty() { trigger.route.clone() } else { format!("{prefix}/{}", trigger.route) };
        let template = Template::parse(&path).map_err(|problem| UnsupportedRoute {
            function: function.name.clone(),
            route: trigger.route.clone(),
            problem,
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
                Segment::Optional | Segment::Rest if index < last => {
                    return Err("an optional or catch-all parameter stands at the end of a route only");
                }
                _ => {}
            }
        }
        Ok(Self(segments))
    }

    fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut given = path.strip_suffix('/').unwrap_or(path).split('/').filter(|_| !path.is_empty());
        for segment in &self.0 {
            let fits = match segment {
                Segment::Rest => return true,
                Segment::Literal(literal) => given.next().is_some_and(|text| text.eq_ignore_ascii_case(literal)),
                Segment::Parameter => given.next().is_some_and(|text| !text.is_empty()),
                Segment::Optional => given.next().is_none_or(|text| !text.is_empty()),
            };
            if !fits {
                return false;
            }
        }
        given.next().is_none()
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a route has no empty segments and does not start with a slash");
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        let (name, segment) = match (name.trim_start_matches('*'), name.strip_suffix('?')) {
            (rest, _) if rest.len() < name.len() => (rest, Self::Rest),
            (_, Some(optional)) => (optional, Self::Optional),
            (name, None) => (name, Self::Parameter),
        };
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        if !is_name(name) {
            return Err("a segment is a literal or one of {name}, {name?}, {*name}, without constraints");
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
    fn literals_match_whatever_their_case() {
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
    fn a_parameter_takes_exactly_one_segment() {
        assert!(matches("api/restores/{id}/undo", "/api/restores/r%2F1/undo"));
        assert!(!matches("api/restores/{id}", "/api/restores"));
        assert!(!matches("api/restores/{id}", "/api/restores/"));
        assert!(!matches("api/restores/{id}/undo", "/api/restores//undo"));
        assert!(!matches("api/restores/{id}", "/api/restores/1/2"));
    }

    #[test]
    fn an_optional_parameter_takes_one_segment_or_none() {
        assert!(matches("api/backups/{id?}", "/api/backups"));
        assert!(matches("api/backups/{id?}", "/api/backups/"));
        assert!(matches("api/backups/{id?}", "/api/backups/1"));
        assert!(!matches("api/backups/{id?}", "/api/backups/1/2"));
    }

    #[test]
    fn a_catch_all_takes_any_number_of_segments() {
        for path in ["/api/console", "/api/console/", "/api/console/a", "/api/console/a/b.js", "/api/Console/a//b/"] {
            assert!(matches("api/console/{*rest}", path), "{path}");
        }
        assert!(!matches("api/console/{*rest}", "/api/consoles"));
        assert!(matches("{*rest}", "/"));
        assert!(matches("{**rest}", "/any/thing"));
    }

    #[test]
    fn what_cannot_be_matched_is_refused() {
        for template in
            ["api//x", "/x", "api/{id:int}", "api/{a}-{b}", "api/{a?}/x", "api/{*a}/x", "api/{}", "api/{a", "api/v{a}"]
        {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
