//! A document, or the difference of two, as lines of JSON.
//!
//! Objects are compared property by property, and arrays element by element between their equal beginnings and ends, so the time is linear
//! in the size of the documents. Lines that are the same on both sides are folded, unless they are around a difference.

use changefeed_history::same_value;
use serde_json::{Map, Value};

/// The longest text of a value in a line.
const MAX_VALUE_CHARACTERS: usize = 2000;
/// The least number of equal lines that are folded.
const FOLDED: usize = 3;
/// The most names in the description of folded lines.
const FOLD_NAMES: usize = 5;

/// The side that a line is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Both.
    Both,
    /// The first document only.
    Before,
    /// The second document only.
    After,
}

/// A line of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The side that it is on.
    pub side: Side,
    /// Its indentation in steps.
    pub depth: usize,
    /// The text, without the indentation.
    pub text: String,
    /// The name of a property of the document itself, if the line begins it.
    name: Option<String>,
    /// Whether it encloses a difference.
    is_around: bool,
}

/// Lines that are shown or folded together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block<'l> {
    /// Lines to show.
    Shown(&'l [Line]),
    /// Equal lines, and what they are.
    Folded(&'l [Line], String),
}

/// The lines of a document.
pub fn lines_of(document: &Value) -> Vec<Line> {
    compare(Some(document), Some(document))
}

/// The lines of two documents. `None` stands for a document that does not exist.
pub fn compare(before: Option<&Value>, after: Option<&Value>) -> Vec<Line> {
    let mut comparison = Comparison { lines: Vec::new() };
    comparison.values(&Place { name: None, depth: 0, is_last: true }, before, after);
    comparison.lines
}

/// Lines in blocks: runs of equal lines are folded.
pub fn blocks(lines: &[Line]) -> Vec<Block<'_>> {
    let is_foldable = |line: &Line| line.side == Side::Both && !line.is_around;
    let groups = lines.chunk_by(|one, other| is_foldable(one) == is_foldable(other));
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for group in groups {
        let folds = group.len() >= FOLDED && group.first().is_some_and(is_foldable);
        blocks.push(if folds { Block::Folded(group, description(group)) } else { Block::Shown(group) });
    }
    blocks
}

/// The names of the properties in folded lines, the first ones and the last one.
fn description(lines: &[Line]) -> String {
    let names: Vec<&str> = lines.iter().filter_map(|line| line.name.as_deref()).collect();
    let listed = match names.as_slice() {
        [] => String::new(),
        [first, .., last] if names.len() > FOLD_NAMES => format!(": {first} … {last}"),
        few => format!(": {}", few.join(", ")),
    };
    format!("{} unchanged lines{listed}", lines.len())
}

/// Where a value is.
struct Place<'p> {
    name: Option<&'p str>,
    depth: usize,
    is_last: bool,
}

impl Place<'_> {
    fn start(&self) -> String {
        self.name.map(|name| format!("{}: ", Value::from(name))).unwrap_or_default()
    }

    fn end(&self) -> &'static str {
        if self.is_last { "" } else { "," }
    }
}

struct Comparison {
    lines: Vec<Line>,
}

impl Comparison {
    fn values(&mut self, place: &Place<'_>, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), Some(after)) if same_value(before, after) => self.value(place, after, Side::Both),
            (Some(Value::Object(before)), Some(Value::Object(after))) => self.objects(place, before, after),
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.arrays(place, before, after),
            (before, after) => {
                if let Some(before) = before {
                    self.value(place, before, Side::Before);
                }
                if let Some(after) = after {
                    self.value(place, after, Side::After);
                }
            }
        }
    }

    fn objects(&mut self, place: &Place<'_>, before: &Map<String, Value>, after: &Map<String, Value>) {
        self.around(place, format!("{}{{", place.start()));
        let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
        let pairs = before.iter().map(|(name, value)| (name, Some(value), after.get(name)));
        let pairs: Vec<_> = pairs.chain(new.map(|(name, value)| (name, None, Some(value)))).collect();
        let depth = place.depth + 1;
        for (at, (name, before, after)) in pairs.iter().enumerate() {
            let is_last = at + 1 == pairs.len();
            self.values(&Place { name: Some(name), depth, is_last }, *before, *after);
        }
        self.around(place, format!("}}{}", place.end()));
    }

    fn arrays(&mut self, place: &Place<'_>, before: &[Value], after: &[Value]) {
        self.around(place, format!("{}[", place.start()));
        let is_same = |(one, other): &(&Value, &Value)| same_value(one, other);
        let first = before.iter().zip(after).take_while(is_same).count();
        let rest = (&before[first..], &after[first..]);
        let last = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(is_same).count();
        let (old, new) = (&rest.0[..rest.0.len() - last], &rest.1[..rest.1.len() - last]);
        let depth = place.depth + 1;
        let element = |is_last| Place { name: None, depth, is_last };
        for (at, value) in after[..first].iter().enumerate() {
            self.value(&element(at + 1 == after.len()), value, Side::Both);
        }
        let ends = last == 0;
        for at in 0..old.len().max(new.len()) {
            let is_last = ends && at + 1 == old.len().max(new.len());
            // Elements at the same place are compared if nothing was added or removed.
            if old.len() == new.len() {
                self.values(&element(is_last), old.get(at), new.get(at));
            }
        }
        if old.len() != new.len() {
            for (values, side) in [(old, Side::Before), (new, Side::After)] {
                for (at, value) in values.iter().enumerate() {
                    self.value(&element(ends && at + 1 == values.len()), value, side);
                }
            }
        }
        for (at, value) in after[after.len() - last..].iter().enumerate() {
            self.value(&element(at + 1 == last), value, Side::Both);
        }
        self.around(place, format!("]{}", place.end()));
    }

    /// A value with all its lines.
    fn value(&mut self, place: &Place<'_>, value: &Value, side: Side) {
        let depth = place.depth + 1;
        match value {
            Value::Object(properties) if !properties.is_empty() => {
                self.line(place, format!("{}{{", place.start()), side);
                for (at, (name, value)) in properties.iter().enumerate() {
                    let is_last = at + 1 == properties.len();
                    self.value(&Place { name: Some(name), depth, is_last }, value, side);
                }
                self.line(&Place { name: None, ..*place }, format!("}}{}", place.end()), side);
            }
            Value::Array(elements) if !elements.is_empty() => {
                self.line(place, format!("{}[", place.start()), side);
                for (at, value) in elements.iter().enumerate() {
                    self.value(&Place { name: None, depth, is_last: at + 1 == elements.len() }, value, side);
                }
                self.line(&Place { name: None, ..*place }, format!("]{}", place.end()), side);
            }
            leaf => self.line(place, format!("{}{}{}", place.start(), shortened(leaf), place.end()), side),
        }
    }

    fn line(&mut self, place: &Place<'_>, text: String, side: Side) {
        let name = place.name.filter(|_| place.depth == 1).map(str::to_owned);
        self.lines.push(Line { side, depth: place.depth, text, name, is_around: false });
    }

    fn around(&mut self, place: &Place<'_>, text: String) {
        self.lines.push(Line { side: Side::Both, depth: place.depth, text, name: None, is_around: true });
    }
}

