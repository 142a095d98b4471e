//! A storage account in memory, as far as backups use it: block blobs with etags and conditions, a list by prefix, and blobs that are
//! immutable. It asks for no credentials.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// The date of every blob.
const DATE: &str = "Sun, 29 Nov 2026 08:00:00 GMT";
/// The largest body.
const MAX_BYTES: usize = 64 << 20;

#[derive(Clone)]
struct Blob {
    bytes: Bytes,
    etag: String,
}

#[derive(Default)]
struct State {
    /// By the path after the account: `container/folder/name`.
    blobs: BTreeMap<String, Blob>,
    writes: u64,
    /// Blobs whose path has one of these parts cannot be changed.
    immutable: Vec<String>,
}

/// A running service, which ends with the test.
pub struct BlobService {
    state: Arc<Mutex<State>>,
    endpoint: String,
}

impl BlobService {
    pub async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let data = Data::from(Arc::clone(&state));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}/account", listener.local_addr().expect("address"));
        let app = move || {
            App::new().app_data(data.clone()).app_data(PayloadConfig::new(MAX_BYTES)).default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("a server").run();
        tokio::spawn(server);
        Self { state, endpoint }
    }

    /// The connection string of the account. Its key is no secret.
    pub fn connection_string(&self) -> String {
        format!("AccountName=account;AccountKey=c2VjcmV0;BlobEndpoint={}", self.endpoint)
    }

    /// The URL of a prefix.
    pub fn location(&self, prefix: &str) -> String {
        format!("{}/{prefix}", self.endpoint)
    }

    /// The paths of all blobs.
    pub fn paths(&self) -> Vec<String> {
        lock(&self.state).blobs.keys().cloned().collect()
    }

    /// Makes the blobs immutable whose path has this part.
    pub fn protect(&self, part: &str) {
        lock(&self.state).immutable.push(part.to_owned());
    }

    /// Ends every protection.
    pub fn unprotect(&self) {
        lock(&self.state).immutable.clear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error(status: StatusCode, code: &str) -> HttpResponse {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    HttpResponse::build(status).insert_header(("x-ms-error-code", code)).content_type("application/xml").body(body)
}

async fn answer(request: HttpRequest, state: Data<Mutex<State>>, body: Bytes) -> HttpResponse {
    let query: BTreeMap<String, String> = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_or_else(|_| BTreeMap::new(), |query| query.into_inner().into_iter().collect());
    let path = percent_encoding::percent_decode_str(request.path()).decode_utf8_lossy().into_owned();
    let path = path.strip_prefix("/account/").unwrap_or_default().to_owned();
    let mut state = lock(&state);
    if query.get("comp").is_some_and(|comp| comp == "list") {
        return list(&state, &path, query.get("prefix").map_or("", String::as_str));
    }
    let found = state.blobs.get(&path).cloned();
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_wrong = |found: Option<&Blob>| {
        header(IF_MATCH).is_some_and(|etag| found.is_none_or(|blob| blob.etag != etag))
            || header(IF_NONE_MATCH).is_some_and(|etag| found.is_some() && etag == "*")
    };
    let is_immutable = found.is_some() && state.immutable.iter().any(|part| path.contains(part));
    match *request.method() {
        Method::GET | Method::HEAD => {
            found.map_or_else(|| error(StatusCode::NOT_FOUND, "BlobNotFound"), |blob| read(&blob, header(RANGE)))
        }
        Method::PUT | Method::DELETE if is_wrong(found.as_ref()) => match *request.method() {
            Method::PUT if header(IF_NONE_MATCH).is_some() => error(StatusCode::CONFLICT, "BlobAlreadyExists"),
            _ => error(StatusCode::PRECONDITION_FAILED, "ConditionNotMet"),
        },
        Method::PUT | Method::DELETE if is_immutable => error(StatusCode::CONFLICT, "BlobImmutableDueToPolicy"),
        Method::PUT => {
            state.writes += 1;
            let etag = format!("\"0x{:X}\"", state.writes);
            state.blobs.insert(path, Blob { bytes: body, etag: etag.clone() });
            HttpResponse::Created().insert_header((ETAG, etag)).insert_header((LAST_MODIFIED, DATE)).finish()
        }
        Method::DELETE => match state.blobs.remove(&path) {
            Some(_) => HttpResponse::Accepted().finish(),
            None => error(StatusCode::NOT_FOUND, "BlobNotFound"),
        },
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb"),
    }
}

fn read(blob: &Blob, range: Option<&str>) -> HttpResponse {
    let length = blob.bytes.len();
    let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let bounds = bounds.map(|(start, end)| {
        let end = end.parse::<usize>().map_or(length, |end| (end + 1).min(length));
        (start.parse::<usize>().unwrap_or(0), end)
    });
    let mut response = match bounds {
        // An empty blob has no range.
        Some((start, _)) if start >= length => return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
        Some(_) => HttpResponse::PartialContent(),
        None => HttpResponse::Ok(),
    };
    let (start, end) = bounds.unwrap_or((0, length));
    response
        .insert_header((ETAG, blob.etag.as_str()))
        .insert_header((LAST_MODIFIED, DATE))
        .insert_header(("x-ms-blob-type", "BlockBlob"))
        .insert_header((CONTENT_LENGTH, end - start));
    if bounds.is_some() {
        response.insert_header((CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1)));
    }
    response.content_type("application/octet-stream").body(blob.bytes.slice(start..end))
}

fn list(state: &State, container: &str, prefix: &str) -> HttpResponse {
    let own = format!("{container}/");
    let names = state.blobs.iter().filter_map(|(path, blob)| {
        let name = path.strip_prefix(&own).filter(|name| name.starts_with(prefix))?;
        Some(format!(
            "<Blob><Name>{name}</Name><Properties><Last-Modified>{DATE}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length>\
             <BlobType>BlockBlob</BlobType></Properties></Blob>",
            blob.etag.trim_matches('"'),
            blob.bytes.len()
        ))
    });
    let blobs: String = names.collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"{container}\"><Prefix>{prefix}</Prefix>\
         <Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
    );
    HttpResponse::Ok().content_type("application/xml").body(body)
}
