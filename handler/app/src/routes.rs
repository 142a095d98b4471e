//! All paths. The host forwards HTTP triggers with their path under `/api`, and calls any other trigger by the name of its
//! folder.

use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};

use crate::functions;
use crate::http::{ApiError, NoQuery};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/", "GET").route(web::get().to(root)))
        .service(resource("/CosmosChangeFeed", "POST").route(web::post().to(functions::capture::post)))
        .service(resource("/Retention", "POST").route(web::post().to(functions::retention::post)))
        .service(resource("/RunJobs", "POST").route(web::post().to(functions::run_jobs::post)))
        .service(resource("/api/populate", "POST").route(web::post().to(functions::populate::post)))
        .service(resource("/api/truncate", "POST").route(web::post().to(functions::truncate::post)))
        .service(resource("/api/query", "POST").route(web::post().to(functions::query::post)))
        .service(resource("/api/history/versions", "GET").route(web::get().to(functions::history::versions)))
        .service(resource("/api/history/versions/{id}", "GET").route(web::get().to(functions::history::version)))
        .service(resource("/api/history/document", "GET").route(web::get().to(functions::history::document)))
        .service(resource("/api/history/diff", "GET").route(web::get().to(functions::history::diff)))
        .service(resource("/api/history/search", "GET").route(web::get().to(functions::history::search)))
        .service(
            resource("/api/restores", "GET, POST")
                .route(web::get().to(functions::restores::list))
                .route(web::post().to(functions::restores::post)),
        )
        .service(resource("/api/restores/{id}", "GET").route(web::get().to(functions::restores::show)))
        .service(resource("/api/restores/{id}/items", "GET").route(web::get().to(functions::restores::items)))
        .service(resource("/api/restores/{id}/cancel", "POST").route(web::post().to(functions::restores::cancel)))
        .service(resource("/api/restores/{id}/execute", "POST").route(web::post().to(functions::restores::execute)))
        .service(resource("/api/restores/{id}/undo", "POST").route(web::post().to(functions::restores::undo)))
        .service(
            resource("/api/backups", "GET, POST")
                .route(web::get().to(functions::backups::list))
                .route(web::post().to(functions::backups::post)),
        )
        .service(resource("/api/backups/{id}", "GET").route(web::get().to(functions::backups::show)))
        .service(resource("/api/backups/{id}/verify", "POST").route(web::post().to(functions::backups::verify)))
        .service(resource("/api/backups/{id}/cancel", "POST").route(web::post().to(functions::backups::cancel)))
        .service(resource("/api/dead-letters", "GET").route(web::get().to(functions::dead_letters::list)))
        .service(
            resource("/api/dead-letters/{id}", "GET, DELETE")
                .route(web::get().to(functions::dead_letters::show))
                .route(web::delete().to(functions::dead_letters::discard)),
        )
        .service(
            resource("/api/dead-letters/{id}/replay", "POST").route(web::post().to(functions::dead_letters::replay)),
        )
        .service(
            resource("/api/verify", "GET, POST")
                .route(web::get().to(functions::verify::list))
                .route(web::post().to(functions::verify::post)),
        )
        .service(resource("/api/verify/{id}", "GET").route(web::get().to(functions::verify::show)))
        .service(resource("/api/verify/{id}/findings", "GET").route(web::get().to(functions::verify::findings)))
        .service(resource("/api/verify/{id}/cancel", "POST").route(web::post().to(functions::verify::cancel)))
        .service(resource("/api/status", "GET").route(web::get().to(functions::status::get)))
        .default_service(web::to(no_such_path));
}

/// The host polls this path until it gets any answer, so it must not wait for anything.
async fn root(_: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")}))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::no_such_path(request.path()))
}

/// The methods of a resource, for the answer to any other method.
struct Allowed(&'static str);

fn resource(path: &'static str, allowed: &'static str) -> Resource {
    web::resource(path).app_data(Data::new(Allowed(allowed))).default_service(web::to(wrong_method))
}

async fn wrong_method(request: HttpRequest, method: Method, allowed: Data<Allowed>) -> Result<HttpResponse, ApiError> {
    Err(ApiError::wrong_method(method.as_str(), request.path(), allowed.0))
}
