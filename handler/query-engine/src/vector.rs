//! The similarity of vectors.
//!
//! Source: the page about VectorDistance in Microsoft's documentation. Without `distanceFunction`, it is the cosine, which is what the service
//! assumes for a container that says nothing else about its vectors.

use serde_json::Value;

use crate::value::number;

/// VectorDistance(a, b [, is_brute_force [, options]]). Undefined for what are no vectors of the same length.
pub(crate) fn distance(arguments: &[Option<&Value>]) -> Option<Value> {
    let [a, b, rest @ ..] = arguments else { return None };
    let (a, b) = (vector(*a)?, vector(*b)?);
    if a.len() != b.len() {
        return None;
    }
    let function = match rest.get(1) {
        None => "cosine",
        Some(options) => match (*options)?.as_object()?.get("distanceFunction") {
            None => "cosine",
            Some(function) => function.as_str()?,
        },
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match function.to_ascii_lowercase().as_str() {
        "cosine" => number(product(&a, &b) / (product(&a, &a).sqrt() * product(&b, &b).sqrt())),
        "dotproduct" => number(product(&a, &b)),
        "euclidean" => number(a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()),
        _ => None,
    }
}

fn vector(value: Option<&Value>) -> Option<Vec<f64>> {
    value?.as_array()?.iter().map(Value::as_f64).collect()
}
