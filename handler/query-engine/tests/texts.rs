//! Texts of queries: none makes the parser panic, and a written tree means the same when it is read again.

mod common;

use common::{documents, page};
use proptest::prelude::*;
use query_engine::{PageRequest, Query};
use serde_json::json;

const WORDS: &[&str] = &[
    "SELECT",
    "VALUE",
    "DISTINCT",
    "TOP",
    "FROM",
    "JOIN",
    "IN",
    "WHERE",
    "GROUP",
    "ORDER",
    "BY",
    "ASC",
    "DESC",
    "OFFSET",
    "LIMIT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "LIKE",
    "ESCAPE",
    "BETWEEN",
    "EXISTS",
    "ARRAY",
    "ALL",
    "c",
    "t",
    "root",
    "udf",
    "*",
    "1",
    "0x1f",
    "'a'",
    "\"b\"",
    "@p",
    "true",
    "null",
    "undefined",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ":",
    "?",
    "??",
    "=",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "/",
    "%",
    "&",
    "|",
    "||",
    "^",
    "~",
    "<<",
    ">>>",
    "COUNT",
    "SUM",
    "IS_DEFINED",
    "IIF",
    "RANK",
    "RRF",
    "FullTextScore",
    "VectorDistance",
    "FullTextContains",
    "--",
    "\n",
    "/*",
    "\\",
    "'",
    "é",
];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-3_i32..4).prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "'a'",
            "\"it's\"",
            "'\\u00e9\\n'",
            "null",
            "true",
            "false",
            "undefined",
            "c.n",
            "c[\"s\"]",
            "c.list[0]",
            "c['list'][1 - 1]",
            "c",
            "{}",
            "[]",
            "1.5e-3",
            "0x10",
            "@p",
            "c.o.x",
            "-c.n",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>", "||", "AND", "OR", "??",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, operator, b)| format!("({a}) {operator} ({b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) NOT BETWEEN ({b}) AND ({c})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) IN ({b}, {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) LIKE ({b}) ESCAPE '!'")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{x: {a}, \"y z\": [{b}]}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({{x: {a}}}).x ?? [{b}][0]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("IIF({a}, {b}, IS_DEFINED({a}))")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner.clone().prop_map(|a| format!("~({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!(
                "ARRAY(SELECT VALUE t FROM t IN c.list WHERE {a} ORDER BY ({b})) ?? EXISTS(SELECT {b} AS b FROM c JOIN u IN c.list)"
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_parser_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), noise in ".{0,20}") {
        let parameters = [("@p".to_owned(), json!(1))];
        for text in [words.join(" "), words.concat(), format!("SELECT VALUE {}", words.join(" ")), format!("SELECT * FROM c WHERE {}", words.join(" ")), noise] {
            if let Ok(query) = Query::parse(&text, &parameters) {
                let _ = query.plan();
                let _ = query.hybrid_plan();
                let _ = query.filter_paths();
                let _ = query.key_values(&[vec!["n".into()]]);
                let documents = documents(&[json!({"n": 1, "list": [1, "a"]})]);
                let _ = query.run(&mut documents.into_iter(), &PageRequest { max_items: 3, ..PageRequest::default() });
            }
            let _ = Query::parse_condition(&text);
        }
    }

    #[test]
    fn a_written_expression_means_the_same(expression in expression()) {
        let parameters = [("@p".to_owned(), json!({"x": 1}))];
        let documents = documents(&[
            json!({"n": 2, "s": "a", "list": ["a", 1, null], "o": {"x": true}}),
            json!({"n": "a", "s": "%", "list": [], "o": {"x": 3}}),
        ]);
        let text = format!("SELECT VALUE [{expression}] FROM c WHERE IS_DEFINED(c.n) OR ({expression}) OFFSET 0 LIMIT 9");
        let query = Query::parse(&text, &parameters);
        // Of what is generated here, only an index that no array can have is refused.
        let Ok(query) = query else { return Err(TestCaseError::reject("refused")) };
        let written = query.plan().expect("a plan").rewritten_query;
        let again = Query::parse(&written, &parameters).unwrap_or_else(|error| panic!("{written}: {error}"));
        prop_assert_eq!(&again.plan().expect("a plan").rewritten_query, &written);
        let rows = |text: &str| page(text, &parameters, &documents, &PageRequest::default()).map(|page| page.rows);
        prop_assert_eq!(rows(&text), rows(&written), "{}", written);
    }
}
