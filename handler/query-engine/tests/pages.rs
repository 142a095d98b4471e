//! Pages of a result: together they are the result, also when documents change in between.

mod common;

use std::collections::BTreeMap;

use common::{documents, page, rid};
use proptest::prelude::*;
use query_engine::{Document, Page, PageRequest, Query, Resume, ResumeFilter};
use serde_json::{Value, json};

const QUERIES: &[&str] = &[
    "SELECT VALUE c.id FROM c",
    "SELECT * FROM c WHERE c.n > 1 OR NOT IS_DEFINED(c.n)",
    "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags",
    "SELECT VALUE t FROM t IN c.tags",
    "SELECT TOP 5 VALUE c.id FROM c",
    "SELECT VALUE c.id FROM c OFFSET 3 LIMIT 4",
    "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags OFFSET 2 LIMIT 9",
    "SELECT VALUE c.n FROM c",
    "SELECT VALUE c.id FROM c ORDER BY c.n",
    "SELECT VALUE c.id FROM c ORDER BY c.n DESC",
    "SELECT VALUE c.id FROM c ORDER BY c.n DESC, c.id ASC",
    "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags ORDER BY c.n",
    "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags ORDER BY t DESC",
    "SELECT VALUE c.n FROM c ORDER BY c.id",
    "SELECT TOP 4 VALUE c.id FROM c ORDER BY c.n",
    "SELECT VALUE c.id FROM c ORDER BY c.n OFFSET 2 LIMIT 3",
    "SELECT DISTINCT VALUE c.n FROM c",
    "SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n",
    "SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags OFFSET 1 LIMIT 2",
    "SELECT VALUE COUNT(1) FROM c",
    "SELECT c.n, COUNT(1) AS k FROM c GROUP BY c.n",
    "SELECT VALUE f.n FROM (SELECT c.n FROM c) AS f",
    "SELECT VALUE 5",
];

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        any::<bool>().prop_map(|value| Some(json!(value))),
        (0..4).prop_map(|value| Some(json!(value))),
        "[ab]{1,2}".prop_map(|value| Some(json!(value))),
        Just(Some(json!([1]))),
        Just(Some(json!({"x": 1}))),
    ]
}

fn container() -> impl Strategy<Value = Vec<Document>> {
    prop::collection::vec((value(), prop::collection::vec("[xyz]", 0..4)), 0..12).prop_map(|values| {
        let values: Vec<Value> = values
            .into_iter()
            .enumerate()
            .map(|(index, (n, tags))| {
                let mut document = json!({"id": format!("d{index:02}"), "tags": tags});
                if let Some(n) = n {
                    document["n"] = n;
                }
                document
            })
            .collect();
        documents(&values)
    })
}

