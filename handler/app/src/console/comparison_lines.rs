//! The lines of a comparison, page by page. Equal lines are folded; many of them are read when their fold is opened.

use maud::{Markup, html};

use super::document_parameters::{DocumentRequest, Part};
use super::document_part::{PAGE_CHARACTERS, PAGE_LINES, characters_of, fitting, more, text};
use super::json_lines::{Block, Line, Side, blocks, description};

/// The most folded lines that a page has without being asked for them.
const LOADED_LINES: usize = 400;
/// The most lines that an opened fold shows before the next fold.
const UNFOLDED_LINES: usize = 500;

/// The lines that a request shows.
pub fn page(request: &DocumentRequest, lines: &[Line<'_>]) -> Markup {
    match request.part {
        Part::Fold(first) => unfolded(request, lines, first),
        Part::Lines(first) | Part::Value(first, _) => from(request, lines, first.min(lines.len())),
    }
}

/// A page from a line on.
fn from(request: &DocumentRequest, lines: &[Line<'_>], first: usize) -> Markup {
    let (mut left, mut characters, mut loaded) = (PAGE_LINES, PAGE_CHARACTERS, 0);
    let mut drawn = Vec::new();
    let mut start = 0;
    let mut next = None;
    for block in blocks(lines) {
        let end = start + block.lines().len();
        let at = start.max(first);
        start = end;
        if at >= end {
            continue;
        }
        if left == 0 || characters == 0 {
            next = Some(at);
            break;
        }
        let shown = &lines[at..end];
        match block {
            Block::Shown(_) => {
                let shown = fitting(shown, left, characters);
                drawn.push(draw(request, shown, at));
                left -= shown.len();
                characters = characters.saturating_sub(characters_of(shown));
                if at + shown.len() < end {
                    next = Some(at + shown.len());
                    break;
                }
            }
            Block::Folded(..) => {
                left -= 1;
                let is_loaded = loaded + shown.len() <= LOADED_LINES && characters_of(shown) <= characters;
                if is_loaded {
                    loaded += shown.len();
                    characters -= characters_of(shown);
                }
                drawn.push(if is_loaded { opened_here(request, shown, at) } else { fold(request, shown, at) });
            }
        }
    }
    html! {
        div.diff.beside[request.in_columns] { @for block in drawn { (block) } }
        (more(request, "lines", first, next, lines.len()))
    }
}

/// The lines of a fold, and a fold with the rest.
fn unfolded(request: &DocumentRequest, lines: &[Line<'_>], first: usize) -> Markup {
    let mut start = 0;
    let mut ends = blocks(lines).into_iter().map(|block| {
        start += block.lines().len();
        start
    });
    let end = ends.find(|end| *end > first).unwrap_or(first.min(lines.len()));
    let first = first.min(end);
    let middle = first + fitting(&lines[first..end], UNFOLDED_LINES, PAGE_CHARACTERS).len();
    html! {
        div.diff.beside[request.in_columns] {
            (draw(request, &lines[first..middle], first))
            @if middle < end { (fold(request, &lines[middle..end], middle)) }
        }
        div.foot.row {
            span.muted { "Folded lines" }
            a.right.button href=(request.part(Part::Lines(0))) { "The comparison" }
        }
    }
}

/// Folded lines that the page has already.
fn opened_here(request: &DocumentRequest, lines: &[Line<'_>], at: usize) -> Markup {
    html! {
        details {
            summary.fold { span aria-hidden="true" { "⋯" } span { (description(lines)) } }
            (draw(request, lines, at))
        }
    }
}

/// Folded lines that are read when they are asked for.
fn fold(request: &DocumentRequest, lines: &[Line<'_>], at: usize) -> Markup {
    html! {
        a.fold href=(request.part(Part::Fold(at))) data-unfold {
            span aria-hidden="true" { "⋯" } span { (description(lines)) }
        }
    }
}

fn draw(request: &DocumentRequest, lines: &[Line<'_>], first: usize) -> Markup {
    if request.in_columns { beside(request, lines, first) } else { inline(request, lines, first) }
}

fn inline(request: &DocumentRequest, lines: &[Line<'_>], first: usize) -> Markup {
    html! {
        @for (at, line) in lines.iter().enumerate() {
            @let (class, sign, meaning) = match (line.side, &line.moved) {
                (Side::Both, _) => ("same", "", ""),
                (Side::Before, None) => ("minus", "−", "before: "),
                (Side::After, None) => ("plus", "+", "after: "),
                (Side::Before, Some(_)) => ("moved", "→", "moved from here: "),
                (Side::After, Some(_)) => ("moved", "←", "moved here: "),
            };
            div class=(class) {
                span aria-hidden="true" { (sign) }
                code {
                    @if !meaning.is_empty() { span.hidden { (meaning) } }
                    (text(request, line, first + at))
                    (note(lines, at))
                }
            }
        }
    }
}

/// Where a value is on the other side, at its first line.
fn note(lines: &[Line<'_>], at: usize) -> Markup {
    let is_first = at == 0 || lines[at - 1].moved != lines[at].moved;
    html! { @if let Some(note) = lines[at].moved_note().filter(|_| is_first) { " " span.moved-note { (note) } } }
}

/// Both sides beside each other. Lines of the first side are opposite to those of the second side that replace them.
fn beside(request: &DocumentRequest, lines: &[Line<'_>], first: usize) -> Markup {
    let numbered: Vec<(usize, &Line<'_>)> = (first..).zip(lines).collect();
    let is_both = |line: &Line<'_>| line.side == Side::Both;
    let cell = |line: Option<&(usize, &Line<'_>)>, class: &'static str| {
        let class = line.map(|(_, line)| match (line.side, &line.moved) {
            (Side::Both, _) => "same",
            (_, Some(_)) => "moved",
            (_, None) => class,
        });
        html! {
            code class=[class] {
                @if let Some((at, line)) = line {
                    @match line.side { Side::Both => {} Side::Before => { span.hidden { "before: " } } Side::After => { span.hidden { "after: " } } }
                    (text(request, line, *at))
                    @if let Some(note) = line.moved_note() { " " span.moved-note { (note) } }
                }
            }
        }
    };
    html! {
        @for run in numbered.chunk_by(|(_, one), (_, other)| is_both(one) == is_both(other)) {
            @let side = |without: Side| run.iter().filter(|(_, line)| line.side != without).copied().collect::<Vec<_>>();
            @let (before, after) = (side(Side::After), side(Side::Before));
            @for at in 0..before.len().max(after.len()) {
                div.pair { (cell(before.get(at), "minus")) (cell(after.get(at), "plus")) }
            }
        }
    }
}
