//! A document, or the difference of two, as lines of JSON.
//!
//! Objects are compared property by property, and arrays element by element. An element that is elsewhere in its array on the other side has
//! moved, and so has a property whose value is elsewhere in the document. Lines that are the same on both sides, and long values that moved,
//! are folded, unless they are around a difference.

use std::collections::HashMap;
use std::ops::Range;

use changefeed_history::same_value;
use serde_json::{Map, Value};

use super::array_alignment::{Step, align, digest};

/// The longest text of a value in a line.
const MAX_VALUE_CHARACTERS: usize = 2000;
/// The least number of equal lines that are folded.
const FOLDED: usize = 3;
/// The least number of characters of a text or a number by which a field is recognised elsewhere in the document.
const RECOGNISED: usize = 4;
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
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'v> {
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
    /// Of a value that moved, where it is on the other side: a JSON Pointer.
    pub moved: Option<String>,
    /// The value, if it is so long that the text has only its beginning.
    pub cut: Option<&'v Value>,
}

/// Lines that are shown or folded together.
#[derive(Clone, Debug, PartialEq)]
pub enum Block<'l, 'v> {
    /// Lines to show.
    Shown(&'l [Line<'v>]),
    /// Equal lines or lines of a value that moved, and what they are.
    Folded(&'l [Line<'v>], String),
}

impl<'l, 'v> Block<'l, 'v> {
    /// The lines.
    pub fn lines(&self) -> &'l [Line<'v>] {
        match self {
            Self::Shown(lines) | Self::Folded(lines, _) => lines,
        }
    }
}

/// The lines of a document.
pub fn lines_of(document: &Value) -> Vec<Line<'_>> {
    compare(Some(document), Some(document))
}

/// The lines of two documents. `None` stands for a document that does not exist.
pub fn compare<'v>(before: Option<&'v Value>, after: Option<&'v Value>) -> Vec<Line<'v>> {
    let mut comparison = Comparison { lines: Vec::new(), path: String::new(), one_sided: Vec::new() };
    comparison.values(&Place { name: None, depth: 0, is_last: true }, before, after);
    comparison.recognise();
    comparison.lines
}

/// Lines in blocks: runs of equal lines are folded, and so are values that moved.
pub fn blocks<'l, 'v>(lines: &'l [Line<'v>]) -> Vec<Block<'l, 'v>> {
    let is_foldable = |line: &Line<'_>| line.moved.is_some() || line.side == Side::Both && !line.is_around;
    let is_together = |one: &Line<'_>, other: &Line<'_>| {
        is_foldable(one) == is_foldable(other)
            && one.moved == other.moved
            && (one.moved.is_none() || one.side == other.side)
    };
    let mut blocks = Vec::new();
    for group in lines.chunk_by(is_together) {
        let folds = group.len() >= FOLDED && group.first().is_some_and(is_foldable);
        blocks.push(if folds { Block::Folded(group, description(group)) } else { Block::Shown(group) });
    }
    blocks
}

impl Line<'_> {
    /// Where the value is on the other side, in words.
    pub fn moved_note(&self) -> Option<String> {
        let direction = if self.side == Side::Before { "to" } else { "from" };
        self.moved.as_ref().map(|path| format!("moved {direction} {path}"))
    }
}

/// The names of the properties in folded lines, the first ones and the last one.
pub fn description(lines: &[Line<'_>]) -> String {
    if let Some(note) = lines.first().and_then(Line::moved_note) {
        return format!("{} lines {note}", lines.len());
    }
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

struct Comparison<'v> {
    lines: Vec<Line<'v>>,
    /// Where the current value is: a JSON Pointer.
    path: String,
    one_sided: Vec<OneSided<'v>>,
}

/// A value that only one side has at its place.
struct OneSided<'v> {
    side: Side,
    value: &'v Value,
    path: String,
    lines: Range<usize>,
}

