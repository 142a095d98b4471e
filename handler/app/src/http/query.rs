//! Query strings, decoded into the type of a request.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use changefeed_history::TimeZone;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::error::ApiError;
use super::request_zone::request_zone;
use super::source::SOURCE;

/// The parameters of a request. The type refuses unknown ones with `#[serde(deny_unknown_fields)]`; 400 then, as for a
/// parameter that is missing, repeated or has a wrong value.
pub struct Query<T>(pub T);

/// The query string of a request without parameters.
pub type NoQuery = Query<NoParameters>;

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request, &request_zone(request)).map(Self))
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Reads the parameters of a request. Times that name no zone are in `zone`.
    pub fn read(request: &HttpRequest, zone: &TimeZone) -> Result<T, ApiError> {
        let parsed = zone.within(|| parse(request.query_string()));
        parsed.map_err(|refused| ApiError::bad_request(refused.to_string()))
    }
}

fn parse<T: DeserializeOwned>(query_string: &str) -> Result<T, Refused> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query_string)
        .map_err(|error| Refused::Request(format!("invalid query string: {error}")))?;
    let mut parameters: Vec<Parameter> = Vec::new();
    // `code` is the function key. The host has already checked it. The source is chosen before the parameters are read.
    for (name, value) in pairs.into_inner().into_iter().filter(|(name, _)| name != "code" && name != SOURCE) {
        match parameters.iter_mut().find(|parameter| parameter.name == name) {
            Some(parameter) => parameter.values.push(value),
            None => parameters.push(Parameter { name, values: vec![value] }),
        }
    }
    let entries = parameters.into_iter().map(|parameter| (parameter.name.clone(), parameter));
    serde_path_to_error::deserialize(MapDeserializer::new(entries)).map_err(|error| {
        let path = error.path().to_string();
        match error.into_inner() {
            Refused::Value(message) => Refused::Request(format!("{path}: {message}")),
            refused => refused,
        }
    })
}

/// A parameter with all its values. A list takes all of them, any other type exactly one.
struct Parameter {
    name: String,
    values: Vec<String>,
}

impl Parameter {
    fn only_value(self) -> Result<String, Refused> {
        match <[String; 1]>::try_from(self.values) {
            Ok([value]) => Ok(value),
            Err(values) => Err(Refused::Value(format!("given {} times; give it once", values.len()))),
        }
    }
}

impl IntoDeserializer<'_, Refused> for Parameter {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Parameter {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_string(self.only_value()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.only_value()?.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Refused::Value(format!("{other:?} is not allowed; use true or false"))),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let value = self.only_value()?;
        match value.parse() {
            Ok(number) => visitor.visit_u32(number),
            Err(_) => Err(Refused::Value(format!("{value:?} is not a whole number"))),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(SeqDeserializer::new(self.values.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(self.only_value()?.into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// Why a query string was refused.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Refused {
    /// The value of a parameter is wrong; the message does not name the parameter.
    #[error("{0}")]
    Value(String),
    /// The whole message.
    #[error("{0}")]
    Request(String),
}

impl serde::de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }

    fn unknown_field(name: &str, allowed: &'static [&'static str]) -> Self {
        if allowed.is_empty() {
            return Self::Request(format!("unknown parameter {name:?}; this request takes no parameters"));
        }
        Self::Request(format!("unknown parameter {name:?}; allowed are {}", allowed.join(", ")))
    }

    fn unknown_variant(variant: &str, allowed: &'static [&'static str]) -> Self {
        Self::Value(format!("{variant:?} is not allowed; use {}", allowed.join(", ")))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Request(format!("{name} is missing in the query string"))
    }
}

#[cfg(test)]
mod tests {
    use changefeed_history::{Filter, TimeExpression};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Example {
        id: String,
        #[serde(default)]
        filter: Vec<Filter>,
        as_of: Option<TimeExpression>,
        max_items: Option<u32>,
        values: Option<bool>,
    }

    fn refused(query_string: &str) -> String {
        parse::<Example>(query_string).expect_err(query_string).to_string()
    }

    #[test]
    fn parameters_are_decoded_and_the_function_key_is_ignored() {
        let example: Example =
            parse("id=a%20b&filter=x%3D1&code=secret&filter=y%3D2&asOf=1592926406&maxItems=7&values=true")
                .expect("parameters");
        assert_eq!((example.id.as_str(), example.filter.len(), example.max_items), ("a b", 2, Some(7)));
        assert_eq!(example.values, Some(true));
        assert_eq!(example.as_of.map(|moment| moment.second()), Some(1_592_926_406));
        let least: Example = parse("id=").expect("parameters");
        assert!(least.id.is_empty() && least.filter.is_empty() && least.as_of.is_none());
        assert!(parse::<NoParameters>("code=secret").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        assert_eq!(
            refused("id=1&colour=red"),
            "unknown parameter \"colour\"; allowed are id, filter, asOf, maxItems, values"
        );
        assert_eq!(refused("maxItems=1"), "id is missing in the query string");
        assert_eq!(refused("id=1&id=2"), "id: given 2 times; give it once");
        assert_eq!(refused("id=1&maxItems=many"), "maxItems: \"many\" is not a whole number");
        assert_eq!(refused("id=1&values=yes"), "values: \"yes\" is not allowed; use true or false");
        assert!(refused("id=1&asOf=noon").starts_with("asOf: "));
        assert!(refused("id=1&filter=x%3D1&filter=a%20b%20c").starts_with("filter[1]: "));
        let none = parse::<NoParameters>("colour=red").err();
        assert_eq!(
            none,
            Some(Refused::Request("unknown parameter \"colour\"; this request takes no parameters".to_owned()))
        );
    }
}
