//! What filters mean, how they are read, and which queries they become.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn matches(filter: &str, document: Value) -> bool {
    Filter::parse(filter).expect("filter").matches(&document)
}

#[test]
fn fields_are_compared_by_value_and_type() {
    let document = json!({"city_name": "Davidson", "zip": "28036", "seq": 7, "a": {"b": true}, "n": null, "eq": "a=b"});
    for filter in [
        "city_name=Davidson",
        "city_name = Davidson",
        "city_name!=Charlotte",
        "zip=28036",
        "zip=\"28036\"",
        "seq=7",
        "seq=7.0",
        "seq<8",
        "seq<=7",
        "seq>6.5",
        "seq>=7",
        "a.b=true",
        "n=null",
        "city_name contains avid",
        "zip>28000",
        "eq=a=b",
        "city_name>C",
    ] {
        assert!(matches(filter, document.clone()), "{filter}");
    }
    for filter in [
        "city_name=davidson",
        "seq=\"7\"",
        "seq<7",
        "missing=1",
        "missing!=1",
        "a=1",
        "a.b.c=1",
        "seq contains 7",
        "n=0",
    ] {
        assert!(!matches(filter, document.clone()), "{filter}");
    }
}

#[test]
fn values_are_compared_as_the_service_compares_them() {
    let document = json!({"big": 9_007_199_254_740_993_u64, "zero": -0.0, "off": false, "none": null, "list": [1], "o": {},
        "seven": "7", "smile": "\u{1f600}", "e1": 10.0});
    for filter in [
        "big=9007199254740992",
        "big=9007199254740993",
        "big=9.007199254740992e15",
        "big<=9007199254740992",
        "big!=9007199254740995",
        "zero=0",
        "zero=-0",
        "e1=1e1",
        "e1=10",
        "off<true",
        "off!=true",
        "off!=7",
        "none!=7",
        "list!=1",
        "o!=1",
        "off>=false",
        "none>=null",
        "seven!=8",
        "seven contains 7",
        // In UTF-16, characters of two code units come before the last ones of one.
        "smile<\u{fffd}",
    ] {
        assert!(matches(filter, document.clone()), "{filter}");
    }
    for filter in [
        "big!=9007199254740992",
        "big>9007199254740992",
        "zero<0",
        "off!=false",
        "none!=null",
        "list=1",
        "list<=1",
        "o=1",
        "off<7",
        "none<=7",
        "seven=\"7.0\"",
        "seven!=7",
        "e1=1e400",
    ] {
        assert!(!matches(filter, document.clone()), "{filter}");
    }
}

#[test]
fn a_query_finds_every_integer_that_is_the_same_double() {
    let condition = |filter: &str| {
        let mut parameters = Map::new();
        let condition = Filter::parse(filter).expect("filter").condition("c", &mut parameters);
        (condition, Value::Object(parameters).to_string())
    };
    let (equal, parameters) = condition("n=9007199254740993");
    assert_eq!(equal, "(c['n'] >= @filter0 AND c['n'] <= @filter1 OR c['n'] = @filter2)");
    assert_eq!(
        parameters,
        r#"{"@filter0":9007199254740991.0,"@filter1":9007199254740994.0,"@filter2":"9007199254740993"}"#
    );
    assert_eq!(condition("n<-9007199254740992").0, "(c['n'] <= @filter0 OR c['n'] < @filter1)");
    assert_eq!(condition("n=9007199254740991").0, "(c['n'] = @filter0 OR c['n'] = @filter1)");
    assert_eq!(
        condition("n!=9007199254740993").0,
        "((IS_DEFINED(c['n']) AND (NOT IS_STRING(c['n']) OR c['n'] != @filter0)))"
    );
    assert_eq!(condition("n contains 1").0, "(CONTAINS(c['n'], @filter0))");
    assert!(condition(&format!("n<={}", f64::MAX)).1.contains("1.7976931348623157e+308"));
}

