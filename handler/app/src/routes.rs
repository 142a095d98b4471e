//! All paths. The host forwards HTTP triggers with their path under `/api`, and calls any other trigger by the name of its
//! folder.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, Uri};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, guard};

use crate::http::{ApiError, NoQuery};
use crate::{console, description, functions};

/// A path and its methods. Each path also answers OPTIONS.
struct Route {
    path: &'static str,
    allowed: &'static str,
    add_methods: fn(Resource) -> Resource,
}

const fn resource(path: &'static str, allowed: &'static str, add_methods: fn(Resource) -> Resource) -> Route {
    Route { path, allowed, add_methods }
}

const ROUTES: &[Route] = &[
    resource("/", "GET, HEAD", |path| path.route(reading().to(root))),
    resource("/CosmosChangeFeed", "POST", |path| path.route(web::post().to(functions::capture::post))),
    resource("/CosmosChangeFeedAllVersions", "POST", |path| path.route(web::post().to(functions::capture::post))),
    resource("/CosmosChangeFeed_{id}", "POST", |path| path.route(web::post().to(functions::capture::post))),
    resource("/CosmosChangeFeedAllVersions_{id}", "POST", |path| path.route(web::post().to(functions::capture::post))),
    resource("/Retention", "POST", |path| path.route(web::post().to(functions::retention::post))),
    resource("/WatchLeases", "POST", |path| path.route(web::post().to(functions::watch_leases::post))),
    resource("/BackupPolicy", "POST", |path| path.route(web::post().to(functions::backup_policy::run))),
    resource("/RunJobs", "POST", |path| path.route(web::post().to(functions::run_jobs::post))),
    resource("/api", "GET, HEAD", |path| path.route(reading().to(description::index))),
    resource("/api/openapi.json", "GET, HEAD", |path| path.route(reading().to(description::openapi))),
    resource("/api/populate", "POST", |path| path.route(web::post().to(functions::populate::post))),
    resource("/api/truncate", "POST", |path| path.route(web::post().to(functions::truncate::post))),
    resource("/api/query", "POST", |path| path.route(web::post().to(functions::query::post))),
    resource("/api/history/versions", "GET, HEAD", |path| path.route(reading().to(functions::history::versions))),
    resource("/api/history/versions/{id}", "GET, HEAD", |path| path.route(reading().to(functions::history::version))),
    resource("/api/history/document", "GET, HEAD", |path| path.route(reading().to(functions::history::document))),
    resource("/api/history/diff", "GET, HEAD", |path| path.route(reading().to(functions::history::diff))),
    resource("/api/history/blame", "GET, HEAD", |path| path.route(reading().to(functions::history::blame))),
    resource("/api/history/search", "GET, HEAD", |path| path.route(reading().to(functions::history::search))),
    resource("/api/history/activity", "GET, HEAD", |path| path.route(reading().to(functions::activity::get))),
    resource("/api/history/changes", "GET, HEAD", |path| path.route(reading().to(functions::changes::get))),
    resource("/api/restores", "GET, HEAD, POST", |path| {
        path.route(reading().to(functions::restores::list)).route(web::post().to(functions::restores::post))
    }),
    resource("/api/restores/{id}", "GET, HEAD", |path| path.route(reading().to(functions::restores::show))),
    resource("/api/restores/{id}/items", "GET, HEAD", |path| path.route(reading().to(functions::restores::items))),
    resource("/api/restores/{id}/cancel", "POST", |path| path.route(web::post().to(functions::restores::cancel))),
    resource("/api/restores/{id}/execute", "POST", |path| path.route(web::post().to(functions::restores::execute))),
    resource("/api/restores/{id}/undo", "POST", |path| path.route(web::post().to(functions::restores::undo))),
    resource("/api/backups", "GET, HEAD, POST", |path| {
        path.route(reading().to(functions::backups::list)).route(web::post().to(functions::backups::post))
    }),
    resource("/api/backups/prune", "POST", |path| path.route(web::post().to(functions::backups::prune))),
    resource("/api/backups/{id}", "GET, HEAD", |path| path.route(reading().to(functions::backups::show))),
    resource("/api/backups/{id}/verify", "POST", |path| path.route(web::post().to(functions::backups::verify))),
    resource("/api/backups/{id}/cancel", "POST", |path| path.route(web::post().to(functions::backups::cancel))),
    resource("/api/backup-policy", "GET, HEAD, PUT, DELETE", |path| {
        path.route(reading().to(functions::backup_policy::show))
            .route(web::put().to(functions::backup_policy::put))
            .route(web::delete().to(functions::backup_policy::remove))
    }),
    resource("/api/dead-letters", "GET, HEAD", |path| path.route(reading().to(functions::dead_letters::list))),
    resource("/api/dead-letters/{id}", "GET, HEAD, DELETE", |path| {
        path.route(reading().to(functions::dead_letters::show))
            .route(web::delete().to(functions::dead_letters::discard))
    }),
    resource("/api/dead-letters/{id}/replay", "POST", |path| {
        path.route(web::post().to(functions::dead_letters::replay))
    }),
    resource("/api/verify", "GET, HEAD, POST", |path| {
        path.route(reading().to(functions::verify::list)).route(web::post().to(functions::verify::post))
    }),
    resource("/api/verify/{id}", "GET, HEAD", |path| path.route(reading().to(functions::verify::show))),
    resource("/api/verify/{id}/findings", "GET, HEAD", |path| path.route(reading().to(functions::verify::findings))),
    resource("/api/verify/{id}/cancel", "POST", |path| path.route(web::post().to(functions::verify::cancel))),
    resource("/api/digests", "GET, HEAD, POST", |path| {
        path.route(reading().to(functions::digests::list)).route(web::post().to(functions::digests::post))
    }),
    resource("/api/digests/{id}", "GET, HEAD", |path| path.route(reading().to(functions::digests::show))),
    resource("/api/digests/{id}/cancel", "POST", |path| path.route(web::post().to(functions::digests::cancel))),
    resource("/api/erasures", "GET, HEAD, POST", |path| {
        path.route(reading().to(functions::erasures::list)).route(web::post().to(functions::erasures::post))
    }),
    resource("/api/erasures/lift", "POST", |path| path.route(web::post().to(functions::erasures::lift))),
    resource("/api/erasures/{id}", "GET, HEAD", |path| path.route(reading().to(functions::erasures::show))),
    resource("/api/metrics", "GET, HEAD", |path| path.route(reading().to(functions::metrics::get))),
    resource("/api/status", "GET, HEAD", |path| path.route(reading().to(functions::status::get))),
];

