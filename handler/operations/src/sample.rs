//! Sample documents: postal codes of North Carolina. The same seed creates the same documents.

use changefeed_cosmos::Error;
use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

const POSTAL_CODES: &str = include_str!("../../../data/nc_zipcodes.json");
/// A condition of queries: the document `c` has not the fields of a sample.
pub(crate) const NOT_A_SAMPLE: &str =
    "NOT IS_STRING(c.doctype) OR c.doctype != 'zipcode' OR NOT IS_STRING(c.postal_cd) OR c.postal_cd != c.id";
/// With a seed, document `n` has the time `n` seconds after this one, 2020-01-01T00:00:00Z.
const SEEDED_EPOCH: i64 = 1_577_836_800;

#[derive(Clone, Deserialize)]
struct PostalCode {
    postal_cd: String,
    country_cd: String,
    city_name: String,
    state_abbrv: String,
    latitude: Value,
    longitude: Value,
    location: Value,
}

/// An endless sequence of sample documents.
pub(crate) struct Sample {
    postal_codes: Vec<PostalCode>,
    random: ChaCha8Rng,
    seeded: bool,
    seq: i64,
}

impl Sample {
    /// Random documents, or those of a seed. With a seed, the documents have times that depend on it.
    pub(crate) fn new(seed: Option<u64>) -> Result<Self, Error> {
        let postal_codes = read_postal_codes()?;
        let random = seed.map_or_else(|| ChaCha8Rng::seed_from_u64(rand::random()), ChaCha8Rng::seed_from_u64);
        Ok(Self { postal_codes, random, seeded: seed.is_some(), seq: 0 })
    }

    /// The next document: its id, which is also its partition key `pk`, and the document. Without a seed it has no time yet: see
    /// [`set_time`].
    pub(crate) fn next(&mut self) -> (String, Value) {
        self.seq += 1;
        let postal_code = &self.postal_codes[self.random.random_range(0..self.postal_codes.len())];
        let mut document = postal_code.document(self.seq);
        if self.seeded {
            set_time(&mut document, DateTime::from_timestamp(SEEDED_EPOCH + self.seq, 0).unwrap_or_default());
        }
        (postal_code.postal_cd.clone(), document)
    }
}

impl PostalCode {
    fn document(&self, seq: i64) -> Value {
        json!({
            "location": self.location,
            "postal_cd": self.postal_cd,
            "country_cd": self.country_cd,
            "city_name": self.city_name,
            "state_abbrv": self.state_abbrv,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "id": self.postal_cd,
            "pk": self.postal_cd,
            "seq": seq,
            "doctype": "zipcode",
            "timestamp": null,
            "epoch": null,
        })
    }
}

/// The sample documents as of a time, each once, in the order of their ids. `seq` is the number of a document, from 0.
///
/// # Errors
/// When the sample data cannot be read.
pub fn sample_documents(time: DateTime<Utc>) -> Result<Vec<Value>, Error> {
    let numbered = read_postal_codes()?.into_iter().zip(0..);
    Ok(numbered
        .map(|(postal_code, seq)| {
            let mut document = postal_code.document(seq);
            set_time(&mut document, time);
            document
        })
        .collect())
}

fn read_postal_codes() -> Result<Vec<PostalCode>, Error> {
    serde_json::from_str(POSTAL_CODES).map_err(|error| Error::internal("reading the sample data", error))
}

/// Whether a document has no time yet.
pub(crate) fn has_no_time(document: &Value) -> bool {
    document["epoch"].is_null()
}

/// Sets the time in a document to the time of its write.
pub(crate) fn set_time(document: &mut Value, time: DateTime<Utc>) {
    document["timestamp"] = json!(time.format("%Y-%m-%d %H:%M:%S").to_string());
    document["epoch"] = json!(time.timestamp());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_creates_the_same_documents_and_another_seed_others() {
        let documents = |seed| {
            let mut sample = Sample::new(Some(seed)).expect("sample");
            std::iter::repeat_with(|| sample.next().1).take(50).collect::<Vec<_>>()
        };
        assert_eq!(documents(7), documents(7));
        assert_ne!(documents(7), documents(8));
        assert!(!has_no_time(&documents(7)[0]));
    }

    #[test]
    fn a_document_has_the_fields_of_the_sample_data() {
        let now = DateTime::from_timestamp(1_592_926_406, 0).expect("time");
        let (id, mut document) = Sample::new(None).expect("sample").next();
        assert!(has_no_time(&document));
        set_time(&mut document, now);
        assert_eq!((&document["id"], &document["pk"], &document["postal_cd"]), (&json!(id), &json!(id), &json!(id)));
        assert_eq!((&document["seq"], &document["doctype"]), (&json!(1), &json!("zipcode")));
        assert_eq!(
            (&document["timestamp"], &document["epoch"]),
            (&json!("2020-06-23 15:33:26"), &json!(1_592_926_406))
        );
        assert_eq!(document["location"]["coordinates"], json!([document["longitude"], document["latitude"]]));
    }

    #[test]
    fn the_sample_data_has_the_cities_of_the_documentation() {
        let sample = Sample::new(None).expect("sample");
        let davidson = sample.postal_codes.iter().filter(|postal_code| postal_code.city_name == "Davidson");
        let codes: Vec<&str> = davidson.map(|postal_code| postal_code.postal_cd.as_str()).collect();
        assert_eq!(codes, ["28035", "28036"]);
        assert!(sample.postal_codes.len() > 1000);
    }

    #[test]
    fn each_sample_document_can_be_had_once_in_order() {
        let documents = sample_documents(DateTime::from_timestamp(1_592_926_406, 0).expect("time")).expect("samples");
        assert!(
            documents.len() > 1000 && documents.is_sorted_by_key(|document| document["id"].as_str().map(str::to_owned))
        );
        assert_eq!((&documents[7]["seq"], &documents[7]["epoch"]), (&json!(7), &json!(1_592_926_406)));
    }
}