#[test]
fn hostile_names_are_rejected_and_hostile_values_are_parameters() {
    for filter in [
        "c.x; DROP=1",
        "a']=1",
        "a\"b=1",
        "a[0]=1",
        "=1",
        ".a=1",
        "a..b=1",
        "no operator",
        "a b=1",
        "tags[0]=1",
        "/a~=1",
        "\"a=1",
        "/a",
    ] {
        assert!(Filter::parse(filter).is_err_and(|error| error.contains("invalid")), "{filter}");
    }
    for filter in ["a.1.2.3.4=1", &format!("a={}", "x".repeat(20_000))] {
        assert!(Filter::parse(filter).is_err());
    }
    Filter::parse(&format!("a{}=1", ".a".repeat(127))).expect("as deep as an item can be");
    let message = Filter::parse(&format!("a{}=1", ".a".repeat(128))).expect_err("too deep");
    assert!(message.contains("129 names; at most 128"), "{message}");
    let hostile = Filter::parse("name=\"'] OR true --\"").expect("filter");
    let mut parameters = Map::new();
    assert_eq!(hostile.condition("c.document", &mut parameters), "(c.document['name'] = @filter0)");
    assert_eq!(parameters["@filter0"], "'] OR true --");
}

#[test]
fn a_field_of_any_name_is_named_in_quotes_or_by_a_pointer() {
    let document = json!({"zip code": "28036", "a.b": {"c/d": 1, "e~f": 2}, "": {"=": 3}, "x contains y": "xy",
        "lines": [{"text": "first"}, "last"], "0": {"1": true}, "n contains": "z", " ": 4});
    for filter in [
        "\"zip code\"=28036",
        "/zip code = 28036",
        "\"a.b\".\"c/d\"=1",
        "/a.b/c~1d<2",
        " /a.b/e~0f >=2",
        "\"\".\"=\"=3",
        "\"x contains y\" contains xy",
        "/x contains xy",
        "lines.0.text=first",
        "/lines/1 contains as",
        "/lines/1=last",
        "0.1=true",
        "\"n contains\"=z",
        "\" \"=4",
    ] {
        assert_eq!(matches(filter, document.clone()), filter != "/x contains xy", "{filter}");
    }
    let condition = |filter: &str| Filter::parse(filter).expect("filter").condition("c", &mut Map::new());
    assert_eq!(condition("\"it's\".\"\\\\\"=\"x\""), r"(c['it\u0027s']['\u005c'] = @filter0)");
    let differs = r#"((IS_DEFINED(c['lines']['0']) AND (NOT IS_STRING(c['lines']['0']) OR c['lines']['0'] != @filter0)) OR (IS_DEFINED(c['lines'][0]) AND (NOT IS_STRING(c['lines'][0]) OR c['lines'][0] != @filter1)))"#;
    assert_eq!(condition("lines.0!=\"x\""), differs);
}

#[test]
fn tests_are_joined_by_words_and_brackets() {
    let document = json!({"a": 1, "b": "two words", "c": null, "tags": ["x", 7, "y z"], "it's": "O'Brien",
        "lines": [{"sku": "k1", "n": 2}, {"sku": "k2", "n": 9}], "in": "exists", "and": "or"});
    for filter in [
        "a=1 and b='two words'",
        "a=2 or a=1",
        "a=1 or a=2 and a=3",
        "(a=1 or a=2) and c=null",
        "((a=1))",
        "a=1 AND (b=\"x\" Or b starts with two)",
        "c exists",
        "d !exists",
        "d!exists and a exists",
        "a in (2, 3, 1)",
        "a in(1)",
        "b in ('two words',x) or a=9",
        "b starts  with 'two '",
        "b contains ' w'",
        "tags[]=x",
        "tags[]=7 and tags[]='y z'",
        "tags[] in (no, \"y z\")",
        "tags[] exists and lines[].sku exists",
        "tags[]!=x",
        "lines[].n>8 and lines[].n<3",
        "lines[].sku starts with k",
        "\"it's\"=O'Brien",
        "\"it's\"='O\\'Brien'",
        "/it's=\"O'Brien\"",
        "in=exists and and='or'",
        "in in (exists)",
        "/a exists",
        "(/b contains two or /none=1)",
        "lines.0.sku=k1",
        "a=1 and\tb !exists\nor c exists",
        "b='two\\u0020words'",
        "a='1' or a=1",
    ] {
        assert!(matches(filter, document.clone()), "{filter}");
    }
    for filter in [
        "a=1 and b=x",
        "(a=1 or a=2) and a=3",
        "c !exists",
        "tags !exists",
        "d exists",
        "a in ('1', 2)",
        "a='1'",
        "b starts with words",
        "a starts with 1",
        "tags[]=z",
        "tags=x",
        "tags[].x exists",
        "lines[].sku[] exists",
        "none[]!=x",
        "tags[] !exists",
        "b=two and a=1",
    ] {
        assert!(!matches(filter, document.clone()), "{filter}");
    }
    assert!(!matches("a !exists", Value::Null));
}

