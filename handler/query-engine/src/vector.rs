//! The similarity of vectors.
//!
//! Source: the page about VectorDistance in Microsoft's documentation. Without `distanceFunction` in its options, the vector policy of the
//! container decides, and without that the cosine, which is what the service assumes for a container without a policy.

use serde_json::Value;

use crate::value::number;

/// How the similarity of two vectors is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DistanceFunction {
    /// From -1 (least similar) to 1 (most similar).
    #[default]
    Cosine,
    /// The most similar have the largest number.
    DotProduct,
    /// From 0 (most similar).
    Euclidean,
}

impl DistanceFunction {
    /// The function of a name, in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "cosine" => Some(Self::Cosine),
            "dotproduct" => Some(Self::DotProduct),
            "euclidean" => Some(Self::Euclidean),
            _ => None,
        }
    }
}

/// A property with vectors, in the vector policy of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorProperty {
    /// The names from the root of a document.
    pub path: Vec<String>,
    /// How its vectors are compared.
    pub distance: DistanceFunction,
}

/// VectorDistance(a, b [, is_brute_force [, options]]). Undefined for what are no vectors of the same length.
pub(crate) fn distance(default: DistanceFunction, arguments: &[Option<&Value>]) -> Option<Value> {
    let [a, b, rest @ ..] = arguments else { return None };
    let (a, b) = (vector(*a)?, vector(*b)?);
    if a.len() != b.len() {
        return None;
    }
    let function = match rest.get(1) {
        None => default,
        Some(options) => match (*options)?.as_object()?.get("distanceFunction") {
            None => default,
            Some(function) => DistanceFunction::parse(function.as_str()?)?,
        },
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match function {
        DistanceFunction::Cosine => number(product(&a, &b) / (product(&a, &a).sqrt() * product(&b, &b).sqrt())),
        DistanceFunction::DotProduct => number(product(&a, &b)),
        DistanceFunction::Euclidean => number(a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()),
    }
}

fn vector(value: Option<&Value>) -> Option<Vec<f64>> {
    value?.as_array()?.iter().map(Value::as_f64).collect()
}
