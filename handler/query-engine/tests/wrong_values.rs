//! Queries that other stand-ins of the service answer wrongly: the documents, the query, the right rows, and where the right
//! rows are documented.

mod common;

use common::{documents, rows};
use query_engine::{ErrorKind, PageRequest, Query};
use serde_json::{Value, json};

/// Microsoft's reference of the query language, unless another source is named.
struct Case {
    query: &'static str,
    rows: Value,
    source: &'static str,
}

fn case(query: &'static str, rows: Value, source: &'static str) -> Case {
    Case { query, rows, source }
}

#[track_caller]
fn check(items: &[Value], cases: &[Case]) {
    let items = documents(items);
    for Case { query, rows: expected, source } in cases {
        assert_eq!(Value::Array(rows(query, &items)), *expected, "{query}, see {source}");
    }
}

/// Documents with the same property in each type, and one without it.
fn of_all_types() -> Vec<Value> {
    vec![
        json!({"id": "text", "v": "1"}),
        json!({"id": "number", "v": 1}),
        json!({"id": "double", "v": 1.0}),
        json!({"id": "null", "v": null}),
        json!({"id": "boolean", "v": true}),
        json!({"id": "array", "v": [1]}),
        json!({"id": "object", "v": {"a": 1, "b": 2}}),
        json!({"id": "none"}),
    ]
}

fn notes() -> Vec<Value> {
    vec![
        json!({"id": "1", "pk": "a", "it's": "it's", "say \"hi\"": 1, "n": 16}),
        json!({"id": "2", "pk": "a", "text": "line\nbreak", "n": 2}),
        json!({"id": "3", "pk": "b", "text": "\\", "n": 3}),
    ]
}