/// All pages. Documents before the place where a scan can start are not provided.
fn pages(query: &str, documents: &[Document], request: &PageRequest<'_>) -> Vec<Page> {
    let query = Query::parse(query, &[]).expect("valid");
    let mut pages: Vec<Page> = Vec::new();
    let mut resume: Option<Resume> = None;
    loop {
        let from = resume.as_ref().and_then(Resume::scan_from).unwrap_or(0);
        let mut scan = documents.iter().filter(|document| document.position >= from).cloned();
        let page = query.run(&mut scan, &PageRequest { resume: resume.as_ref(), ..*request }).expect("a page");
        // A continuation token is JSON.
        let token = serde_json::to_string(&page.resume).expect("JSON");
        resume = serde_json::from_str(&token).expect("JSON");
        assert_eq!(resume, page.resume);
        pages.push(page);
        assert!(pages.len() < 100, "endless");
        if resume.is_none() {
            return pages;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_of_any_size_together_are_the_result(documents in container(), max_items in 1_usize..6, max_bytes in 1_usize..200) {
        for query in QUERIES {
            let whole = page(query, &[], &documents, &PageRequest::default()).expect("valid");
            prop_assert_eq!(&whole.resume, &None, "{}", query);
            for request in [
                PageRequest { max_items, ..PageRequest::default() },
                PageRequest { max_bytes, ..PageRequest::default() },
                PageRequest { max_items, max_bytes, ..PageRequest::default() },
            ] {
                let pages = pages(query, &documents, &request);
                for page in &pages {
                    prop_assert!(page.rows.len() <= request.max_items, "{}", query);
                    prop_assert!(page.bytes <= request.max_bytes || page.rows.len() == 1, "{}", query);
                    prop_assert_eq!(page.bytes, page.rows.iter().map(String::len).sum::<usize>());
                }
                let rows: Vec<&String> = pages.iter().flat_map(|page| &page.rows).collect();
                prop_assert_eq!(rows, whole.rows.iter().collect::<Vec<_>>(), "{}", query);
            }
        }
    }

    #[test]
    fn documents_that_come_in_order_give_the_same_pages(documents in container(), max_items in 1_usize..6) {
        for query in ["SELECT VALUE c.id FROM c ORDER BY c.n", "SELECT VALUE c.id FROM c ORDER BY c.n DESC", "SELECT TOP 3 VALUE c.id FROM c ORDER BY c.n"] {
            let request = PageRequest { max_items, ..PageRequest::default() };
            let scanned = page(query, &[], &documents, &request).expect("valid");
            let mut sorted = documents.clone();
            sorted.sort_by(|a, b| query_engine::sort_order(a.value.get("n"), b.value.get("n")).then(a.position.cmp(&b.position)));
            if query.ends_with("DESC") {
                sorted.reverse();
            }
            let page = page(query, &[], &sorted, &PageRequest { is_sorted: true, ..request }).expect("valid");
            prop_assert_eq!(&page.rows, &scanned.rows);
            prop_assert_eq!(page.resume, scanned.resume);
            prop_assert!(page.documents_read <= max_items as u64 + 1);
        }
    }

    #[test]
    fn documents_that_do_not_change_come_once(
        documents in container(), max_items in 1_usize..5, changes in prop::collection::vec((0_usize..12, value()), 0..20)
    ) {
        for query in ["SELECT VALUE c.id FROM c", "SELECT VALUE c.id FROM c ORDER BY c.n", "SELECT VALUE c.id FROM c ORDER BY c.n DESC, c.id", "SELECT VALUE c.id FROM c JOIN t IN c.tags"] {
            let parsed = Query::parse(query, &[]).expect("valid");
            let mut now: BTreeMap<u64, Document> = documents.iter().map(|document| (document.position, document.clone())).collect();
            let mut changed = Vec::new();
            let mut changes = changes.iter();
            let mut resume = None;
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            loop {
                let mut scan = now.values().cloned();
                let page = parsed.run(&mut scan, &PageRequest { max_items, resume: resume.as_ref(), ..PageRequest::default() }).expect("a page");
                for row in page.rows {
                    *found.entry(row).or_default() += 1;
                }
                resume = page.resume;
                if resume.is_none() {
                    break;
                }
                // A document is replaced, deleted or created.
                if let Some((index, value)) = changes.next() {
                    let position = *index as u64 + 1;
                    let id = format!("d{index:02}");
                    changed.push(json!(id).to_string());
                    match value {
                        None => { now.remove(&position); }
                        Some(n) => {
                            let document = json!({"id": id, "n": n, "tags": ["x"], "_rid": rid(position)});
                            now.insert(position, Document { value: document.into(), position });
                        }
                    }
                }
            }
            for document in &documents {
                let id = document.value["id"].to_string();
                if !changed.contains(&id) {
                    let expected = if query.contains("JOIN") { document.value["tags"].as_array().expect("tags").len() } else { 1 };
                    prop_assert_eq!(found.get(&id).copied().unwrap_or(0), expected, "{} {}", query, id);
                }
            }
        }
    }

    #[test]
    fn a_resume_filter_starts_at_a_row(documents in container(), start in 0_usize..12) {
        for query in ["SELECT VALUE c.id FROM c ORDER BY c.n", "SELECT VALUE c.id FROM c ORDER BY c.n DESC"] {
            let Some(document) = documents.get(start) else { continue };
            let all = page(query, &[], &documents, &PageRequest::default()).expect("valid").rows;
            let id = document.value["id"].to_string();
            let at = all.iter().position(|row| *row == id).expect("found");
            let n = document.value.get("n");
            let value = n.cloned().unwrap_or(json!([]));
            let filter = |rid: Option<String>, exclude| ResumeFilter { value: vec![value.clone()], rid, exclude };
            let rows = |filter: &ResumeFilter| {
                page(query, &[], &documents, &PageRequest { resume_filter: Some(filter), ..PageRequest::default() }).map(|page| page.rows)
            };
            if n.is_some_and(|n| n.is_array() || n.is_object()) {
                prop_assert!(rows(&filter(None, false)).is_err());
                continue;
            }
            let same = |row: &&String| documents.iter().any(|document| document.value.get("n") == n && row.trim_matches('"') == document.value["id"]);
            let first = all.iter().position(|row| same(&row)).expect("itself");
            let last = all.iter().rposition(|row| same(&row)).expect("itself");
            prop_assert_eq!(rows(&filter(None, false)).expect("valid"), &all[first..]);
            prop_assert_eq!(rows(&filter(None, true)).expect("valid"), &all[last + 1..]);
            prop_assert_eq!(rows(&filter(Some(rid(document.position)), false)).expect("valid"), &all[at..]);
            prop_assert_eq!(rows(&filter(Some(rid(document.position)), true)).expect("valid"), &all[at + 1..]);
        }
    }
}

#[test]
fn a_full_page_reads_no_further_than_to_the_next_document() {
    let many = documents(&vec![json!({"n": 1}); 60]);
    let read = |query: &str, max_items| {
        page(query, &[], &many, &PageRequest { max_items, ..PageRequest::default() }).expect("valid").documents_read
    };
    assert_eq!(read("SELECT * FROM c", 5), 6);
    assert_eq!(read("SELECT TOP 3 * FROM c", 5), 3);
    assert_eq!(read("SELECT * FROM c OFFSET 2 LIMIT 2", 5), 4);
    assert_eq!(read("SELECT VALUE 1 FROM (SELECT TOP 2 * FROM c) AS t", 5), 2);
    assert_eq!(read("SELECT DISTINCT TOP 1 c.n FROM c", 5), 1);
    assert_eq!(read("SELECT * FROM c WHERE c.n = 2", 5), 60);
    assert_eq!(read("SELECT TOP 0 * FROM c", 5), 0);
    assert_eq!(read("SELECT VALUE 1", 5), 0);
}

#[test]
fn a_resume_filter_without_a_sort_is_refused() {
    let documents = documents(&[json!({"n": 1})]);
    let filter = ResumeFilter { value: vec![json!(1)], rid: None, exclude: false };
    for query in
        ["SELECT * FROM c", "SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n", "SELECT * FROM c ORDER BY c.n, c.m"]
    {
        let request = PageRequest { resume_filter: Some(&filter), ..PageRequest::default() };
        let error = page(query, &[], &documents, &request).expect_err(query);
        assert!(error.message.contains("resumeFilter"), "{error}");
    }
}

#[test]
fn a_token_of_another_query_is_refused() {
    let documents = documents(&[json!({"n": 1})]);
    for (query, resume) in [
        ("SELECT * FROM c", Resume::Rows(1)),
        ("SELECT * FROM c ORDER BY c.n", Resume::After { position: 1, rows: None, counted: 1 }),
        ("SELECT * FROM c ORDER BY c.n", Resume::Sorted { values: vec![], position: 1, rows: 1, counted: 1 }),
        ("SELECT VALUE COUNT(1) FROM c", Resume::After { position: 1, rows: None, counted: 1 }),
    ] {
        let request = PageRequest { resume: Some(&resume), ..PageRequest::default() };
        let error = page(query, &[], &documents, &request).expect_err(query);
        assert!(error.message.contains("continuation token"), "{error}");
    }
}