impl<'v> Comparison<'v> {
    fn values(&mut self, place: &Place<'_>, before: Option<&'v Value>, after: Option<&'v Value>) {
        match (before, after) {
            (Some(before), Some(after)) if same_value(before, after) => self.value(place, after, Side::Both),
            (Some(Value::Object(before)), Some(Value::Object(after))) => self.objects(place, before, after),
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.arrays(place, before, after),
            (Some(before), Some(after)) => {
                self.value(place, before, Side::Before);
                self.value(place, after, Side::After);
            }
            (Some(before), None) => self.one_sided(place, before, Side::Before),
            (None, Some(after)) => self.one_sided(place, after, Side::After),
            (None, None) => {}
        }
    }

    fn objects(&mut self, place: &Place<'_>, before: &'v Map<String, Value>, after: &'v Map<String, Value>) {
        self.around(place, format!("{}{{", place.start()));
        let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
        let pairs = before.iter().map(|(name, value)| (name, Some(value), after.get(name)));
        let pairs: Vec<_> = pairs.chain(new.map(|(name, value)| (name, None, Some(value)))).collect();
        let depth = place.depth + 1;
        for (at, (name, before, after)) in pairs.iter().enumerate() {
            let is_last = at + 1 == pairs.len();
            self.within(&name.replace('~', "~0").replace('/', "~1"), |comparison| {
                comparison.values(&Place { name: Some(name), depth, is_last }, *before, *after);
            });
        }
        self.around(place, format!("}}{}", place.end()));
    }

    fn arrays(&mut self, place: &Place<'_>, before: &'v [Value], after: &'v [Value]) {
        self.around(place, format!("{}[", place.start()));
        let depth = place.depth + 1;
        let old = |at: usize| Place { name: None, depth, is_last: at + 1 == before.len() };
        let new = |at: usize| Place { name: None, depth, is_last: at + 1 == after.len() };
        for step in align(before, after) {
            match step {
                Step::Same(_, to) => self.value(&new(to), &after[to], Side::Both),
                Step::Changed(from, to) => self.within(&to.to_string(), |comparison| {
                    comparison.values(&new(to), Some(&before[from]), Some(&after[to]));
                }),
                Step::Removed(from) => self.within(&from.to_string(), |comparison| {
                    comparison.values(&old(from), Some(&before[from]), None);
                }),
                Step::Added(to) => self.within(&to.to_string(), |comparison| {
                    comparison.values(&new(to), None, Some(&after[to]));
                }),
                Step::MovedAway(from, to) => self.moved(&old(from), &before[from], Side::Before, to),
                Step::MovedHere(to, from) => self.moved(&new(to), &after[to], Side::After, from),
            }
        }
        self.around(place, format!("]{}", place.end()));
    }

    /// Compares what is at a property or an element of the current value.
    fn within(&mut self, segment: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(segment);
        compare(self);
        self.path.truncate(length);
    }

    /// An element of the current array that is at another place on the other side.
    fn moved(&mut self, place: &Place<'_>, value: &'v Value, side: Side, other: usize) {
        let first = self.lines.len();
        self.value(place, value, side);
        let path = format!("{}/{other}", self.path);
        self.lines[first..].iter_mut().for_each(|line| line.moved = Some(path.clone()));
    }

    fn one_sided(&mut self, place: &Place<'_>, value: &'v Value, side: Side) {
        let first = self.lines.len();
        self.value(place, value, side);
        let lines = first..self.lines.len();
        self.one_sided.push(OneSided { side, value, path: self.path.clone(), lines });
    }

    /// Marks what was removed at one place and added at another one, if it is the only value like that.
    fn recognise(&mut self) {
        let mut alike: HashMap<u64, Vec<&OneSided<'v>>> = HashMap::new();
        for found in self.one_sided.iter().filter(|found| is_recognised(found.value)) {
            alike.entry(digest(found.value)).or_default().push(found);
        }
        for found in alike.into_values() {
            let [one, other] = found.as_slice() else { continue };
            if one.side != other.side && same_value(one.value, other.value) {
                for (here, there) in [(one, other), (other, one)] {
                    self.lines[here.lines.clone()].iter_mut().for_each(|line| line.moved = Some(there.path.clone()));
                }
            }
        }
    }

