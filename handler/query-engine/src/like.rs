//! The patterns of LIKE: `%` is any text, `_` any character, `[a-c]` one of a set, `[^a-c]` one outside it.

enum Element {
    Any,
    One,
    Character(char),
    /// Ranges, and whether the character must be outside them.
    Set(Vec<(char, char)>, bool),
}

/// Whether all of a text matches a pattern, with regard to the case of letters.
pub(crate) fn matches(text: &str, pattern: &str, escape: Option<char>) -> bool {
    let is_special = |character: char| matches!(character, '_' | '[') || Some(character) == escape;
    if !pattern.contains(is_special) {
        return matches_parts(text, pattern);
    }
    let pattern = elements(pattern, escape);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut element) = (0, 0);
    // After the last `%`: where the pattern continues, and the text that it takes so far.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(element) {
            Some(Element::Any) => {
                element += 1;
                retry = Some((element, at));
                continue;
            }
            Some(one) if is_match(one, text[at]) => {
                at += 1;
                element += 1;
                continue;
            }
            _ => {}
        }
        let Some((next, taken)) = retry else { return false };
        retry = Some((next, taken + 1));
        (element, at) = (next, taken + 1);
    }
    pattern[element..].iter().all(|element| matches!(element, Element::Any))
}

/// A pattern with no other special character than `%`.
fn matches_parts(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('%') else { return text == pattern };
    let (middle, end) = rest.rsplit_once('%').unwrap_or(("", rest));
    let Some(mut text) = text.strip_prefix(start).and_then(|text| text.strip_suffix(end)) else { return false };
    for part in middle.split('%') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn is_match(element: &Element, character: char) -> bool {
    match element {
        Element::Any | Element::One => true,
        Element::Character(expected) => *expected == character,
        Element::Set(ranges, is_negated) => {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *is_negated
        }
    }
}

fn elements(pattern: &str, escape: Option<char>) -> Vec<Element> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut elements = Vec::with_capacity(characters.len());
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        elements.push(match character {
            escaping if Some(escaping) == escape => {
                let escaped = characters.get(at).copied().unwrap_or(escaping);
                at += 1;
                Element::Character(escaped)
            }
            '%' => Element::Any,
            '_' => Element::One,
            '[' => match set(&characters[at..]) {
                Some((set, length)) => {
                    at += length;
                    set
                }
                None => Element::Character('['),
            },
            other => Element::Character(other),
        });
    }
    elements
}

/// The set after an opening bracket, and its length with the closing one; `None` if it does not close.
fn set(characters: &[char]) -> Option<(Element, usize)> {
    let is_negated = characters.first() == Some(&'^');
    let start = usize::from(is_negated);
    let length = characters.get(start..)?.iter().position(|character| *character == ']')?;
    let members = &characters[start..start + length];
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&first) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(&last)) => {
                ranges.push((first, last));
                at += 3;
            }
            _ => {
                ranges.push((first, first));
                at += 1;
            }
        }
    }
    Some((Element::Set(ranges, is_negated), start + length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (text, pattern, expected) in [
            ("fruit", "fruit", true),
            ("fruit", "%uit", true),
            ("fruit", "f%t", true),
            ("fruits", "f%t", false),
            ("", "%", true),
            ("", "_", false),
            ("abc", "a_c", true),
            ("ABC", "abc", false),
            ("b", "[a-c]", true),
            ("d", "[^a-c]", true),
            ("b", "[^a-c]", false),
            ("a-", "a[x-]", true),
            ("[", "[", true),
            ("aXbXc", "%X%c", true),
            ("été", "_t_", true),
            ("a\nb", "a%b", true),
            ("aba", "ab%ba", false),
            ("abcabc", "%bc%a%", true),
            ("abcabc", "%bc%bc%bc", false),
            ("aa", "a%%a", true),
        ] {
            assert_eq!(matches(text, pattern, None), expected, "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn an_escaped_character_stands_for_itself() {
        assert!(matches("20-30%", "%!%", Some('!')) && !matches("20-30", "%!%", Some('!')));
        assert!(matches("a_b", "a\\_b", Some('\\')) && !matches("axb", "a\\_b", Some('\\')));
    }

    #[test]
    fn a_pattern_with_many_wildcards_is_fast() {
        let (text, pattern) = ("a".repeat(5_000), "%a".repeat(500) + "b");
        assert!(!matches(&text, &pattern, None));
    }

    proptest::proptest! {
        #[test]
        fn both_ways_agree(text in "[ab]{0,6}", pattern in "[ab%]{0,6}") {
            // The escape character makes the other way read the pattern; it is not in it.
            proptest::prop_assert_eq!(matches(&text, &pattern, None), matches(&(text.clone() + "c"), &(pattern.clone() + "!c"), Some('!')));
        }
    }
}
