//! The header `x-ms-cosmos-index-utilization`: the indexes that a query uses, and those that would help it.
//!
//! It has two forms. A request with `x-ms-cosmos-populateindexmetrics: true` gets JSON in base64; one with
//! `x-ms-cosmos-populateindexmetrics-V2: true` gets JSON with percent-encoding. Sources: the .NET SDK's `IndexUtilizationInfo`,
//! `IndexMetricsInfo` and the baselines of `IndexMetricsParserBaselineTest`; the Python SDK's tests of `populate_index_metrics`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::charges::PathStep;

/// The most bytes of the header. The service sends about as many.
const MAX_BYTES: usize = 32 * 1024;

/// The indexes of a query. A single index is a path as in an indexing policy, [`index_spec`]. A composite index has several, each with
/// its order, such as `/a ASC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexMetrics {
    pub utilized: Vec<String>,
    pub potential: Vec<String>,
    pub utilized_composite: Vec<Vec<String>>,
    pub potential_composite: Vec<Vec<String>>,
}

impl IndexMetrics {
    /// The form in base64.
    pub(crate) fn to_base64(&self) -> String {
        self.bounded(|metrics| STANDARD.encode(metrics.first_form().to_string()))
    }

    /// The form with percent-encoding.
    pub(crate) fn to_percent_encoded(&self) -> String {
        self.bounded(|metrics| percent_encode(&metrics.second_form().to_string()))
    }

    /// Leaves out what would make the header too long: first the recommendations, then everything.
    fn bounded(&self, write: impl Fn(&Self) -> String) -> String {
        let utilized = Self { potential: Vec::new(), potential_composite: Vec::new(), ..self.clone() };
        let forms = [self, &utilized].into_iter().map(&write);
        forms.into_iter().find(|text| text.len() <= MAX_BYTES).unwrap_or_else(|| write(&Self::default()))
    }

    fn first_form(&self) -> Value {
        let single = |specs: &[String]| -> Value {
            let entry = |spec: &String| {
                json!({
                    "FilterExpression": "", "IndexSpec": spec, "FilterPreciseSet": true, "IndexPreciseSet": true,
                    "IndexImpactScore": "High",
                })
            };
            specs.iter().map(entry).collect()
        };
        let composite = |indexes: &[Vec<String>]| -> Value {
            let entry =
                |specs: &Vec<String>| json!({"IndexSpecs": specs, "IndexPreciseSet": true, "IndexImpactScore": "High"});
            indexes.iter().map(entry).collect()
        };
        json!({
            "UtilizedSingleIndexes": single(&self.utilized),
            "PotentialSingleIndexes": single(&self.potential),
            "UtilizedCompositeIndexes": composite(&self.utilized_composite),
            "PotentialCompositeIndexes": composite(&self.potential_composite),
        })
    }

    /// Only recommendations have a score here.
    fn second_form(&self) -> Value {
        let utilized: Value = self.utilized.iter().map(|spec| json!({"IndexSpec": spec})).collect();
        let utilized_composite: Value =
            self.utilized_composite.iter().map(|specs| json!({"IndexSpecs": specs})).collect();
        let potential: Value =
            self.potential.iter().map(|spec| json!({"IndexSpec": spec, "IndexImpactScore": "High"})).collect();
        let potential_composite: Value = self
            .potential_composite
            .iter()
            .map(|specs| json!({"IndexSpecs": specs, "IndexImpactScore": "High"}))
            .collect();
        json!({
            "UtilizedIndexes": {"SingleIndexes": utilized, "CompositeIndexes": utilized_composite},
            "PotentialIndexes": {"SingleIndexes": potential, "CompositeIndexes": potential_composite},
        })
    }
}

