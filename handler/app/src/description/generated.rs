//! Puts the descriptions of the functions together, as `docs/reference/openapi.json`. Only a test does it: the program has the file.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi};

use super::document::{__path_index, __path_openapi};
use crate::functions::{
    activity, backup_policy, backups, changes, dead_letters, history, metrics, populate, query, restores, status,
};
use crate::functions::{digests, erasures, truncate, verify};
use crate::http::{ErrorAnswer, SOURCE, error_components};

/// The rules for every request.
const RULES: &str = "Stores every version of every document of an Azure Cosmos DB container, and restores any of them.\n\n\
    HEAD is answered wherever GET is, with the same headers and without a body. OPTIONS is answered with 204 and the header `Allow`; any \
    method that a path does not have with 405 and `Allow`. Unknown parameters and properties are refused with 400. An empty body \
    counts as `{}`.\n\n\
    Times in requests are RFC 3339, seconds since 1970, or written as people do: `10m` (ago), `yesterday 10:00`. Local times are in UTC, \
    unless the app has a time zone.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Changefeed", description = RULES),
    paths(
        index,
        openapi,
        history::versions,
        history::version,
        history::document,
        history::diff,
        history::blame,
        history::search,
        activity::get,
        changes::get,
        restores::post,
        restores::list,
        restores::show,
        restores::items,
        restores::execute,
        restores::cancel,
        restores::undo,
        backups::post,
        backups::list,
        backups::show,
        backups::verify,
        backups::cancel,
        backups::prune,
        backup_policy::show,
        backup_policy::put,
        backup_policy::remove,
        dead_letters::list,
        dead_letters::show,
        dead_letters::replay,
        dead_letters::discard,
        verify::post,
        verify::list,
        verify::show,
        verify::findings,
        verify::cancel,
        digests::post,
        digests::list,
        digests::show,
        digests::cancel,
        erasures::post,
        erasures::lift,
        erasures::list,
        erasures::show,
        query::post,
        populate::post,
        truncate::post,
        status::get,
        metrics::get
    ),
    components(schemas(ErrorAnswer)),
    security(("functionKey" = []), ("functionKeyInQuery" = [])),
    modifiers(&Keys, &Errors, &Bodies, &SourceParameter),
    tags(
        (name = "Description", description = "What the API has."),
        (name = "History", description = "Versions of documents."),
        (name = "Restores", description = "Restores, and undoing them."),
        (name = "Backups", description = "Backups as files."),
        (name = "Dead letters", description = "Documents that could not be captured."),
        (name = "Verify", description = "Comparing live documents with the history, and the history with its digests."),
        (name = "Digests", description = "Digests of the history, by which altered and removed versions are found."),
        (name = "Erasures", description = "Removing everything that is stored of a document."),
        (name = "Other", description = "Queries, functions for trying out, the status and the metrics.")
    )
)]
struct Document;

/// How a request carries its key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let header = |what: &str| ApiKey::Header(ApiKeyValue::with_description("x-functions-key", what));
        let schemes = [
            ("functionKey", header("The key of a function, or a host key.")),
            (
                "functionKeyInQuery",
                ApiKey::Query(ApiKeyValue::with_description("code", "The key of a function, or a host key.")),
            ),
            ("masterKey", header("The master key of the app.")),
        ];
        let components = document.components.get_or_insert_default();
        for (name, key) in schemes {
            components.add_security_scheme(name, SecurityScheme::ApiKey(key));
        }
    }
}

/// The answers that operations refer to.
struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.components.get_or_insert_default().responses.extend(error_components());
    }
}

/// A body without required properties can be left out: an empty body is the same as an empty object.
struct Bodies;

impl Modify for Bodies {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(components) = &document.components else { return };
        let is_optional = |schema: &RefOr<Schema>| {
            let RefOr::Ref(reference) = schema else { return false };
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            matches!(components.schemas.get(name), Some(RefOr::T(Schema::Object(shape))) if shape.required.is_empty())
        };
        let operations = document.paths.paths.values_mut().filter_map(|item| item.post.as_mut());
        for body in operations.filter_map(|operation| operation.request_body.as_mut()) {
            let RefOr::T(body) = body else { continue };
            let schema = body.content.values().find_map(|content| match content {
                RefOr::T(content) => content.schema.as_ref(),
                RefOr::Ref(_) => None,
            });
            if schema.is_some_and(is_optional) {
                body.required = Some(Required::False);
            }
        }
    }
}

/// The parameter that names the source. Every operation takes it but those that describe the API, and the metrics.
struct SourceParameter;

impl Modify for SourceParameter {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        const NAME: &str = "[a-z][a-z0-9]{0,31}";
        let parameter = |pattern: String, several: &str| {
            let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
            let description = format!(
                "The source, a container that the app captures. Required where the app has several.{several} The status is of all \
                 sources without it."
            );
            ParameterBuilder::new()
                .name(SOURCE)
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(name))
                .build()
        };
        let of_one = parameter(format!("^{NAME}$"), "");
        let several = " With several names, and commas between them, a restore is of all of them.";
        let of_several = parameter(format!("^{NAME}(,{NAME})*$"), several);
        let described = document.paths.paths.iter_mut().filter(|(path, _)| !WITHOUT_SOURCE.contains(&path.as_str()));
        for (path, item) in described {
            let parameter = if path.starts_with("/api/restores") { &of_several } else { &of_one };
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                operation.parameters.get_or_insert_default().push(parameter.clone().into());
            }
        }
    }
}

/// The paths of the API itself, and of what is about all sources.
const WITHOUT_SOURCE: [&str; 3] = ["/api", "/api/openapi.json", "/api/metrics"];

#[test]
fn the_committed_document_is_that_of_the_functions() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&Document::openapi()).expect("JSON"));
    if std::fs::read_to_string(&path).ok().as_ref() == Some(&text) {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "docs/reference/openapi.json is stale; to rewrite it: UPDATE_DOCS=1 cargo test -p changefeed committed_document"
    );
    std::fs::write(path, text).expect("openapi.json");
}
