//! Positions and lengths in texts. They count UTF-16 code units, as in the .NET implementation of the query language: a
//! character outside the Basic Multilingual Plane is two.

/// The number of code units.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The part that begins at a code unit and has at most that many. Half of a character of two units is U+FFFD.
pub(super) fn part(text: &str, start: usize, length: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().skip(start).take(length).collect();
    String::from_utf16_lossy(&units)
}

/// The position of the first occurrence at or after a position.
pub(super) fn find(text: &str, searched: &str, start: usize) -> Option<usize> {
    let from = byte_position(text, start)?;
    let found = text.get(from..)?.find(searched)?;
    Some(length(text.get(..from + found)?))
}

/// The position of the last occurrence that ends before or at the end.
pub(super) fn find_last(text: &str, searched: &str, end: usize) -> Option<usize> {
    let found = text.get(..boundaries(text).take_while(|(units, _)| *units <= end).last()?.1)?.rfind(searched)?;
    Some(length(text.get(..found)?))
}

/// The first character boundary at or after a code unit; `None` after the end of the text.
fn byte_position(text: &str, units: usize) -> Option<usize> {
    boundaries(text).find(|(counted, _)| *counted >= units).map(|(_, bytes)| bytes)
}

/// The boundaries of the characters, in code units and in bytes.
fn boundaries(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let ends = text.chars().scan((0, 0), |(units, bytes), character| {
        *units += character.len_utf16();
        *bytes += character.len_utf8();
        Some((*units, *bytes))
    });
    std::iter::once((0, 0)).chain(ends)
}
