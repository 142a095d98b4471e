//! Finds the function of a request, by route templates as in ASP.NET's router.
//!
//! Literals ignore case and a trailing slash is ignored. Of several functions that match route and method, the first by
//! name is chosen.

use super::path::RequestPath;
use crate::app::{AuthLevel, Function, FunctionApp, Trigger};

/// The routes of an app.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Debug)]
pub(crate) struct Route {
    pub function: String,
    /// The names of the input and of the output.
    pub bindings: (String, String),
    pub auth_level: AuthLevel,
    methods: Option<Vec<String>>,
    template: Template,
}

#[derive(Debug, PartialEq)]
struct Template(Vec<Segment>);

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Parameter(Parameter),
    /// `{name?}`
    Optional(Parameter),
    /// `{*name}`: any number of segments.
    CatchAll(String),
}

#[derive(Debug, PartialEq)]
struct Parameter {
    name: String,
    constraint: Option<Constraint>,
}

/// Which texts a parameter can be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Constraint {
    Int,
    Long,
    Bool,
    Guid,
    Alpha,
    /// The most characters.
    MaxLength(usize),
}

/// The values of a route's parameters. `None` for an optional one that is missing.
pub(super) type Parameters = Vec<(String, Option<String>)>;

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

    /// The function for a request, and the values of its parameters.
    pub(super) fn find(&self, method: &str, path: &RequestPath) -> Option<(&Route, Parameters)> {
        let mut allowed = self.0.iter().filter(|route| route.allows(method));
        allowed.find_map(|route| Some((route, route.template.matched(path.decoded())?)))
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
            bindings: (trigger.name.clone(), trigger.output.clone()),
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
                Segment::Optional(_) | Segment::CatchAll(_) if index < last => {
                    return Err("an optional or catch-all parameter only at the end of the route");
                }
                _ => {}
            }
        }
        Ok(Self(segments))
    }

    /// The values of the parameters, if the path matches.
    fn matched(&self, path: &str) -> Option<Parameters> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut rest = (!path.is_empty()).then_some(path);
        let mut next = || {
            let (segment, after) =
                rest?.split_once('/').map_or((rest?, None), |(segment, after)| (segment, Some(after)));
            rest = after;
            Some(segment)
        };
        let mut parameters = Parameters::new();
        for segment in &self.0 {
            match segment {
                Segment::CatchAll(name) => {
                    let all = Vec::from_iter(std::iter::from_fn(&mut next)).join("/");
                    parameters.push((name.clone(), (!all.is_empty()).then_some(all)));
                    return Some(parameters);
                }
                Segment::Literal(literal) => {
                    next().filter(|text| text.eq_ignore_ascii_case(literal))?;
                }
                Segment::Parameter(parameter) => {
                    let text = next().filter(|text| parameter.allows(text))?;
                    parameters.push((parameter.name.clone(), Some(text.to_owned())));
                }
                Segment::Optional(parameter) => match next() {
                    None => parameters.push((parameter.name.clone(), None)),
                    Some(text) if parameter.allows(text) => {
                        parameters.push((parameter.name.clone(), Some(text.to_owned())));
                    }
                    Some(_) => return None,
                },
            }
        }
        next().is_none().then_some(parameters)
    }
}

impl Parameter {
    fn allows(&self, text: &str) -> bool {
        !text.is_empty() && self.constraint.is_none_or(|constraint| constraint.allows(text))
    }
}

impl Constraint {
    fn parse(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        if let Some(length) = name.strip_prefix("maxlength(").and_then(|rest| rest.strip_suffix(')')) {
            return length.parse().ok().map(Self::MaxLength);
        }
        Some(match name.as_str() {
            "int" => Self::Int,
            "long" => Self::Long,
            "bool" => Self::Bool,
            "guid" => Self::Guid,
            "alpha" => Self::Alpha,
            _ => return None,
        })
    }

    fn allows(self, text: &str) -> bool {
        match self {
            Self::Int => text.parse::<i32>().is_ok(),
            Self::Long => text.parse::<i64>().is_ok(),
            Self::Bool => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            Self::Guid => uuid::Uuid::parse_str(text).is_ok(),
            Self::Alpha => text.chars().all(|character| character.is_ascii_alphabetic()),
            // ASP.NET counts UTF-16 code units.
            Self::MaxLength(length) => text.encode_utf16().count() <= length,
        }
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
        let allowed = "segments that are literals or one of {name}, {name?}, {*name}, with at most one of the constraints :int, :long, :bool, :guid, :alpha, :maxlength(N)";
        let is_name =
            |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let catch_all = name.trim_start_matches('*');
        if catch_all.len() < name.len() {
            return Some(catch_all).filter(is_name).map(|name| Self::CatchAll(name.to_owned())).ok_or(allowed);
        }
        let (name, is_optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let (name, constraint) = match name.split_once(':') {
            Some((name, constraint)) => (name, Some(Constraint::parse(constraint).ok_or(allowed)?)),
            None => (name, None),
        };
        let name = Some(name).filter(is_name).ok_or(allowed)?.to_owned();
        let parameter = Parameter { name, constraint };
        Ok(if is_optional { Self::Optional(parameter) } else { Self::Parameter(parameter) })
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template).expect(template).matched(path).is_some()
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
    fn the_values_of_parameters_are_what_matches_them() {
        let values = |template: &str, path: &str| Template::parse(template).expect(template).matched(path);
        let value = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let template = "api/things/{x}/{y:int?}";
        assert_eq!(
            values(template, "/api/things/a b%2Fc/5"),
            Some(vec![value("x", Some("a b%2Fc")), value("y", Some("5"))])
        );
        assert_eq!(values(template, "/api/things/a"), Some(vec![value("x", Some("a")), value("y", None)]));
        assert_eq!(values(template, "/api/things/a/b"), None);
        assert_eq!(values("{*rest}", "/a//b/"), Some(vec![value("rest", Some("a//b"))]));
        for (constraint, text) in [
            ("long", "5000000000"),
            ("bool", "True"),
            ("alpha", "aZ"),
            ("guid", "6ad5a16d-2c8a-455c-8985-406aa44a7708"),
        ] {
            let template = format!("{{x:{constraint}}}");
            assert!(values(&template, text).is_some() && values(&template, "-").is_none(), "{template}");
        }
    }

    #[test]
    fn an_optional_parameter_matches_one_segment_or_none() {
        assert!(matches("api/backups/{id?}", "/api/backups"));
        assert!(matches("api/backups/{id?}", "/api/backups/"));
        assert!(matches("api/backups/{id?}", "/api/backups/1"));
        assert!(!matches("api/backups/{id?}", "/api/backups/1/2"));
    }

    #[test]
    fn an_optional_parameter_without_room_for_text_matches_the_prefix_alone() {
        for path in ["/api", "/api/", "/API"] {
            assert!(matches("api/{ignored:maxlength(0)?}", path), "{path}");
        }
        for path in ["/", "/api/a", "/api//", "/api/a/b", "/apis"] {
            assert!(!matches("api/{ignored:maxlength(0)?}", path), "{path}");
        }
        assert!(matches("{code:maxlength(2)}", "/ab") && !matches("{code:maxlength(2)}", "/abc"));
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
        for template in [
            "api//x",
            "/x",
            "api/{id:max(3)}",
            "api/{id:maxlength()}",
            "api/{id:maxlength(-1)}",
            "api/{a}-{b}",
            "api/{a?}/x",
            "api/{*a}/x",
            "api/{}",
            "api/{a",
            "api/v{a}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
