//! Parts of a long document: pages of lines, folded lines, and values of which a line has only the beginning.

use maud::{Markup, html};

use super::document_parameters::{DocumentRequest, Part};
use super::elements::{empty, number};
use super::json_lines::Line;

/// The lines on a page.
pub const PAGE_LINES: usize = 2000;
/// The characters of lines, or of a value, on a page.
pub const PAGE_CHARACTERS: usize = 200_000;

/// The first lines that fit into a number of lines and of characters; one at least.
pub fn fitting<'l, 'v>(lines: &'l [Line<'v>], most: usize, characters: usize) -> &'l [Line<'v>] {
    let ends = lines.iter().scan(0, |sum, line| {
        *sum += line.text.len();
        Some(*sum)
    });
    let count = ends.take(most).take_while(|end| *end <= characters).count();
    &lines[..count.max(1).min(lines.len())]
}

/// The characters of lines.
pub fn characters_of(lines: &[Line<'_>]) -> usize {
    lines.iter().map(|line| line.text.len()).sum()
}

/// The text of a line with its indentation. A value of which it has only the beginning has a link to the rest.
pub fn text(request: &DocumentRequest, line: &Line<'_>, at: usize) -> Markup {
    html! {
        ("  ".repeat(line.depth)) (line.text)
        @if line.cut.is_some() { " " a href=(request.part(Part::Value(at, 0))) { "whole value" } }
    }
}

/// The lines or fields that are shown, with links to the first ones and to the next ones. `noun` names them: `lines`.
pub fn more(request: &DocumentRequest, noun: &str, first: usize, next: Option<usize>, total: usize) -> Markup {
    html! {
        @if first > 0 || next.is_some() {
            div.foot.row {
                span.muted { (number(first + 1)) " to " (number(next.unwrap_or(total))) " of " (number(total)) " " (noun) }
                span.right.row {
                    @if first > 0 { a href=(request.part(Part::Lines(0))) { "First " (noun) } }
                    @if let Some(next) = next { a.button href=(request.part(Part::Lines(next))) { "Next " (noun) } }
                }
            }
        }
    }
}

/// A page of a value of which its line has only the beginning.
pub fn whole_value(request: &DocumentRequest, lines: &[Line<'_>], at: usize, character: usize) -> Markup {
    let Some((line, value)) = lines.get(at).and_then(|line| Some((line, line.cut?))) else {
        return empty(
            "There is no long value here.",
            &html! { p { a href=(request.part(Part::Lines(0))) { "First lines" } } },
        );
    };
    let json = value.to_string();
    let total = json.chars().count();
    let shown: String = json.chars().skip(character).take(PAGE_CHARACTERS).collect();
    let end = (character + PAGE_CHARACTERS).min(total);
    let name = line.text.split_once(": ").map_or("", |(name, _)| name);
    html! {
        div.head {
            h2 { "Value " @if !name.is_empty() { "of " span.mono { (name) } } }
            span.muted { (number(total)) " characters" }
            a.right.button href=(request.part(Part::Lines(at))) { "Back to its line" }
        }
        pre.value tabindex="0" role="region" aria-label="Value" { (shown) }
        @if total > PAGE_CHARACTERS {
            div.foot.row {
                span.muted { "Characters " (number(character + 1)) " to " (number(end)) " of " (number(total)) }
                span.right.row {
                    @if character > 0 { a href=(request.part(Part::Value(at, 0))) { "First characters" } }
                    @if end < total { a.button href=(request.part(Part::Value(at, end))) { "Next characters" } }
                }
            }
        }
    }
}