/// A page of the console. Every page is read.
const fn page(path: &'static str, add_methods: fn(Resource) -> Resource) -> Route {
    Route { path, allowed: "GET, HEAD", add_methods }
}

const PAGES: &[Route] = &[
    page("/api/console", |path| path.route(reading().to(console::start))),
    page("/api/console/{id}", |path| path.route(reading().to(console::shell))),
    page("/api/console/assets/{id}", |path| path.route(reading().to(console::asset))),
    page("/api/views/{id}", |path| path.route(reading().to(console::view))),
];

/// GET, and HEAD, whose answer has the same headers and no body.
fn reading() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

pub fn configure(config: &mut ServiceConfig) {
    for route in ROUTES.iter().chain(PAGES) {
        let path = web::resource(route.path).app_data(Data::new(Allowed(format!("{}, OPTIONS", route.allowed))));
        let path = path.route(web::method(Method::OPTIONS).to(options)).default_service(web::to(wrong_method));
        config.service((route.add_methods)(path));
    }
    config.default_service(web::to(no_such_path));
}

/// Changes the path of a request to the spelling in [`ROUTES`]; ids stay as they are. The Functions host matches paths without
/// regard to case and to a slash at the end, and passes them on as they were typed.
pub fn use_declared_spelling(request: &mut ServiceRequest) {
    let Some(path) = declared_spelling(request.path()).filter(|path| path != request.path()) else { return };
    let path_and_query = match request.query_string() {
        "" => path,
        query => format!("{path}?{query}"),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

fn declared_spelling(path: &str) -> Option<String> {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    ROUTES.iter().chain(PAGES).find_map(|route| {
        let (typed, declared) = (path.split('/'), route.path.split('/'));
        if typed.clone().count() != declared.clone().count() {
            return None;
        }
        let segments = typed.zip(declared).map(|(typed, declared)| match declared.split_once('{') {
            Some((name, _)) => with_spelling(typed, name),
            None => declared.eq_ignore_ascii_case(typed).then(|| declared.to_owned()),
        });
        segments.collect::<Option<Vec<_>>>().map(|segments| segments.join("/"))
    })
}

/// A segment that begins with this name, in its spelling. The rest is as it was typed.
fn with_spelling(typed: &str, name: &str) -> Option<String> {
    let (start, rest) = typed.split_at_checked(name.len())?;
    (start.eq_ignore_ascii_case(name) && !rest.is_empty()).then(|| format!("{name}{rest}"))
}

/// The host polls this path until it gets any answer, so it must not wait for anything.
async fn root(_: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")}))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::no_such_path(request.path()))
}

/// The methods of a resource, for the answers to OPTIONS and to any other method.
struct Allowed(String);

/// 204 with the methods of the path.
async fn options(allowed: Data<Allowed>) -> HttpResponse {
    HttpResponse::NoContent().insert_header((ALLOW, allowed.0.as_str())).finish()
}

async fn wrong_method(request: HttpRequest, method: Method, allowed: Data<Allowed>) -> Result<HttpResponse, ApiError> {
    Err(ApiError::wrong_method(method.as_str(), request.path(), allowed.0.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_have_any_case_and_ids_keep_theirs() {
        let spelling = |path| declared_spelling(path).unwrap_or_default();
        assert_eq!(spelling("/API/Status/"), "/api/status");
        assert_eq!(spelling("/Api/RESTORES/AbC/Items"), "/api/restores/AbC/items");
        assert_eq!(spelling("/api/Restores/%41/undo"), "/api/restores/%41/undo");
        assert_eq!(spelling("/cosmoschangefeed_orders"), "/CosmosChangeFeed_orders");
        assert_eq!(spelling("/"), "/");
        assert_eq!(declared_spelling("/api/nothing"), None);
    }
}