/// The path of a single index: `/a/b/?`, `/tags/[]/?`, `/"a b"/?`. Names that are no identifiers are quoted.
pub(crate) fn index_spec(path: &[PathStep<'_>]) -> String {
    let mut spec = String::new();
    for step in path {
        spec.push('/');
        match step {
            PathStep::Elements => spec.push_str("[]"),
            PathStep::Property(name) if is_identifier(name) => spec.push_str(name),
            PathStep::Property(name) => {
                spec.push('"');
                spec.push_str(&name.replace('\\', "\\\\").replace('"', "\\\""));
                spec.push('"');
            }
        }
    }
    spec.push_str("/?");
    spec
}

fn is_identifier(name: &str) -> bool {
    let starts_well = name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
    starts_well && name.chars().all(|character| character.is_alphanumeric() || character == '_')
}

/// Leaves the characters that a URL never encodes.
fn percent_encode(text: &str) -> String {
    const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> IndexMetrics {
        IndexMetrics {
            utilized: vec!["/name/?".into(), "/id/?".into()],
            potential_composite: vec![vec!["/id ASC".into(), "/name ASC".into()]],
            ..IndexMetrics::default()
        }
    }

    fn percent_decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                    u8::from_str_radix(std::str::from_utf8(&digits).expect("ASCII"), 16).expect("hex")
                }
                other => other,
            });
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// The baseline of the .NET SDK for `SELECT * FROM c WHERE c.id = "1" and c.name > "Abc"`.
    #[test]
    fn the_second_form_is_that_of_the_dotnet_baselines() {
        let text = metrics().to_percent_encoded();
        assert!(text.is_ascii() && !text.contains(['"', ' ', '+']), "{text}");
        assert_eq!(
            percent_decode(&text),
            r#"{"UtilizedIndexes":{"SingleIndexes":[{"IndexSpec":"/name/?"},{"IndexSpec":"/id/?"}],"CompositeIndexes":[]},"PotentialIndexes":{"SingleIndexes":[],"CompositeIndexes":[{"IndexSpecs":["/id ASC","/name ASC"],"IndexImpactScore":"High"}]}}"#
        );
    }

    /// What the Python SDK's test of `populate_index_metrics` expects.
    #[test]
    fn the_first_form_is_json_in_base64() {
        let metrics = IndexMetrics { utilized: vec!["/pk/?".into()], ..IndexMetrics::default() };
        let decoded = STANDARD.decode(metrics.to_base64()).expect("base64");
        let decoded: Value = serde_json::from_slice(&decoded).expect("JSON");
        let index = json!({
            "FilterExpression": "", "IndexSpec": "/pk/?", "FilterPreciseSet": true, "IndexPreciseSet": true,
            "IndexImpactScore": "High",
        });
        assert_eq!(
            decoded,
            json!({
                "UtilizedSingleIndexes": [index], "PotentialSingleIndexes": [], "UtilizedCompositeIndexes": [],
                "PotentialCompositeIndexes": [],
            })
        );
    }

    #[test]
    fn names_that_are_no_identifiers_are_quoted() {
        for (name, spec) in
            [("id", "/id/?"), ("ı", "/ı/?"), ("a b", r#"/"a b"/?"#), (r#"a"b"#, r#"/"a\"b"/?"#), ("1a", r#"/"1a"/?"#)]
        {
            assert_eq!(index_spec(&[PathStep::Property(name)]), spec);
        }
        let path = [PathStep::Property("tags"), PathStep::Elements, PathStep::Property("name")];
        assert_eq!(index_spec(&path), "/tags/[]/name/?");
        let metrics = IndexMetrics { utilized: vec!["/ü/?".into()], ..IndexMetrics::default() };
        assert!(percent_decode(&metrics.to_percent_encoded()).contains("\"/ü/?\""));
    }

    #[test]
    fn a_header_that_would_be_too_long_leaves_out_recommendations_and_then_everything() {
        let long = "/".to_owned() + &"a".repeat(20_000);
        let few =
            IndexMetrics { utilized: vec![long.clone()], potential: vec![long.clone()], ..IndexMetrics::default() };
        let text = percent_decode(&few.to_percent_encoded());
        assert!(text.contains(&long) && text.contains(r#""PotentialIndexes":{"SingleIndexes":[]"#));
        let many = IndexMetrics { utilized: vec![long.clone(), long], ..IndexMetrics::default() };
        assert_eq!(many.to_base64(), IndexMetrics::default().to_base64());
    }
}
