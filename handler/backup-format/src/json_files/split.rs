//! Splits a stream of text into JSON objects: the elements of one array, or one object after another.
//!
//! It only tracks strings and brackets; the JSON parser then checks each object. serde_json does not read an array element
//! by element, and the crates that do are young or parse everything twice.

use serde::{Deserialize, Serialize};

use crate::limits::MAX_LINE_BYTES;

/// The position after an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextPosition {
    /// The line, from 1.
    pub line: u64,
    /// The byte.
    pub offset: u64,
    /// Whether the object is an element of an array.
    pub in_array: bool,
}

/// The text of an object and where it starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub text: Vec<u8>,
    /// From 1.
    pub line: u64,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first character that is not white space.
    #[default]
    Start,
    /// One object after another.
    Stream,
    /// After `[`.
    FirstElement,
    /// After `,`.
    Element,
    /// After an element.
    AfterElement,
    /// After `]`.
    AfterArray,
}

/// The text that was added, and how far it is split.
#[derive(Default)]
pub(super) struct Splitter {
    text: Vec<u8>,
    /// The start of the text that is not returned yet.
    start: usize,
    /// The next byte to read.
    at: usize,
    state: State,
    /// Open brackets within the current object.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Lines before `at`, and before the current object.
    lines: u64,
    first_line: u64,
    /// Bytes before `text`.
    before: u64,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Splitter {
    /// A splitter for the text after an object that another splitter returned.
    pub(super) fn after(position: TextPosition) -> Self {
        let state = if position.in_array { State::AfterElement } else { State::Stream };
        Self { state, lines: position.line.saturating_sub(1), before: position.offset, ..Self::default() }
    }

    /// The position after the last object.
    pub(super) fn resume_position(&self) -> TextPosition {
        let in_array = self.state == State::AfterElement;
        TextPosition { line: self.lines + 1, offset: self.before + self.at as u64, in_array }
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        self.text.drain(..self.start);
        self.before += self.start as u64;
        self.at -= self.start;
        self.start = 0;
        self.text.extend_from_slice(text);
    }

    /// The line and the byte where the current object starts, or else of the next byte.
    pub(super) fn position(&self) -> (u64, u64) {
        let (line, at) = if self.depth > 0 { (self.first_line, self.start) } else { (self.lines, self.at) };
        (line + 1, self.before + at as u64)
    }

    /// The next object that is complete.
    ///
    /// # Errors
    /// When the text has something other than an object, or the object is too large.
    pub(super) fn next(&mut self) -> Result<Option<Object>, String> {
        if self.state == State::Start && self.at == 0 && self.before == 0 {
            if self.text.len() < BOM.len() && BOM.starts_with(&self.text) {
                return Ok(None);
            }
            if self.text.starts_with(BOM) {
                self.at = BOM.len();
            }
        }
        while let Some(byte) = self.text.get(self.at).copied() {
            if self.depth > 0 {
                self.at += 1;
                if self.within(byte) {
                    return Ok(Some(self.take()));
                }
                if self.at - self.start > MAX_LINE_BYTES {
                    return Err(format!("the object has more than {MAX_LINE_BYTES} bytes"));
                }
            } else {
                self.between(byte)?;
                self.at += 1;
            }
            self.lines += u64::from(byte == b'\n');
        }
        if self.depth == 0 {
            self.start = self.at;
        }
        Ok(None)
    }

    /// Checks that the text is complete.
    ///
    /// # Errors
    /// Says what is missing.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.state {
            _ if self.depth > 0 => Err("the object that starts here has no end".into()),
            State::FirstElement | State::Element | State::AfterElement => Err("the array has no end".into()),
            State::Start if self.at < self.text.len() => Err("the file is not text".into()),
            State::Start | State::Stream | State::AfterArray => Ok(()),
        }
    }

    /// Reads a byte of an object, and returns whether the object ends there.
    fn within(&mut self, byte: u8) -> bool {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            (self.escaped, self.in_string) = (byte == b'\\', byte != b'"');
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => (),
            }
        }
        self.depth == 0
    }

    /// Reads a byte outside of objects.
    fn between(&mut self, byte: u8) -> Result<(), String> {
        self.state = match (self.state, byte) {
            (state, b' ' | b'\t' | b'\r' | b'\n') => state,
            (State::Start | State::Stream, b'{') => self.open(State::Stream),
            (State::FirstElement | State::Element, b'{') => self.open(State::AfterElement),
            (State::Start, b'[') => State::FirstElement,
            (State::AfterElement, b',') => State::Element,
            (State::FirstElement | State::AfterElement, b']') => State::AfterArray,
            (State::Start, 0xff | 0xfe | 0) => return Err("the file is not UTF-8 text; it may be UTF-16".into()),
            (state, byte) => {
                let expected = match state {
                    State::Start => "an array or an object",
                    State::Stream | State::Element => "an object",
                    State::FirstElement => "an object or ]",
                    State::AfterElement => ", or ]",
                    State::AfterArray => "the end of the file",
                };
                return Err(format!("found {:?}, expected {expected}", char::from(byte)));
            }
        };
        Ok(())
    }

    fn open(&mut self, then: State) -> State {
        (self.start, self.first_line, self.depth) = (self.at, self.lines, 1);
        then
    }

    fn take(&mut self) -> Object {
        let text = self.text[self.start..self.at].to_vec();
        let offset = self.before + self.start as u64;
        self.start = self.at;
        Object { text, line: self.first_line + 1, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A text, a line and a byte.
    type Found = (String, u64, u64);

    /// The objects of a text that is added in pieces of this size.
    fn split(text: &[u8], step: usize) -> Result<Vec<Found>, Found> {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for chunk in text.chunks(step.max(1)) {
            splitter.add(chunk);
            loop {
                match splitter.next() {
                    Ok(Some(Object { text, line, offset })) => {
                        pieces.push((String::from_utf8(text).expect("UTF-8"), line, offset))
                    }
                    Ok(None) => break,
                    Err(message) => return Err((message, splitter.position().0, splitter.position().1)),
                }
            }
        }
        match splitter.end() {
            Ok(()) => Ok(pieces),
            Err(message) => Err((message, splitter.position().0, splitter.position().1)),
        }
    }

    #[test]
    fn objects_are_found_in_every_usual_form() {
        let (a, b) = (r#"{"a":"}]\"\\{"}"#, r#"{"b":[{},[1]]}"#);
        for text in [
            format!("{a}\n{b}\n"),
            format!("{a}\n{b}"),
            format!("\u{feff}{a}\r\n\r\n  \n{b}\r\n"),
            format!("[{a},{b}]"),
            format!("\u{feff} [\n  {a},\n  {b}\n]\n\n"),
            format!("{a}{b}"),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                let pieces = split(text.as_bytes(), step).expect(&text);
                let found: Vec<&str> = pieces.iter().map(|(text, ..)| text.as_str()).collect();
                assert_eq!(found, [a, b], "{text:?} by {step}");
                for (piece, line, offset) in &pieces {
                    let before = &text.as_bytes()[..*offset as usize];
                    assert!(text[*offset as usize..].starts_with(piece));
                    assert_eq!(*line, before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1);
                }
            }
        }
        for text in ["", "\n \r\n", "[]", " [ ] \n", "\u{feff}"] {
            assert_eq!(split(text.as_bytes(), 1), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_rejected_with_its_position() {
        for (text, expected, line, offset) in [
            ("x", "found 'x', expected an array or an object", 1, 0),
            ("{}\n1", "expected an object", 2, 3),
            ("[{},\n]", "found ']', expected an object", 2, 5),
            ("[1]", "an object or ]", 1, 1),
            ("[{}{}]", ", or ]", 1, 3),
            ("[{}] {}", "the end of the file", 1, 5),
            ("[{}]\n[", "the end of the file", 2, 5),
            ("[\n{}", "the array has no end", 2, 4),
            ("[{},", "the array has no end", 1, 4),
            ("{}\n\n{\"a\": [1,\n2", "no end", 3, 4),
            ("\"text\"", "an array or an object", 1, 0),
        ] {
            for step in [1, 1000] {
                let (message, found_line, found_offset) = split(text.as_bytes(), step).expect_err(text);
                assert!(message.contains(expected), "{text:?}: {message}");
                assert_eq!((found_line, found_offset), (line, offset), "{text:?}");
            }
        }
        assert!(split(b"\xff\xfe{\0", 10).expect_err("UTF-16").0.contains("UTF-16"));
    }

    #[test]
    fn an_object_without_an_end_is_rejected_at_the_limit() {
        let mut splitter = Splitter::default();
        splitter.add(b"{\"a\":\"");
        let refused = (0..100).any(|_| {
            splitter.add(&vec![b'x'; 1024 * 1024]);
            splitter.next().is_err()
        });
        assert!(refused && splitter.text.len() < MAX_LINE_BYTES + 2 * 1024 * 1024);
    }

    proptest! {
        #[test]
        fn every_object_is_returned_unchanged(
            texts in proptest::collection::vec(any::<String>(), 0..10), pretty in any::<bool>(), array in any::<bool>(), step in 1usize..50,
        ) {
            let documents: Vec<Value> = texts.iter().map(|text| json!({"id": text, text.as_str(): [text, {"x": text}]})).collect();
            let written = |value: &Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            let text = if array {
                written(&Value::from(documents.clone())).expect("json")
            } else {
                documents.iter().map(|value| written(value).expect("json") + "\n").collect()
            };
            let pieces = split(text.as_bytes(), step).expect("pieces");
            let found: Vec<Value> = pieces.iter().map(|(text, ..)| serde_json::from_str(text).expect("json")).collect();
            prop_assert_eq!(found, documents);
        }

        #[test]
        fn no_text_causes_a_panic(text in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','), Just(b'"'), Just(b'\\'), any::<u8>()], 0..60), step in 1usize..10) {
            let mut splitter = Splitter::default();
            for chunk in text.chunks(step) {
                splitter.add(chunk);
                while let Ok(Some(_)) = splitter.next() {}
            }
            let _ = (splitter.end(), splitter.position());
        }
    }
}