#[test]
fn a_single_test_may_have_a_value_with_spaces() {
    let document =
        json!({"city": "New York", "title": "made in Andorra (or)", "smile": ":)", "call": "f(x)", "empty": ""});
    for filter in [
        "city=New York",
        "city = New York ",
        "city contains ew Y",
        "city starts with New Y",
        "title=made in Andorra (or)",
        "smile=:)",
        "call=f(x)",
        "(call=f(x))",
        "call=f(x) and smile=\":)\"",
        "empty=",
        "empty>=",
        "city contains",
        "empty='' and city exists",
    ] {
        assert!(matches(filter, document.clone()), "{filter}");
    }
    for filter in ["city=New York or", "city=Salt and Pepper", "city=New York and smile exists", "(city=New York)"] {
        let message = Filter::parse(filter).expect_err(filter);
        assert!(message.contains("written in quotes: city_name=\"New York\""), "{message}");
    }
}

#[test]
fn an_error_names_the_column_and_what_is_allowed() {
    for (filter, expected) in [
        ("", "column 1: expected a field, found the end"),
        (
            "a",
            "column 2: expected an operator (= != < <= > >= contains, starts with, in, exists or !exists) after field a, found the end",
        ),
        ("a b=1", "column 3: expected an operator"),
        ("über=1 and", "column 11: expected a field, found the end"),
        ("ü=1 and é;x=2", "column 10: invalid field: \";x=2\" after é;"),
        ("a=1 and b..c=1", "column 9: invalid field \"b..c=1\""),
        ("a=1 or b<", "column 10: expected a value ('' is the empty text), found the end"),
        ("a= and b=1", "column 4: expected a value ('' is the empty text), found \"and b=1\""),
        ("(a=1", "column 5: expected \"and\", \"or\" or \")\", found the end"),
        ("(a=1 or b=2) or c=3)", "column 20: expected \"and\", \"or\" or the end: no bracket is open, found \")\""),
        ("a=1 and b=x y", "column 13: expected \"and\", \"or\" or the end, found \"y\""),
        ("a in ()", "column 7: expected a value"),
        ("a in (1 2)", "column 9: expected \",\" or \")\", found \"2)\""),
        ("a in (1", "column 8: expected \",\" or \")\", found the end"),
        ("a='t Hooft", "column 3: the text that begins with ' has no closing '"),
        ("a=\"x\" y", "column 7: expected \"and\", \"or\" or the end, found \"y\""),
        ("a='C:\\dir'", "column 3: invalid escape in \"'C:\\\\dir'\""),
        ("a.1.2.3.4=1", "column 1: field a.1.2.3.4 has 4 whole numbers; at most 3"),
        ("a=1 and tags[0]=1", "column 13: invalid field: \"[0]=1\" after tags"),
        ("or=1 or or", "column 11: expected an operator"),
    ] {
        let message = Filter::parse(filter).expect_err(filter);
        assert!(message.starts_with("invalid filter: ") && message.contains(expected), "{filter}: {message}");
    }
}

