//! Query strings.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{Filter, Moment};
use chrono::Utc;

use super::error::ApiError;

/// The parameters of a query string. Each is taken once; what is left is refused.
pub struct Parameters(Vec<(String, String)>);

impl FromRequest for Parameters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        ready(
            pairs
                .map(|pairs| Self(pairs.into_inner()))
                .map_err(|error| ApiError::bad_request(format!("the query string: {error}"))),
        )
    }
}

impl Parameters {
    /// Every value of a parameter.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|(other, _)| other == name);
        self.0 = left;
        taken.into_iter().map(|(_, value): (String, String)| value).collect()
    }

    /// The value of a parameter that may be missing.
    pub fn optional(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(ApiError::bad_request(format!("{name} is given {} times", values.len())));
        }
        Ok(values.pop())
    }

    /// The value of a parameter that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional(name)?.ok_or_else(|| ApiError::bad_request(format!("{name} is missing in the query string")))
    }

    /// A document: `id`, and `pk` for a key of one text or `partitionKey` for the JSON array of any key's components.
    pub fn document(&mut self) -> Result<DocumentName, ApiError> {
        let id = self.required("id")?;
        let partition_key = match (self.optional("pk")?, self.optional("partitionKey")?) {
            (Some(text), None) => Key::text(text),
            (None, Some(json)) => serde_json::from_str(&json).map_err(|error| {
                ApiError::bad_request(format!(
                    "partitionKey is {json:?}; allowed is the JSON array of its components: {error}"
                ))
            })?,
            _ => {
                return Err(ApiError::bad_request(
                    "give one of pk (a text) and partitionKey (the JSON array of its components)",
                ));
            }
        };
        Ok(DocumentName { id, partition_key })
    }

    /// A point in time.
    pub fn moment(&mut self, name: &str) -> Result<Option<Moment>, ApiError> {
        let parse = |text: String| {
            Moment::parse(&text, Utc::now()).map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
        };
        self.optional(name)?.map(parse).transpose()
    }

    /// The filters.
    pub fn filters(&mut self) -> Result<Vec<Filter>, ApiError> {
        let parse =
            |text: String| Filter::parse(&text).map_err(|error| ApiError::bad_request(format!("filter: {error}")));
        self.all("filter").into_iter().map(parse).collect()
    }

    /// A whole number.
    pub fn number(&mut self, name: &str) -> Result<Option<u32>, ApiError> {
        let parse = |text: String| {
            text.parse().map_err(|_| ApiError::bad_request(format!("{name} is {text:?}; allowed are whole numbers")))
        };
        self.optional(name)?.map(parse).transpose()
    }

    /// Refuses what was not taken. `code` is the function key, which the host has looked at.
    pub fn finish(mut self) -> Result<(), ApiError> {
        self.all("code");
        match self.0.first() {
            Some((name, _)) => Err(ApiError::bad_request(format!("{name} is no parameter of this request"))),
            None => Ok(()),
        }
    }
}
