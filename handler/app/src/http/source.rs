//! The source that a request is about.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpRequest};
use changefeed_cosmos::Error;

use super::error::ApiError;
use crate::service::Service;
use crate::sources::Sources;

/// The parameter that names the source, of every request.
pub const SOURCE: &str = "source";
/// Joins the names of several sources.
pub const SEPARATOR: char = ',';

/// The source that the parameter `source` names, or the only one of the app. 400 for an unknown name, and without one where there are several.
pub struct OfSource(Arc<Service>);

impl Deref for OfSource {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl FromRequest for OfSource {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(named(request).and_then(|name| {
            let sources = sources(request)?;
            Ok(Self(Arc::clone(sources.choose(name.as_deref(), SOURCE)?)))
        }))
    }
}

/// The source of a request that may also be about several sources together: `source=orders,customers`.
pub enum OneOrSeveral {
    /// As [`OfSource`].
    One(OfSource),
    /// Two or more.
    Several(Sources),
}

impl FromRequest for OneOrSeveral {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let several = || {
            let Some(names) = named(request)?.filter(|names| names.contains(SEPARATOR)) else { return Ok(None) };
            let sources = sources(request)?;
            let named = names.split(SEPARATOR).map(|name| Ok(sources.named(name)?.source().clone()));
            Ok(Some(sources.only(&named.collect::<Result<Vec<_>, ApiError>>()?)?))
        };
        match several() {
            Ok(Some(sources)) => ready(Ok(Self::Several(sources))),
            Ok(None) => ready(OfSource::from_request(request, payload).into_inner().map(Self::One)),
            Err(error) => ready(Err(error)),
        }
    }
}

/// The sources that a request is about: the one that it names, or all.
pub struct OfSources(pub Sources);

impl FromRequest for OfSources {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(named(request).and_then(|name| {
            let sources = sources(request)?;
            let Some(name) = name else { return Ok(Self(Sources::clone(sources))) };
            let named = sources.named(&name)?.source().clone();
            Ok(Self(sources.only(&[named])?))
        }))
    }
}

/// All sources, for a request that cannot be about one.
pub struct AllSources(pub Sources);

impl FromRequest for AllSources {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(named(request).and_then(|name| match name {
            None => Ok(Self(Sources::clone(sources(request)?))),
            Some(_) => Err(ApiError::bad_request(format!("this is about all sources; leave out {SOURCE}"))),
        }))
    }
}

/// The source that a request names, or the first one, with all of them: for a page, on which another one can be chosen.
pub struct NamedOrFirst {
    /// The source.
    pub service: Arc<Service>,
    /// All sources.
    pub sources: Sources,
}

impl FromRequest for NamedOrFirst {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(named(request).and_then(|name| {
            let sources = Sources::clone(sources(request)?);
            let service = name.map_or_else(|| Ok(sources.first()), |name| sources.named(&name))?;
            Ok(Self { service: Arc::clone(service), sources })
        }))
    }
}

fn sources(request: &HttpRequest) -> Result<&Data<Sources>, ApiError> {
    request
        .app_data::<Data<Sources>>()
        .ok_or_else(|| Error::internal("choosing a source", "the server has no sources").into())
}

/// The source that a request names.
fn named(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| ApiError::bad_request(format!("invalid query string: {error}")))?;
    let mut values = pairs.into_inner().into_iter().filter(|(name, _)| name == SOURCE).map(|(_, value)| value);
    let first = values.next();
    match values.count() {
        0 => Ok(first),
        others => Err(ApiError::bad_request(format!("{SOURCE}: given {} times; give it once", others + 1))),
    }
}