#[test]
fn literals() {
    const CONSTANTS: &str = "Constants";
    check(
        &notes(),
        &[
            case("SELECT VALUE c.n FROM c WHERE c.id = \"1\"", json!([16]), CONSTANTS),
            case("SELECT VALUE c.n FROM c WHERE c.id = '1'", json!([16]), CONSTANTS),
            case("SELECT VALUE c.n FROM c WHERE c[\"it's\"] = 'it\\'s'", json!([16]), CONSTANTS),
            case("SELECT VALUE c.n FROM c WHERE c['it\\'s'] = \"it's\"", json!([16]), CONSTANTS),
            case("SELECT VALUE c[\"say \\\"hi\\\"\"] FROM c", json!([1]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c.text = 'line\\nbreak'", json!(["2"]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c.text = \"\\\\\"", json!(["3"]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c.id = '\\u0031'", json!(["1"]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c.n = 0x10", json!(["1"]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c.n = 1.6e1", json!(["1"]), CONSTANTS),
            case("SELECT VALUE c.id FROM c WHERE c[\"id\"] = \"2\"", json!(["2"]), "texts that the .NET SDK sends"),
            case(
                "SELECT * FROM c WHERE ( c[\"id\"] = \"9\" AND c[\"pk\"] = \"a\" ) OR ( c[\"id\"] = \"8\" AND c[\"pk\"] = \"b\" )",
                json!([]),
                "texts that the .NET SDK sends to read many items",
            ),
            case(
                "SELECT VALUE c.id FROM c WHERE ( c[\"id\"] = \"2\" AND c[\"pk\"] = \"a\" ) OR ( c[\"id\"] = \"3\" AND c[\"pk\"] = \"b\" )",
                json!(["2", "3"]),
                "texts that the .NET SDK sends to read many items",
            ),
            case(
                "SELECT VALUE root FROM root WHERE (root[\"n\"] = 99)",
                json!([]),
                "texts that the .NET SDK makes of LINQ",
            ),
            case("SELECT VALUE c.id FROM c WHERE c[\"id\"] IN (\"1\", \"3\")", json!(["1", "3"]), "IN"),
        ],
    );
}

#[test]
fn comparison_across_types() {
    const OPERATORS: &str = "Equality and comparison operators";
    check(
        &of_all_types(),
        &[
            case("SELECT VALUE c.id FROM c WHERE c.v = 1", json!(["number", "double"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v = '1'", json!(["text"]), OPERATORS),
            case(
                "SELECT VALUE c.id FROM c WHERE c.v != 1",
                json!(["text", "null", "boolean", "array", "object"]),
                OPERATORS,
            ),
            case("SELECT VALUE c.id FROM c WHERE c.v = null", json!(["null"]), OPERATORS),
            case(
                "SELECT VALUE c.id FROM c WHERE c.v != null",
                json!(["text", "number", "double", "boolean", "array", "object"]),
                OPERATORS,
            ),
            case("SELECT VALUE c.id FROM c WHERE c.v = [1.0]", json!(["array"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v = {b: 2, a: 1}", json!(["object"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v = {a: 1}", json!([]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v > 0", json!(["number", "double"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v <= '2'", json!(["text"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v >= true", json!(["boolean"]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v > [0]", json!([]), OPERATORS),
            case("SELECT VALUE c.id FROM c WHERE c.v BETWEEN 0 AND 2", json!(["number", "double"]), "BETWEEN"),
            case("SELECT VALUE c.id FROM c WHERE c.v IN (1, null)", json!(["number", "double", "null"]), "IN"),
            case("SELECT VALUE c.id FROM c WHERE c.v", json!(["boolean"]), "WHERE"),
            case("SELECT VALUE c.id FROM c WHERE NOT (c.v = 1 OR c.v < 5)", json!([]), "Logical operators"),
            case(
                "SELECT VALUE c.id FROM c ORDER BY c.v",
                json!(["none", "null", "boolean", "number", "double", "text", "array", "object"]),
                "ORDER BY",
            ),
            case(
                "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.v FROM c)",
                json!([6]),
                "SELECT, and that 1 equals 1.0",
            ),
        ],
    );
}

#[test]
fn undefined_is_not_null() {
    const UNDEFINED: &str = "Working with JSON";
    check(
        &[
            json!({"id": "1", "v": null, "o": {"x": 5}}),
            json!({"id": "2"}),
            json!({"id": "3", "v": 0, "o": "text", "a": [1, 2]}),
        ],
        &[
            case("SELECT VALUE c.nope FROM c", json!([]), UNDEFINED),
            case("SELECT c.nope FROM c", json!([{}, {}, {}]), UNDEFINED),
            case("SELECT VALUE c.v FROM c", json!([null, 0]), UNDEFINED),
            case("SELECT VALUE [c.v, c.nope] FROM c", json!([[null], [], [0]]), UNDEFINED),
            case("SELECT VALUE {v: c.v} FROM c", json!([{"v": null}, {}, {"v": 0}]), UNDEFINED),
            case("SELECT VALUE c.o.x FROM c", json!([5]), UNDEFINED),
            case("SELECT VALUE c.o.x.y FROM c", json!([]), UNDEFINED),
            case("SELECT VALUE c.a[1] FROM c", json!([2]), UNDEFINED),
            case("SELECT VALUE c.a[2] FROM c", json!([]), UNDEFINED),
            case("SELECT VALUE c.id FROM c WHERE c.nope = undefined", json!([]), "Equality and comparison operators"),
            case("SELECT VALUE c.id FROM c WHERE c.nope != 1", json!([]), "Equality and comparison operators"),
            case("SELECT VALUE c.id FROM c WHERE NOT (c.nope = 1)", json!([]), "Logical operators"),
            case("SELECT VALUE c.id FROM c WHERE IS_NULL(c.v)", json!(["1"]), "IS_NULL"),
            case("SELECT VALUE c.id FROM c WHERE NOT IS_DEFINED(c.v)", json!(["2"]), "IS_DEFINED"),
            case("SELECT VALUE c.v ?? 'none' FROM c", json!([null, "none", 0]), "Ternary and coalesce operators"),
            case("SELECT VALUE COUNT(c.v) FROM c", json!([2]), "COUNT"),
            case(
                "SELECT c.v, COUNT(1) AS n FROM c GROUP BY c.v",
                json!([
                    {"n": 1}, {"v": null, "n": 1}, {"v": 0, "n": 1}
                ]),
                "GROUP BY",
            ),
            case("SELECT VALUE SUM(c.v) FROM c WHERE c.id != '1'", json!([0]), "SUM"),
            case("SELECT VALUE SUM(c.v) FROM c", json!([]), "SUM"),
        ],
    );
}

#[test]
fn functions() {
    check(
        &[
            json!({"id": "1", "tags": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "name": "Ann", "s": "x,y"}),
            json!({"id": "2", "tags": [{"n": 1}], "name": "ann", "location": {"type": "Point", "coordinates": [31.9, -4.8]}}),
            json!({"id": "3", "tags": "a", "name": 7, "when": "2020-07-03T00:00:00Z"}),
        ],
        &[
            case(
                "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, {name: 'a'}, true)",
                json!(["1"]),
                "ARRAY_CONTAINS",
            ),
            case("SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, {name: 'a'})", json!([]), "ARRAY_CONTAINS"),
            case("SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, {n: 1})", json!(["2"]), "ARRAY_CONTAINS"),
            case("SELECT VALUE c.id FROM c WHERE NOT ARRAY_CONTAINS(c.tags, 1)", json!(["1", "2"]), "ARRAY_CONTAINS"),
            case("SELECT VALUE ARRAY_LENGTH(c.tags) FROM c", json!([2, 1]), "ARRAY_LENGTH"),
            case("SELECT VALUE c.id FROM c WHERE CONTAINS(c.name, 'AN', true)", json!(["1", "2"]), "CONTAINS"),
            case("SELECT VALUE c.id FROM c WHERE STARTSWITH(c.name, 'A')", json!(["1"]), "STARTSWITH"),
            case("SELECT VALUE LENGTH(c.name) FROM c", json!([3, 3]), "LENGTH"),
            case("SELECT VALUE SUBSTRING(c.name, 1, 9) FROM c", json!(["nn", "nn"]), "SUBSTRING"),
            case("SELECT VALUE c.id FROM c WHERE RegexMatch(c.name, '^A')", json!(["1"]), "RegexMatch"),
            case("SELECT VALUE StringSplit(c.s, ',') FROM c", json!([["x", "y"]]), "StringSplit"),
            case(
                "SELECT VALUE StringToArray('[1, null]') FROM c WHERE c.id = '1'",
                json!([[1, null]]),
                "StringToArray",
            ),
            case("SELECT VALUE SetUnion([1, 2], [2.0, 3]) FROM c WHERE c.id = '1'", json!([[1, 2, 3]]), "SetUnion"),
            case(
                "SELECT VALUE IIF(IS_STRING(c.name), 'text', 'other') FROM c",
                json!(["text", "text", "other"]),
                "IIF",
            ),
            case("SELECT VALUE ROUND(-6.5) FROM c WHERE c.id = '1'", json!([-7]), "ROUND"),
            case("SELECT VALUE IntDiv(7, 2) FROM c WHERE c.id = '1'", json!([3]), "IntDiv"),
            case(
                "SELECT VALUE DateTimeAdd('mm', 1, c.when) FROM c",
                json!(["2020-08-03T00:00:00.0000000Z"]),
                "DateTimeAdd",
            ),
            case("SELECT VALUE c.id FROM c WHERE DateTimePart('yyyy', c.when) = 2020", json!(["3"]), "DateTimePart"),
            case(
                "SELECT VALUE c.id FROM c WHERE ST_DISTANCE(c.location, {'type': 'Point', 'coordinates': [31.9, -4.8]}) < 30000",
                json!(["2"]),
                "Query geospatial data",
            ),
            case(
                "SELECT VALUE c.id FROM c WHERE ST_WITHIN(c.location, {'type': 'Polygon', 'coordinates': \
                 [[[31.8, -5], [32, -5], [32, -4.7], [31.8, -4.7], [31.8, -5]]]})",
                json!(["2"]),
                "Query geospatial data",
            ),
            case("SELECT VALUE ST_ISVALID(c.location) FROM c", json!([true]), "ST_ISVALID"),
            case(
                "SELECT VALUE GetCurrentTicks() = DateTimeToTicks(GetCurrentDateTime())",
                json!([true]),
                "GetCurrentTicks: ticks since 1970",
            ),
            case("SELECT VALUE NOW() = GetCurrentDateTime()", json!([true]), "NOW"),
            case("SELECT VALUE NOW('hh', 2) = DateTimeAdd('hh', 2, NOW())", json!([true]), "NOW"),
            case("SELECT VALUE AGO('mm', 2) = DateTimeAdd('mm', -2, NOW())", json!([true]), "AGO"),
            case("SELECT VALUE AGO('hh', 1.5)", json!([]), "AGO"),
        ],
    );
}

#[test]
fn subqueries() {
    const SUBQUERIES: &str = "Subqueries";
    check(
        &[
            json!({"id": "1", "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 5}], "total": 7}),
            json!({"id": "2", "lines": [], "total": 0}),
            json!({"id": "3", "total": 1}),
        ],
        &[
            case(
                "SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE l FROM l IN c.lines WHERE l.n > 4)",
                json!(["1"]),
                SUBQUERIES,
            ),
            case(
                "SELECT VALUE c.id FROM c WHERE NOT EXISTS(SELECT VALUE l FROM l IN c.lines)",
                json!(["2", "3"]),
                SUBQUERIES,
            ),
            case(
                "SELECT VALUE ARRAY(SELECT VALUE l.sku FROM l IN c.lines) FROM c",
                json!([["a", "b"], [], []]),
                SUBQUERIES,
            ),
            case(
                "SELECT VALUE (SELECT VALUE SUM(l.n) FROM l IN c.lines) FROM c WHERE c.id = '1'",
                json!([7]),
                SUBQUERIES,
            ),
            case(
                "SELECT c.id, l.sku FROM c JOIN l IN c.lines",
                json!([{"id": "1", "sku": "a"}, {"id": "1", "sku": "b"}]),
                "Self-joins",
            ),
            case("SELECT VALUE l.n FROM l IN c.lines", json!([2, 5]), "FROM"),
            case("SELECT VALUE COUNT(1) FROM c JOIN l IN c.lines WHERE l.n > 2", json!([1]), "COUNT"),
            case(
                "SELECT VALUE l.sku FROM c JOIN (SELECT VALUE l FROM l IN c.lines WHERE l.n > 2) AS l",
                json!(["b"]),
                SUBQUERIES,
            ),
            case("SELECT VALUE COUNT(1) FROM c GROUP BY IS_DEFINED(c.lines)", json!([1, 2]), "GROUP BY"),
            case("SELECT VALUE COUNTIF(c.total > 0) FROM c", json!([2]), "COUNTIF"),
        ],
    );
}

#[test]
fn parts_of_texts() {
    const SUBSTRINGS: &str = "SUBSTRINGBEFORE, SUBSTRINGAFTER, LASTSUBSTRINGBEFORE, LASTSUBSTRINGAFTER";
    const REGEX: &str = "REGEXEXTRACT, REGEXEXTRACTALL, REGEXREPLACE, REGEXREPLACEALL";
    let rows = [
        ("SUBSTRINGAFTER('contoso|north|2026', '|')", json!("north|2026"), SUBSTRINGS),
        ("SUBSTRINGAFTER('bike::touring::frame', '::')", json!("touring::frame"), SUBSTRINGS),
        ("SUBSTRINGBEFORE('contoso|north|2026', '|')", json!("contoso"), SUBSTRINGS),
        ("SUBSTRINGBEFORE('bike::touring::frame', '::')", json!("bike"), SUBSTRINGS),
        ("LASTSUBSTRINGAFTER('/products/shoes/boots', '/')", json!("boots"), SUBSTRINGS),
        ("LASTSUBSTRINGAFTER('bike::touring::frame', '::')", json!("frame"), SUBSTRINGS),
        ("LASTSUBSTRINGBEFORE('/products/shoes/boots', '/')", json!("/products/shoes"), SUBSTRINGS),
        ("LASTSUBSTRINGBEFORE('bike::touring::frame', '::')", json!("bike::touring"), SUBSTRINGS),
        ("SUBSTRINGBEFORE('/a', '/')", json!(""), SUBSTRINGS),
        ("REGEXEXTRACT('SKU-93821-BLUE', '[A-Z]+')", json!("SKU"), REGEX),
        ("REGEXEXTRACT('SKU-93821-BLUE', '[0-9]+')", json!("93821"), REGEX),
        ("REGEXEXTRACT('sku-1 SKU-2', 'SKU-([0-9]+)', 'i', 1)", json!("1"), REGEX),
        ("REGEXEXTRACT('sku-1 SKU-2', 'SKU-([0-9]+)', 'i', 0)", json!("sku-1"), REGEX),
        ("REGEXEXTRACTALL('A12-B34-C56', '[0-9]+')", json!(["12", "34", "56"]), REGEX),
        ("REGEXEXTRACTALL('A12-B34', '([A-Z])([0-9]+)', '', 2)", json!(["12", "34"]), REGEX),
        ("REGEXEXTRACTALL('abc', '[0-9]+')", json!([]), REGEX),
        ("REGEXREPLACE('A12-B34-C56', '[0-9]+', '#')", json!("A#-B34-C56"), REGEX),
        ("REGEXREPLACEALL('A12-B34-C56', '[0-9]+', '#')", json!("A#-B#-C#"), REGEX),
        ("REGEXREPLACEALL('Aa', 'a', '', 'i')", json!(""), REGEX),
        ("REGEXREPLACE('abc', '[0-9]+', '#')", json!("abc"), REGEX),
    ];
    for (expression, expected, source) in rows {
        assert_eq!(common::value(expression), Some(expected), "{expression}, see {source}");
    }
    for expression in ["SUBSTRINGAFTER(1, 'a')", "REGEXEXTRACT(null, 'a')", "REGEXREPLACE('a', 'a', 1)"] {
        assert_eq!(common::value(expression), None, "{expression}");
    }
}

#[test]
fn formatted_times() {
    for (format, expected) in [
        ("yyyyMMdd", "20241010"),
        ("yyyy-MM-dd [HH:mm:ss]", "2024-10-10 [14:40:20]"),
        ("To\\\\da\\\\y i\\\\s: yyyy-MM-ddTHH:mm:ss.fff", "Today is: 2024-10-10T14:40:20.000"),
        ("To\\\\da\\\\y i\\\\s: yyyy-MM-ddTHH:mm:ss.FFF", "Today is: 2024-10-10T14:40:20."),
    ] {
        let expression = format!("DATETIMEFORMAT('2024-10-10 14:40:20', '{format}')");
        assert_eq!(common::value(&expression), Some(json!(expected)), "{expression}, see DATETIMEFORMAT");
    }
    assert_eq!(common::value("DATETIMEFORMAT('2024-10-10T14:40:20.12', '.fff .FFF')"), Some(json!(".120 .12")));
    assert_eq!(common::value("DATETIMEFORMAT('yesterday', 'yyyy')"), None);
}

#[test]
fn words_of_texts() {
    const WORDS: &str = "Full-text search";
    check(
        &[
            json!({"id": "1", "text": "The red mountain bikes of John"}),
            json!({"id": "2", "text": "Johnson rides a road bike"}),
            json!({"id": "3", "text": 7}),
            json!({"id": "4"}),
        ],
        &[
            case("SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'john')", json!(["1"]), WORDS),
            case("SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'bike')", json!(["1", "2"]), "stemming"),
            case("SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'Mountain Bike')", json!(["1"]), WORDS),
            case("SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'bike mountain')", json!([]), WORDS),
            case("SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'the')", json!([]), "stop words"),
            case("SELECT VALUE c.id FROM c WHERE FullTextContainsAll(c.text, 'bike', 'red')", json!(["1"]), WORDS),
            case("SELECT VALUE c.id FROM c WHERE FullTextContainsAny(c.text, 'ROAD', 'red')", json!(["1", "2"]), WORDS),
            case("SELECT VALUE c.id FROM c WHERE NOT FullTextContains(c.text, 'red')", json!(["2"]), WORDS),
            case(
                "SELECT COUNTIF(_FullTextWordCount(c.text) > 3) AS a, COUNTIF(FullTextContains(c.text, 'road')) AS b FROM c",
                json!([{"a": 2, "b": 1}]),
                "QueryPlanRetrieverTests of the .NET SDK",
            ),
        ],
    );
}

/// What each is depends on values that the documentation does not settle.
#[test]
fn what_the_documentation_settles_in_part_is_refused_where_it_does_not() {
    for (expression, part) in [
        ("SUBSTRINGBEFORE('a', '/')", "without the delimiter"),
        ("LASTSUBSTRINGAFTER('a', '')", "without the delimiter"),
        ("REGEXEXTRACT('a', '[0-9]')", "does not match"),
        ("REGEXEXTRACT('a', '(')", "invalid expression"),
        ("REGEXEXTRACTALL('a', 'a', '', 1)", "a group that is not part"),
        ("REGEXEXTRACT('a', 'a', '', -1)", "a group that is not part"),
        ("REGEXREPLACE('a', 'a', '$1')", "can refer to groups"),
        ("DATETIMEFORMAT('2024-10-10', 'h')", "these specifiers"),
        ("DATETIMEFORMAT('2024-10-10', 'yyy')", "these specifiers"),
        ("FullTextContains('a', {term: 'a', distance: 1})", "fuzzy search"),
    ] {
        let error = common::page(&format!("SELECT VALUE {expression}"), &[], &[], &PageRequest::default());
        let error = error.expect_err(expression);
        assert_eq!(error.kind, ErrorKind::NotSupported, "{expression}");
        assert!(error.message.contains(part), "{expression}: {error}");
    }
}

/// Each is refused: an answer would be a guess.
#[test]
fn what_the_documentation_does_not_settle_is_refused() {
    for query in [
        "SELECT VALUE Hash(c.id) FROM c",
        "SELECT VALUE LEN(c.id) FROM c",
        "SELECT VALUE LENGTH() FROM c",
        "SELECT VALUE LENGTH(c.id, 1) FROM c",
    ] {
        Query::parse(query, &[]).expect_err(query);
    }
}
