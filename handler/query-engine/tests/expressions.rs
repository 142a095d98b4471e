//! The values of expressions.

mod common;

use common::{documents, rows, value};
use query_engine::Query;
use serde_json::{Value, json};

/// Each expression has the value; the text `undefined` stands for no value.
#[track_caller]
fn check(table: &[(&str, Value)]) {
    for (expression, expected) in table {
        let expected = if *expected == json!("undefined") { None } else { Some(expected.clone()) };
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn literals_are_written_in_many_ways() {
    check(&[
        ("'it\\'s'", json!("it's")),
        ("\"it's\"", json!("it's")),
        ("'it''s'", json!("it's")),
        ("0x10", json!(16)),
        ("-0x10", json!(-16)),
        ("1e3", json!(1000)),
        ("-.5", json!(-0.5)),
        ("null", Value::Null),
        ("undefined", json!("undefined")),
        ("[1, undefined, 'a']", json!([1, "a"])),
        ("{a: 1, \"b\": [true], 'c': undefined}", json!({"a": 1, "b": [true]})),
        ("{a: 1, a: 2}", json!({"a": 2})),
        ("{}", json!({})),
        ("[]", json!([])),
    ]);
}

#[test]
fn equality_compares_all_types_and_is_undefined_only_for_undefined() {
    check(&[
        ("1 = 1.0", json!(true)),
        ("1 = '1'", json!(false)),
        ("1 != '1'", json!(true)),
        ("1 <> '1'", json!(true)),
        ("null = null", json!(true)),
        ("'a' != null", json!(true)),
        ("undefined = null", json!("undefined")),
        ("undefined != 1", json!("undefined")),
        ("undefined = undefined", json!("undefined")),
        ("[1, {a: 2}] = [1.0, {a: 2}]", json!(true)),
        ("{a: 1, b: 2} = {b: 2, a: 1}", json!(true)),
        ("{a: 1} = {a: 1, b: 2}", json!(false)),
        ("[1] != {}", json!(true)),
        ("1 IN ('1', 1)", json!(true)),
        ("1 IN ('1', null)", json!(false)),
        ("1 NOT IN ('1')", json!(true)),
        ("undefined IN (1)", json!("undefined")),
        ("undefined NOT IN (1)", json!("undefined")),
    ]);
}

#[test]
fn order_is_undefined_between_types() {
    check(&[
        ("1 < 2", json!(true)),
        ("'a' < 'B'", json!(false)),
        ("'b' >= 'a'", json!(true)),
        ("false < true", json!(true)),
        ("null <= null", json!(true)),
        ("1 < '2'", json!("undefined")),
        ("1 > null", json!("undefined")),
        ("[1] < [2]", json!("undefined")),
        ("{} >= {}", json!("undefined")),
        ("undefined < 1", json!("undefined")),
        ("2 BETWEEN 1 AND 3", json!(true)),
        ("2 NOT BETWEEN 1 AND 3", json!(false)),
        ("'2' BETWEEN 1 AND 3", json!("undefined")),
        ("'2' NOT BETWEEN 1 AND 3", json!("undefined")),
        ("0 BETWEEN 1 AND 'x'", json!(false)),
        ("0 = 'true'", json!(false)),
    ]);
}

#[test]
fn logic_has_three_values() {
    check(&[
        ("true AND undefined", json!("undefined")),
        ("false AND undefined", json!(false)),
        ("undefined AND false", json!(false)),
        ("true OR undefined", json!(true)),
        ("undefined OR true", json!(true)),
        ("false OR undefined", json!("undefined")),
        ("NOT undefined", json!("undefined")),
        ("NOT 1", json!("undefined")),
        ("NOT NOT true", json!(true)),
        ("1 AND true", json!("undefined")),
        ("'a' OR false", json!("undefined")),
        ("null AND false", json!(false)),
        ("true OR false AND false", json!(true)),
        ("NOT false AND false", json!(false)),
        ("true and not false or false", json!(true)),
    ]);
}

#[test]
fn choices_evaluate_what_they_need() {
    check(&[
        ("undefined ?? 1", json!(1)),
        ("null ?? 1", Value::Null),
        ("undefined ?? undefined ?? 'c'", json!("c")),
        ("true ? 1 : 2", json!(1)),
        ("1 ? 1 : 2", json!(2)),
        ("undefined ? 1 : 2", json!(2)),
        ("false ? 1 : true ? 3 : 4", json!(3)),
        ("true ? false ? 1 : 2 : 3", json!(2)),
        ("IIF(1 < 2, 'yes', 'no')", json!("yes")),
        ("IIF('true', 1, 2)", json!(2)),
        ("1 = 1 ? 'a' : 'b'", json!("a")),
    ]);
}

#[test]
fn numbers_are_computed_as_doubles() {
    check(&[
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("7 % 4 - 1", json!(2)),
        ("1 / 4", json!(0.25)),
        ("1 / 0", json!("undefined")),
        ("5 - 3 - 1", json!(1)),
        ("-(-3)", json!(3)),
        ("+3", json!(3)),
        ("+'3'", json!("undefined")),
        ("'1' + 1", json!("undefined")),
        ("9007199254740993", json!(9_007_199_254_740_993_i64)),
        ("9007199254740993 + 0", json!(9_007_199_254_740_992_i64)),
        ("9007199254740993 = 9007199254740992", json!(true)),
        ("-9223372036854775807", json!(-9_223_372_036_854_775_807_i64)),
        ("0.1 + 0.2", json!(0.300_000_000_000_000_04)),
    ]);
}

#[test]
fn bitwise_operators_use_32_bits() {
    check(&[
        ("100 & 84", json!(68)),
        ("5 | 2", json!(7)),
        ("5 ^ 1", json!(4)),
        ("~5", json!(-6)),
        ("1.9 | 0", json!(1)),
        ("-2147483649 | 0", json!(2_147_483_647)),
        ("2147483648 | 0", json!(-2_147_483_648_i64)),
        ("6442450944 | 0", json!(-2_147_483_648_i64)),
        ("1 << 33", json!(2)),
        ("-16 >> 2", json!(-4)),
        ("-1 >>> 28", json!(15)),
        ("'1' | 1", json!("undefined")),
        ("1 + 1 << 2", json!(8)),
    ]);
}

#[test]
fn texts_are_joined_and_matched() {
    check(&[
        ("'a' || 'b' || 'c'", json!("abc")),
        ("'a' || 1", json!("undefined")),
        ("('a' || 'b') = 'ab'", json!(true)),
        ("'apple' LIKE 'a%e'", json!(true)),
        ("'apple' NOT LIKE 'b%'", json!(true)),
        ("'20%' LIKE '%!%' ESCAPE '!'", json!(true)),
        ("1 LIKE '1'", json!("undefined")),
        ("'a' LIKE 1", json!("undefined")),
        ("undefined NOT LIKE 'a'", json!("undefined")),
    ]);
}

#[test]
fn vectors_are_compared() {
    check(&[
        ("VectorDistance([1, 0], [1, 0])", json!(1)),
        ("VectorDistance([1, 0], [0, 2])", json!(0)),
        ("VectorDistance([3, 4], [-3, -4], true)", json!(-1)),
        ("VectorDistance([1, 2], [3, 4], false, {distanceFunction: 'dotproduct'})", json!(11)),
        ("VectorDistance([1, 2], [4, 6], false, {'distanceFunction': 'euclidean', 'dataType': 'float32'})", json!(5)),
        ("VectorDistance([1], [1, 2])", json!("undefined")),
        ("VectorDistance([[1]], [1])", json!("undefined")),
        ("VectorDistance([0], [1])", json!("undefined")),
        ("VectorDistance(undefined, [1])", json!("undefined")),
        ("VectorDistance([1], [1], true, {distanceFunction: 'other'})", json!("undefined")),
    ]);
}

#[test]
fn paths_go_into_values() {
    check(&[
        ("{a: [1, {b: 2}]}.a[1].b", json!(2)),
        ("{a: [1, {b: 2}]}['a'][1][\"b\"]", json!(2)),
        ("[1, 2][0]", json!(1)),
        ("[1, 2][5]", json!("undefined")),
        ("({a: 1}).a", json!(1)),
        ("{a: 1}['a' || '']", json!(1)),
        ("[1, 2][1 - 1]", json!(1)),
        ("'text'.a", json!("undefined")),
        ("'text'[0]", json!("undefined")),
        ("null.a", json!("undefined")),
        ("{a: 1}[0]", json!("undefined")),
        ("[1]['0']", json!("undefined")),
    ]);
}

#[test]
fn parameters_are_values_and_steps() {
    let parameters =
        [("@p".to_owned(), json!("name")), ("@i".to_owned(), json!(1)), ("@o".to_owned(), json!({"x": [5, 6]}))];
    let documents = documents(&[json!({"name": "n", "list": ["a", "b"]})]);
    let query = Query::parse("SELECT VALUE [c[@p], c.list[@i], @o.x[@i], @o] FROM c", &parameters).expect("valid");
    let page = query.run(&mut documents.iter().cloned(), &Default::default()).expect("valid");
    assert_eq!(page.rows, [r#"["n","b",6,{"x":[5,6]}]"#]);
    let error = Query::parse("SELECT VALUE @q", &parameters).expect_err("unknown");
    assert_eq!((error.code, error.message.as_str()), (Some("SC2001"), "Identifier '@q' could not be resolved."));
}

#[test]
fn operators_whose_order_is_not_documented_need_brackets() {
    for refused in [
        "NOT 1 = 2",
        "'a' || 'b' = 'ab'",
        "1 & 1 = 1",
        "1 = 1 | 1",
        "NOT 1 IN (2)",
        "undefined ?? true ? 1 : 2",
        "1 = NOT true",
    ] {
        let error = Query::parse(&format!("SELECT VALUE {refused}"), &[]).expect_err(refused);
        assert!(error.message.contains("Use brackets"), "{refused}: {error}");
    }
    check(&[("NOT (1 = 2)", json!(true)), ("(1 & 1) = 1", json!(true)), ("(undefined ?? true) ? 1 : 2", json!(1))]);
}

#[test]
fn invalid_texts_are_refused_with_the_service_s_code_and_place() {
    for (query, code, message, location) in [
        ("SELEC * FROM c", "SC1001", "Syntax error, incorrect syntax near 'SELEC'.", (0, 5)),
        ("SELECT TOP -1 c.name FROM c", "SC1001", "Syntax error, incorrect syntax near '-'.", (11, 12)),
        ("SELECT c.name FROM c OFFSET -1 LIMIT 10", "SC1001", "Syntax error, incorrect syntax near '-'.", (28, 29)),
        (
            "SELECT TOP 4294967296 c.name FROM c",
            "SC2060",
            "The count value provided for a TOP clause must be an integer.",
            (11, 21),
        ),
        (
            "SELECT c.name FROM c OFFSET 4294967296 LIMIT 10",
            "SC2062",
            "The OFFSET count value exceeds the maximum allowed value.",
            (28, 38),
        ),
        (
            "SELECT BADFUNC(r.age) FROM Root r",
            "SC2005",
            "'BADFUNC' is not a recognized built-in function name.",
            (7, 14),
        ),
        (
            "SELECT VALUE MAX(MIN(r)) From r",
            "SC2101",
            "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
            (13, 24),
        ),
        ("SELECT c.value FROM c", "SC1001", "Syntax error, incorrect syntax near 'value'.", (9, 14)),
        ("SELECT d.x FROM c", "SC2001", "Identifier 'd' could not be resolved.", (7, 8)),
        ("SELECT VALUE TRUE", "SC2001", "Identifier 'TRUE' could not be resolved.", (13, 17)),
        ("SELECT 'é', d FROM c", "SC2001", "Identifier 'd' could not be resolved.", (12, 13)),
        ("SELECT c.a, c.b, FROM c", "SC1001", "Syntax error, incorrect syntax near 'FROM'.", (17, 21)),
    ] {
        let error = Query::parse(query, &[]).expect_err(query);
        assert_eq!(
            (error.code, error.message.as_str(), error.location),
            (Some(code), message, Some(location)),
            "{query}"
        );
    }
    let error = Query::parse("SELECT VALUE IS_DEFINED()", &[]).expect_err("arguments");
    assert_eq!(
        error.to_json(),
        r#"{"errors":[{"severity":"Error","location":{"start":13,"end":25},"code":"SC2050","message":"The IS_DEFINED function requires 1 argument(s)."}]}"#
    );
}

#[test]
fn deep_queries_are_refused_and_long_ones_are_not() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let deep = |start: &str, end: &str, count: usize| format!("{}1{}", start.repeat(count), end.repeat(count));
        for (start, end) in [
            ("(", ")"),
            ("[", "]"),
            ("{a: ", "}"),
            ("(SELECT VALUE ", ")"),
            ("NOT ", ""),
            ("- ", ""),
            ("IIF(true, ", ", 0)"),
            ("true ? ", " : 0"),
            ("false ? 0 : ", ""),
            ("[1][", "]"),
            ("ARRAY(SELECT VALUE ", ")"),
        ] {
            let allowed = deep(start, end, 60);
            eprintln!("{start}");
            Query::parse(&format!("SELECT VALUE {allowed}"), &[]).expect(start);
            value(&allowed);
            let refused = format!("SELECT VALUE {}", deep(start, end, 5_000));
            Query::parse(&refused, &[]).expect_err(start);
        }
        for chain in ["1 + ", "'a' || ", "1 ?? ", "1 = "] {
            assert!(value(&format!("{}1", chain.repeat(200))).is_some() || chain.contains('|'), "{chain}");
            Query::parse(&format!("SELECT VALUE {}1", chain.repeat(5_000)), &[]).expect_err(chain);
        }
        let deepest = format!("{}1", format!("{}(", "1 + ".repeat(3)).repeat(60)) + &")".repeat(60);
        assert_eq!(value(&deepest), Some(json!(181)));
        for connective in [" AND ", " OR "] {
            let long = vec!["true"; 2_001].join(connective);
            assert_eq!(value(&long), Some(json!(true)));
        }
        let list = vec!["1"; 10_000].join(", ");
        assert_eq!(value(&format!("2 IN ({list})")), Some(json!(false)));
        assert_eq!(rows(&format!("SELECT VALUE c{} FROM c", ".a".repeat(5_000)), &documents(&[json!({})])).len(), 0);
    });
    thread.expect("thread").join().expect("no overflow");
}
