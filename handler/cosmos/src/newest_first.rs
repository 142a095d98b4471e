//! Lists of records, newest first, read page by page.

use std::cmp::Reverse;

use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::container::Container;
use crate::error::Error;
use crate::page_token::{PageRequest, page_items, page_token, read_page_token};

/// Records on a page, unless the request says otherwise.
const DEFAULT_PAGE_ITEMS: usize = 100;
/// Sorts after every time.
const END_OF_TIME: &str = "9999";

/// Which records are listed, and what of them.
#[derive(Clone, Debug)]
pub struct NewestFirst<'a> {
    /// The fields to read; they include `id` and the field of the time.
    pub fields: &'a [&'a str],
    /// The field with the time of a record, RFC 3339 in UTC. Items without it are not listed.
    pub time: &'a str,
    /// Only records whose fields of these names have one of these values each.
    pub only: &'a [(&'a str, &'a [&'a str])],
}

/// The position in a list: newest first, then by id. Many records can have the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position(Reverse<String>, String);

impl Position {
    fn of(record: &Value, time: &str) -> Self {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        Self(Reverse(text(time)), text("id"))
    }
}

impl Container {
    /// A page of records, and the continuation for the next page; `None` on the last one. `action` reads like *listing dead letters*.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the container cannot be read; [`Corrupt`](crate::ErrorKind::Corrupt), with the id
    /// of the record, when one cannot be parsed.
    pub async fn list_newest_first<R: DeserializeOwned>(
        &self,
        list: &NewestFirst<'_>,
        request: &PageRequest,
        action: &str,
    ) -> Result<(Vec<R>, Option<String>), Error> {
        let (records, next) = self.newest_first(list, request, action).await?;
        let parsed = |record: Value| {
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            serde_json::from_value(record).map_err(|error| Error::corrupt(action, format!("record {id:?}: {error}")))
        };
        Ok((records.into_iter().map(parsed).collect::<Result<_, _>>()?, next))
    }

    /// [`Self::list_newest_first`] with the records as they are read.
    async fn newest_first(
        &self,
        list: &NewestFirst<'_>,
        request: &PageRequest,
        action: &str,
    ) -> Result<(Vec<Value>, Option<String>), Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, action)?;
        let after: Option<Position> = read_page_token(request.continuation.as_deref(), action)?;
        let fields: Vec<String> = list.fields.iter().map(|field| format!("c.{field}")).collect();
        let newest = after.as_ref().map_or(END_OF_TIME, |after| after.0.0.as_str());
        let mut parameters = Map::from_iter([("@newest".to_owned(), json!(newest))]);
        let mut only = String::new();
        for (at, (field, values)) in list.only.iter().enumerate() {
            let names: Vec<String> = (0..values.len()).map(|number| format!("@only{at}_{number}")).collect();
            parameters.extend(names.iter().cloned().zip(values.iter().map(|value| json!(value))));
            only += &format!("c.{field} IN ({}) AND ", names.join(", "));
        }
        let (fields, time) = (fields.join(", "), list.time);
        let query = format!("SELECT {fields} FROM c WHERE {only}c.{time} <= @newest ORDER BY c.{time} DESC");
        let mut found = self.select_few::<Value>(&query, &parameters, None, max_items + 1).await?;
        let mut records: Vec<Value> = Vec::new();
        // Records with the same time are sorted here, so all of them are read, and one with an earlier time.
        while let Some(record) = found.try_next().await? {
            let is_earlier = records.last().is_some_and(|last| last[time] != record[time]);
            if is_earlier && records.len() > max_items {
                break;
            }
            if after.as_ref().is_none_or(|after| Position::of(&record, time) > *after) {
                records.push(record);
            }
        }
        records.sort_by_cached_key(|record| Position::of(record, time));
        let more = records.len() > max_items;
        records.truncate(max_items);
        let next = records.last().filter(|_| more).map(|last| page_token(&Position::of(last, time))).transpose()?;
        Ok((records, next))
    }
}