    /// A value with all its lines.
    fn value(&mut self, place: &Place<'_>, value: &'v Value, side: Side) {
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
            leaf => {
                let (text, is_cut) = shortened(leaf);
                self.line(place, format!("{}{text}{}", place.start(), place.end()), side);
                if let Some(line) = self.lines.last_mut().filter(|_| is_cut) {
                    line.cut = Some(leaf);
                }
            }
        }
    }

    fn line(&mut self, place: &Place<'_>, text: String, side: Side) {
        let name = place.name.filter(|_| place.depth == 1).map(str::to_owned);
        self.lines.push(Line { side, depth: place.depth, text, name, is_around: false, moved: None, cut: None });
    }

    fn around(&mut self, place: &Place<'_>, text: String) {
        let (side, depth) = (Side::Both, place.depth);
        self.lines.push(Line { side, depth, text, name: None, is_around: true, moved: None, cut: None });
    }
}

/// Whether a value says enough to be recognised at another place.
fn is_recognised(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => number.to_string().len() >= RECOGNISED,
        Value::String(text) => text.chars().count() >= RECOGNISED,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(properties) => !properties.is_empty(),
    }
}

/// The JSON of a value, and whether it is only the beginning of a very long one.
fn shortened(value: &Value) -> (String, bool) {
    let mut text = value.to_string();
    match text.char_indices().nth(MAX_VALUE_CHARACTERS) {
        Some((end, _)) => {
            text.truncate(end);
            (text + "…", true)
        }
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn shown(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
        let sign = |line: &Line<'_>| match line.side {
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

    #[test]
    fn what_moved_is_marked_and_long_values_that_moved_are_folded() {
        let stop = |city: &str| json!({"city": city, "zip": 1, "at": [1, 2]});
        let before = json!({"stops": [stop("Boone"), stop("Cary"), stop("Durham")], "name": "Davidson", "ok": true, "tags": ["a", "b"]});
        let after = json!({"stops": [stop("Cary"), stop("Durham"), stop("Boone")], "tags": ["b", "a"], "place": {"city": "Davidson"}, "fine": true});
        let lines = compare(Some(&before), Some(&after));
        let noted = |text: &str| -> Vec<String> {
            lines
                .iter()
                .filter(|line| line.text.contains(text))
                .map(|line| line.moved_note().unwrap_or_default())
                .collect()
        };
        assert_eq!(noted("Boone"), ["moved to /stops/2", "moved from /stops/0"]);
        assert_eq!(noted("Cary"), [""]);
        // Not alike: the name alone, and an object that has it.
        assert_eq!(noted("Davidson"), ["", ""]);
        assert_eq!((noted("\"ok\""), noted("\"fine\"")), (vec![String::new()], vec![String::new()]));
        assert_eq!(
            noted("\"b\"").concat().len() + noted("\"a\"").concat().len(),
            "moved to /tags/0moved from /tags/0".len()
        );
        let folds: Vec<String> = blocks(&lines)
            .iter()
            .filter_map(|block| match block {
                Block::Folded(_, description) => Some(description.clone()),
                Block::Shown(_) => None,
            })
            .collect();
        assert_eq!(folds, ["8 lines moved to /stops/2", "16 unchanged lines", "8 lines moved from /stops/0"]);
        let (before, after) = (json!({"a": {"city": "Davidson"}}), json!({"a": {}, "b/c": "Davidson"}));
        let renamed = compare(Some(&before), Some(&after));
        let notes: Vec<_> = renamed.iter().filter_map(Line::moved_note).collect();
        assert_eq!(notes, ["moved to /b~1c", "moved from /a/city"]);
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
    fn read(lines: &[Line<'_>], side: Side) -> Option<Value> {
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
            let total: usize = blocks(&lines).iter().map(|block| block.lines().len()).sum();
            prop_assert_eq!(total, lines.len());
        }
    }
}