#[test]
fn an_error_names_the_limit() {
    let refused = |filter: &str| Filter::parse(filter).expect_err("the limit");
    let nested = |depth: usize| format!("{}a=1{}", "(".repeat(depth), ")".repeat(depth));
    let joined = |tests: usize| vec!["a=1"; tests].join(" and ");
    let listed = |values: usize| format!("a in ({})", vec!["1"; values].join(","));
    for filter in [nested(16), joined(100), listed(100)] {
        Filter::parse(&filter).expect("the limit itself");
    }
    assert_eq!(refused(&nested(17)), "invalid filter: column 17: more than 16 brackets within each other");
    assert!(refused(&joined(101)).ends_with("more than 100 tests and values"));
    assert!(refused(&listed(101)).ends_with("more than 100 tests and values"));
    assert_eq!(refused(&"(".repeat(12_001)), "a filter has 12001 bytes; the limit is 12000");
    let many = vec![Filter::parse(&joined(51)).expect("filter"); 2];
    let message = check_filter_count(&many).expect_err("the limit");
    assert_eq!(message, "the filters have 102 tests and values together; the limit is 100");
    check_filter_count(&many[..1]).expect("within the limit");
}

#[test]
fn a_condition_joins_tests_as_the_filter_does() {
    let condition = |filter: &str| Filter::parse(filter).expect(filter).condition("c", &mut Map::new());
    assert_eq!(
        condition("a='x' or b !exists and (c exists or d starts with 'y')"),
        "((c['a'] = @filter0) OR ((NOT (IS_DEFINED(c['b']))) AND ((IS_DEFINED(c['c'])) OR (STARTSWITH(c['d'], @filter1)))))"
    );
    assert_eq!(condition("a in ('x', 'y', 'z')"), "(c['a'] IN (@filter0, @filter1, @filter2))");
    assert_eq!(
        condition("a in (1, 9007199254740993)"),
        "(c['a'] IN (@filter0, @filter1, @filter2) OR c['a'] >= @filter3 AND c['a'] <= @filter4)"
    );
    assert_eq!(
        condition("a[]='x'"),
        "(EXISTS(SELECT VALUE element0 FROM element0 IN c['a'] WHERE element0 = @filter0))"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"[a(),'"\\=! \[\].<>é]{0,12}|(a|=|1| and | or |\(|\)|b in|'x y'| exists|,|é){0,9}"#) {
        match Filter::parse(&text) {
            Ok(filter) => {
                prop_assert_eq!(String::from(filter.clone()), text);
                filter.matches(&json!({"a": 1}));
            }
            Err(message) => prop_assert!(message.contains("invalid filter: column "), "{}", message),
        }
    }

    /// A text in quotes of either kind is read as it is, also beside other tests.
    #[test]
    fn a_value_in_quotes_is_any_text(text in any::<String>()) {
        let document = json!({"a": text});
        let double = json!(text).to_string();
        let escaped: String =
            text.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| matches!(c, '\\' | '\'')).chain([c])).collect();
        let single = format!("'{escaped}'");
        for value in [double, single] {
            prop_assert!(matches(&format!("a={value}"), document.clone()), "{}", value);
            prop_assert!(matches(&format!("(b exists or a in ({value}))and a={value}"), document.clone()), "{}", value);
        }
    }
}

#[test]
fn a_condition_has_a_parameter_for_each_reading_of_the_value() {
    let mut parameters = Map::new();
    let condition = Filter::parse("zip<=28036").expect("filter").condition("c", &mut parameters);
    assert_eq!(condition, "(c['zip'] <= @filter0 OR c['zip'] <= @filter1)");
    assert_eq!(Value::Object(parameters), json!({"@filter0": 28036, "@filter1": "28036"}));
}

#[test]
fn of_a_document_with_some_known_fields_other_tests_are_false() {
    let part = |text: &str| Filter::parse(text).expect(text).for_fields(|path| path.pointer() == "/id");
    let document = json!({"id": "5"});
    for (text, expected) in [
        ("id=5", Some(true)),
        ("id!=5", Some(false)),
        ("city=x or id=5", Some(true)),
        ("(city !exists or id=6) and id exists", Some(false)),
        ("city !exists", None),
        ("id=5 and city=x", None),
        ("tags[]=x", None),
    ] {
        assert_eq!(part(text).map(|filter| filter.matches(&document)), expected, "{text}");
    }
}
