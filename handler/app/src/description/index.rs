//! What the API has, as a page, as text, or as JSON. It is made from the OpenAPI document.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{Accept, VARY};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What is worth a link, with its path. The paths are those of GET requests.
const LINKS: &[(&str, &str)] =
    &[("/api/openapi.json", "the API as an OpenAPI document"), ("/api/status", "the status")];
/// The methods of operations, in the order of the index.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// The page that describes the API, in the repository.
const REFERENCE: &str = "docs/reference/http.md";

/// What the API has.
#[derive(Serialize, ToSchema)]
pub struct Index {
    /// The name of the program.
    #[schema(value_type = String)]
    name: &'static str,
    /// Its version.
    #[schema(value_type = String)]
    version: &'static str,
    /// The page of the documentation.
    #[schema(value_type = String)]
    reference: &'static str,
    links: Vec<Link>,
    operations: Vec<IndexedOperation>,
}

/// A path that is worth a link.
#[derive(Serialize, ToSchema)]
pub struct Link {
    #[schema(value_type = String)]
    path: &'static str,
    #[schema(value_type = String)]
    what: &'static str,
}

/// A request that the API answers.
#[derive(Serialize, ToSchema)]
pub struct IndexedOperation {
    #[schema(value_type = String)]
    method: &'static str,
    path: String,
    summary: String,
    key: NeededKey,
}

/// The key that a request needs.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NeededKey {
    /// None.
    None,
    /// That of the function, or a host key.
    Function,
    /// The master key.
    Master,
}

impl NeededKey {
    fn of(operation: &Value) -> Self {
        let Some(choices) = operation["security"].as_array() else { return Self::Function };
        if choices.iter().any(|choice| choice.get("masterKey").is_some()) { Self::Master } else { Self::None }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Function => "function",
            Self::Master => "master",
        }
    }
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    /// What the client prefers of the three; text if it has no preference.
    fn preferred(accept: Option<&Accept>) -> Self {
        let ranked = accept.map(Accept::ranked).unwrap_or_default();
        let known = ranked.iter().find_map(|media| match media.essence_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/json" => Some(Self::Json),
            "text/plain" | "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        });
        known.unwrap_or(Self::Text)
    }
}

impl Index {
    /// The index of what an OpenAPI document describes.
    pub(super) fn new(document: &Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                let Some(operation) = item.get(method.to_lowercase()) else { continue };
                let summary = operation["summary"].as_str().unwrap_or_default().replace('\n', " ");
                operations.push(IndexedOperation {
                    method,
                    path: path.clone(),
                    summary,
                    key: NeededKey::of(operation),
                });
            }
        }
        let links = LINKS.iter().map(|(path, what)| Link { path, what }).collect();
        Self { name: "changefeed", version: env!("CARGO_PKG_VERSION"), reference: REFERENCE, links, operations }
    }

    /// The answer in the form that the client prefers.
    pub(super) fn answer(&self, accept: Option<&Accept>) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        answer.insert_header((VARY, "Accept"));
        match Form::preferred(accept) {
            Form::Html => answer.content_type("text/html; charset=utf-8").body(self.html()),
            Form::Json => answer.json(self),
            Form::Text => answer.content_type("text/plain; charset=utf-8").body(self.text()),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}\n\n", self.name, self.version);
        let width = self.operations.iter().map(|operation| operation.path.len()).max().unwrap_or_default();
        for IndexedOperation { method, path, summary, key } in &self.operations {
            let _ = writeln!(text, "{method:6} {path:width$}  {:8}  {summary}", key.name());
        }
        text.push('\n');
        for Link { path, what } in &self.links {
            let _ = writeln!(text, "{path}: {what}");
        }
        let _ = writeln!(text, "The reference: {}", self.reference);
        text
    }

    fn html(&self) -> String {
        let mut rows = String::new();
        for IndexedOperation { method, path, summary, key } in &self.operations {
            let (path, summary) = (escaped(path), escaped(summary));
            let _ = writeln!(
                rows,
                "<tr><td>{method}</td><td><code>{path}</code></td><td>{}</td><td>{summary}</td></tr>",
                key.name()
            );
        }
        let mut links = String::new();
        for Link { path, what } in &self.links {
            let _ = writeln!(links, "<li><a href=\"{path}\">{path}</a>: {}</li>", escaped(what));
        }
        let (name, version, reference) = (self.name, self.version, self.reference);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{name} {version}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <style>body {{ font-family: sans-serif; margin: 2em }} td, th {{ padding: 0.2em 0.8em; text-align: left }}</style>\n\
             </head>\n<body>\n<h1>{name} {version}</h1>\n<ul>\n{links}</ul>\n<table>\n\
             <tr><th>method</th><th>path</th><th>key</th><th>what it does</th></tr>\n{rows}</table>\n\
             <p>The reference: <code>{reference}</code></p>\n</body>\n</html>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::Header as _;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_client_prefers() {
        let form = |accept: &str| {
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            Form::preferred(Accept::parse(&request).ok().as_ref())
        };
        assert_eq!(form("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Form::Html);
        assert_eq!(form("*/*"), Form::Text);
        assert_eq!(form("application/json"), Form::Json);
        assert_eq!(form("application/json, text/plain, */*"), Form::Json);
        assert_eq!(form("text/plain;q=0.5, application/json;q=0.4"), Form::Text);
        assert_eq!(form("image/png"), Form::Text);
        assert_eq!(Form::preferred(None), Form::Text);
    }
}
