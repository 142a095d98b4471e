//! Pages of lists and of query results.

use serde_json::Value;

use super::refusal::Refusal;

/// The items of a page without the header, and the most of any page.
const DEFAULT_ITEMS: usize = 100;
const MAX_ITEMS: usize = 1_000;

/// What part of a list a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageRequest {
    max_items: usize,
    continuation: Option<String>,
}

/// A page, and where the next one starts if there is one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub items: Vec<Value>,
    pub continuation: Option<String>,
}

impl PageRequest {
    /// Reads the headers `x-ms-max-item-count` and `x-ms-continuation`.
    pub(crate) fn new(max_items: Option<&str>, continuation: Option<&str>) -> Result<Self, Refusal> {
        let max_items = match max_items.map(|text| (text, text.trim().parse::<i64>())) {
            None => DEFAULT_ITEMS,
            Some((_, Ok(-1))) => MAX_ITEMS,
            Some((_, Ok(count))) if count > 0 => usize::try_from(count).unwrap_or(MAX_ITEMS).min(MAX_ITEMS),
            Some((text, _)) => {
                let message = format!("x-ms-max-item-count is \"{text}\"; it must be -1 or a whole number above 0.");
                return Err(Refusal::bad_request(message));
            }
        };
        let continuation = continuation.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { max_items, continuation })
    }

    /// A page of a list whose items have ascending resource ids. A token is the resource id of the last item of a page, so that
    /// a deletion between two pages changes neither.
    pub(crate) fn of_list<R>(&self, list: Vec<(String, Value)>) -> Result<Page, Refusal>
    where
        R: std::str::FromStr + PartialOrd,
    {
        let after = match &self.continuation {
            None => None,
            Some(token) => Some(token.parse::<R>().map_err(|_| invalid(token))?),
        };
        let is_after = |rid: &str| match (&after, rid.parse::<R>()) {
            (Some(after), Ok(rid)) => rid > *after,
            _ => true,
        };
        let mut rest: Vec<(String, Value)> = list.into_iter().filter(|(rid, _)| is_after(rid)).collect();
        let has_more = rest.len() > self.max_items;
        rest.truncate(self.max_items);
        let continuation = rest.last().filter(|_| has_more).map(|(rid, _)| rid.clone());
        Ok(Page { items: rest.into_iter().map(|(_, item)| item).collect(), continuation })
    }

    /// A page of the results of a query. A token is the number of results before the page.
    pub(crate) fn of_results(&self, results: Vec<Value>) -> Result<Page, Refusal> {
        let before = match &self.continuation {
            None => 0,
            Some(token) => token.parse::<usize>().map_err(|_| invalid(token))?,
        };
        let end = before.saturating_add(self.max_items);
        let continuation = (results.len() > end).then(|| end.to_string());
        Ok(Page { items: results.into_iter().skip(before).take(self.max_items).collect(), continuation })
    }
}

fn invalid(token: &str) -> Refusal {
    Refusal::bad_request(format!("The continuation \"{token}\" is not one of this list."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::resource_id::DatabaseRid;

    fn databases(numbers: &[u32]) -> Vec<(String, Value)> {
        numbers.iter().map(|number| (DatabaseRid::new(*number).to_string(), Value::from(*number))).collect()
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.items.iter().filter_map(Value::as_u64).collect()
    }

    #[test]
    fn a_list_is_read_in_pages() {
        let first = PageRequest::new(Some("2"), None).expect("a request");
        let page = first.of_list::<DatabaseRid>(databases(&[1, 2, 300, 301])).expect("a page");
        assert_eq!(numbers(&page), [1, 2]);
        let next = PageRequest::new(Some("2"), page.continuation.as_deref()).expect("a request");
        // The last item of the first page was deleted.
        let page = next.of_list::<DatabaseRid>(databases(&[1, 300, 301])).expect("a page");
        assert_eq!((numbers(&page), page.continuation), (vec![300, 301], None));
        let page = first.of_list::<DatabaseRid>(Vec::new()).expect("a page");
        assert_eq!(page, Page { items: Vec::new(), continuation: None });
    }

    #[test]
    fn results_are_read_in_pages() {
        let results = || (0..5).map(Value::from).collect::<Vec<_>>();
        let mut continuation = None;
        let mut pages = Vec::new();
        loop {
            let request = PageRequest::new(Some("2"), continuation.as_deref()).expect("a request");
            let page = request.of_results(results()).expect("a page");
            pages.push(numbers(&page));
            continuation = page.continuation;
            if continuation.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn the_size_of_a_page_is_limited() {
        for (max_items, items) in [(None, 100), (Some("-1"), 1_000), (Some("5000"), 1_000), (Some("7"), 7)] {
            assert_eq!(PageRequest::new(max_items, Some("")).expect("a request").max_items, items);
        }
        for max_items in ["0", "-2", "many", ""] {
            PageRequest::new(Some(max_items), None).expect_err("refused");
        }
        let request = PageRequest::new(None, Some("token")).expect("a request");
        assert_eq!(request.of_list::<DatabaseRid>(Vec::new()).expect_err("refused").status, 400);
        assert_eq!(request.of_results(Vec::new()).expect_err("refused").status, 400);
    }
}