/// The JSON of a value. The end of a very long text is left out, and its length is named.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE_CHARACTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn shown(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
        let sign = |line: &Line| match line.side {
            Side::Both => ' ',
            Side::Before => '-',
            Side::After => '+',
        };
        compare(before, after)
            .iter()
            .map(|line| format!("{}{}{}", sign(line), " ".repeat(line.depth), line.text))
            .collect()
    }

    #[test]
    fn a_difference_is_shown_where_it_is_and_the_rest_is_folded() {
        let before =
            json!({"id": "1", "pk": "1", "zip": 1, "city": "Davidson", "tags": [1, 2, 3], "a": {"b": 1, "c": 2}});
        let after = json!({"id": "1", "pk": "1", "zip": 1, "city": "DAVIDSON", "tags": [1, 9, 8, 3], "a": {"b": 1, "c": 2.0}, "new": []});
        let expected = [
            " {",
            "  \"id\": \"1\",",
            "  \"pk\": \"1\",",
            "  \"zip\": 1,",
            "- \"city\": \"Davidson\",",
            "+ \"city\": \"DAVIDSON\",",
            "  \"tags\": [",
            "   1,",
            "-  2,",
            "+  9,",
            "+  8,",
            "   3",
            "  ],",
            "  \"a\": {",
            "   \"b\": 1,",
            "   \"c\": 2.0",
            "  },",
            "+ \"new\": []",
            " }",
        ];
        assert_eq!(shown(Some(&before), Some(&after)), expected);
        let lines = compare(Some(&before), Some(&after));
        let folds: Vec<String> = blocks(&lines)
            .iter()
            .filter_map(|block| match block {
                Block::Folded(_, description) => Some(description.clone()),
                Block::Shown(_) => None,
            })
            .collect();
        assert_eq!(folds, ["3 unchanged lines: id, pk, zip", "4 unchanged lines: a"]);
        assert_eq!(shown(None, Some(&json!({"n": 1}))), ["+{", "+ \"n\": 1", "+}"]);
        assert_eq!(shown(Some(&json!({})), Some(&json!({}))), [" {}"]);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..3).prop_map(Value::from), "[a\"\\n]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The document that the lines of a side are, whatever commas are at their ends.
    fn read(lines: &[Line], side: Side) -> Option<Value> {
        let own = lines.iter().filter(|line| line.side == Side::Both || line.side == side);
        let mut json = String::new();
        for line in own {
            let text = line.text.strip_suffix(',').unwrap_or(&line.text);
            let is_first = json.is_empty() || json.ends_with(['{', '[']);
            if !is_first && !matches!(text, "}" | "]") {
                json.push(',');
            }
            json.push_str(text);
        }
        (!json.is_empty()).then(|| serde_json::from_str(&json).expect("JSON"))
    }

    proptest! {
        #[test]
        fn the_lines_of_each_side_are_its_document(before in proptest::option::of(document()), after in proptest::option::of(document())) {
            let lines = compare(before.as_ref(), after.as_ref());
            for (side, document) in [(Side::Before, &before), (Side::After, &after)] {
                let found = read(&lines, side);
                let is_same = match (&found, document) {
                    (Some(found), Some(document)) => same_value(found, document),
                    (found, document) => found.is_none() && document.is_none(),
                };
                prop_assert!(is_same, "{side:?}: {found:?} is not {document:?}");
            }
            let total: usize = blocks(&lines)
                .iter()
                .map(|block| match block { Block::Shown(lines) | Block::Folded(lines, _) => lines.len() })
                .sum();
            prop_assert_eq!(total, lines.len());
        }
    }
}
