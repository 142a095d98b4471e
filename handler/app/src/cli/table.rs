//! Tables for people. They fit the terminal: wide columns are shortened, and less important ones are left out.

use std::cmp::Reverse;

use anyhow::Result;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::color::Meaning;
use super::harmless::harmless;
use super::short_ids::ShortIds;
use super::standard_error::note;
use super::standard_output::print_prepared;
use super::terminal;

/// Between columns.
const GAP: &str = "  ";
/// Stands for what was cut off.
const ELLIPSIS: &str = "…";
/// The characters that a column of text has at least, unless its texts are shorter.
const NARROWEST: usize = 12;
/// The characters that remain of a column of text where no column can be left out any more.
const REMNANT: usize = 4;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    is_fixed: bool,
    is_number: bool,
    /// The column with the highest rank is left out first; one with rank 0 never is.
    rank: u8,
}

impl Column {
    /// A column whose values are shortened where the table is too wide.
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_fixed: false, is_number: false, rank: 0 }
    }

    /// A column whose values are useless in part: times, states, ids of versions.
    pub fn fixed(title: impl Into<String>) -> Self {
        Self { is_fixed: true, ..Self::text(title) }
    }

    /// A column of numbers.
    pub fn number(title: impl Into<String>) -> Self {
        Self { is_number: true, ..Self::fixed(title) }
    }

    /// The same column; where the table is too wide, it is left out before those with lower ranks.
    pub fn optional(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// What the column has at least.
    fn narrowest(&self, natural: usize, least: usize) -> usize {
        if self.is_fixed { natural } else { natural.min(least.max(width(&self.title))) }
    }
}

impl From<&str> for Column {
    fn from(title: &str) -> Self {
        Self::text(title)
    }
}

impl From<String> for Column {
    fn from(title: String) -> Self {
        Self::text(title)
    }
}

/// A value in a table, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    meaning: Option<Meaning>,
    /// Follows the text, which is the id of a version.
    version_mark: Option<String>,
}

impl Cell {
    /// An operation, an action or a state, in the color of its meaning.
    pub fn state(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { meaning: Meaning::of(&text), text, version_mark: None }
    }

    /// The id of a version, as short as the other rows allow, and a mark after it.
    pub fn version(id: impl Into<String>, mark: impl Into<String>) -> Self {
        Self { text: id.into(), meaning: None, version_mark: Some(mark.into()) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, meaning: None, version_mark: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Prints a table in the width of the terminal. Says what was left out and how to see it.
pub fn print_table<C: Clone + Into<Column>, V: Into<Cell>>(
    header: &[C],
    rows: impl IntoIterator<Item = Vec<V>>,
) -> Result<()> {
    let columns: Vec<Column> = header.iter().cloned().map(Into::into).collect();
    let mut rows: Vec<Vec<Cell>> = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    shorten_versions(&mut rows, terminal::is_wide());
    let table = render(&columns, &rows, terminal::width(), terminal::has_color());
    table.lines.iter().try_for_each(|line| print_prepared(line))?;
    match (table.left_out.as_slice(), table.is_shortened) {
        ([], false) => {}
        ([], true) => note("To see everything: --wide"),
        (left_out, _) => note(format!("Not shown: {}. To see everything: --wide", left_out.join(", "))),
    }
    Ok(())
}

fn shorten_versions(rows: &mut [Vec<Cell>], is_wide: bool) {
    let ids: Vec<String> =
        rows.iter().flatten().filter(|cell| cell.version_mark.is_some()).map(|cell| cell.text.clone()).collect();
    let short = ShortIds::among(ids.iter().map(String::as_str), is_wide);
    for cell in rows.iter_mut().flatten() {
        if let Some(mark) = &cell.version_mark {
            cell.text = format!("{}{mark}", short.short(&cell.text));
        }
    }
}

/// The lines of a table.
struct Rendered {
    lines: Vec<String>,
    /// The titles of columns that are not in it.
    left_out: Vec<String>,
    is_shortened: bool,
}

fn render(columns: &[Column], rows: &[Vec<Cell>], limit: Option<usize>, has_color: bool) -> Rendered {
    let titles: Vec<Cell> =
        columns.iter().map(|column| Cell { meaning: Some(Meaning::Header), ..column.title.as_str().into() }).collect();
    let lines: Vec<Vec<(String, Option<Meaning>)>> = std::iter::once(&titles)
        .chain(rows)
        .map(|row| row.iter().map(|cell| (harmless(&cell.text).into_owned(), cell.meaning)).collect())
        .collect();
    let natural: Vec<usize> = (0..columns.len())
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(|(text, _)| width(text)).max().unwrap_or(0))
        .collect();
    let shown = fit(columns, &natural, limit);
    let line = |cells: &Vec<(String, Option<Meaning>)>| {
        let mut line = String::new();
        for (place, &(at, room)) in shown.iter().enumerate() {
            let Some((text, meaning)) = cells.get(at) else { break };
            let text = cut(text, room);
            let blanks = " ".repeat(room.saturating_sub(width(&text)));
            let painted = match meaning.filter(|_| has_color && !text.is_empty()) {
                Some(meaning) => meaning.paint(&text),
                None => text,
            };
            if place > 0 {
                line.push_str(GAP);
            }
            if columns[at].is_number { line.extend([blanks, painted]) } else { line.extend([painted, blanks]) }
        }
        line.trim_end_matches(' ').to_owned()
    };
    let is_left_out = |at: &usize| !shown.iter().any(|(other, _)| other == at);
    Rendered {
        lines: lines.iter().map(line).collect(),
        left_out: (0..columns.len()).filter(is_left_out).map(|at| columns[at].title.clone()).collect(),
        is_shortened: shown.iter().any(|&(at, room)| room < natural[at]),
    }
}

/// The columns to show, by their places, and the width of each.
fn fit(columns: &[Column], natural: &[usize], limit: Option<usize>) -> Vec<(usize, usize)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let Some(limit) = limit else { return shown.into_iter().map(|at| (at, natural[at])).collect() };
    loop {
        let room = limit.saturating_sub(GAP.len() * shown.len().saturating_sub(1));
        let least = |least: usize| -> Vec<usize> {
            shown.iter().map(|&at| columns[at].narrowest(natural[at], least)).collect()
        };
        let widest: Vec<usize> = shown.iter().map(|&at| natural[at]).collect();
        if least(NARROWEST).iter().sum::<usize>() <= room {
            return shown.iter().copied().zip(shared(&least(NARROWEST), &widest, room)).collect();
        }
        // Of the least important columns, the last one.
        let next = shown.iter().enumerate().max_by_key(|(place, at)| (columns[**at].rank, *place));
        match next.filter(|(_, at)| columns[**at].rank > 0) {
            Some((place, _)) => drop(shown.remove(place)),
            None => {
                let narrowest: Vec<usize> = shown
                    .iter()
                    .map(|&at| if columns[at].is_fixed { natural[at] } else { natural[at].min(REMNANT) })
                    .collect();
                return shown.iter().copied().zip(shared(&narrowest, &widest, room)).collect();
            }
        }
    }
}

/// Divides the room: each column gets at least its narrowest width and at most its widest, and the widest ones are shortened first.
fn shared(narrowest: &[usize], widest: &[usize], room: usize) -> Vec<usize> {
    let within = |cap: usize| -> Vec<usize> {
        narrowest.iter().zip(widest).map(|(least, most)| (*most).min(cap.max(*least))).collect()
    };
    let cap = (0..=widest.iter().copied().max().unwrap_or(0))
        .collect::<Vec<_>>()
        .partition_point(|cap| within(*cap).iter().sum::<usize>() <= room)
        .saturating_sub(1);
    let mut widths = within(cap);
    // What is left goes to the columns that are still shortened, one character each.
    let mut left = room.saturating_sub(widths.iter().sum());
    let mut order: Vec<usize> = (0..widths.len()).collect();
    order.sort_by_key(|at| Reverse(widest[*at]));
    for at in order {
        if left > 0 && widths[at] < widest[at] {
            widths[at] += 1;
            left -= 1;
        }
    }
    widths
}

/// The columns of the terminal that a text covers. A character may cover two, or none.
fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The beginning of the text that fits, with an ellipsis if something is missing.
fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = width(ELLIPSIS);
    for part in text.graphemes(true) {
        used += UnicodeWidthStr::width(part);
        if used > room {
            break;
        }
        shown.push_str(part);
    }
    if room > 0 {
        shown.push_str(ELLIPSIS);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Time (UTC)"),
            Column::fixed("Operation"),
            Column::text("Id"),
            Column::text("Partition key").optional(2),
            Column::text("Actor").optional(3),
            Column::number("Versions").optional(1),
            Column::text("Changed"),
        ]
    }

    fn rows() -> Vec<Vec<Cell>> {
        let row = |operation: &str, id: &str, key: &str, actor: &str, versions: &str, changed: &str| {
            let [id, key, actor, versions, changed] = [id, key, actor, versions, changed].map(Cell::from);
            vec!["2026-11-20 10:31:00".into(), Cell::state(operation), id, key, actor, versions, changed]
        };
        vec![
            row("create", "28036", "[\"28036\"]", "release@build-17", "1", "the whole document"),
            row(
                "write",
                "東京都千代田区丸の内一丁目",
                "[\"日本\"]",
                "山田",
                "1234",
                "address.city, address.zip, 12 more",
            ),
            row("delete", "e\u{301}te\u{301}\u{1b}[2J", "[\"a\\nb\"]", "", "7", ""),
        ]
    }

    #[test]
    fn tables_match_their_snapshots_at_every_width() {
        let shown = [60, 80, 120, 200].map(|limit| {
            let table = render(&columns(), &rows(), Some(limit), false);
            assert!(table.lines.iter().all(|line| width(line) <= limit), "{:?}", table.lines);
            format!("--- {limit}: without {:?}\n{}\n", table.left_out, table.lines.join("\n"))
        });
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../tests/it/snapshots/tables" }, {
            insta::assert_snapshot!("widths", shown.concat());
        });
    }

    #[test]
    fn what_is_not_a_terminal_gets_everything() {
        let table = render(&columns(), &rows(), None, false);
        assert!(table.left_out.is_empty() && !table.is_shortened);
        assert!(table.lines[2].contains("東京都千代田区丸の内一丁目") && table.lines[2].contains("12 more"));
        assert!(!table.lines.concat().contains('\u{1b}'));
    }

    #[test]
    fn colors_change_nothing_but_colors() {
        let (plain, colored) = [false, true].map(|color| render(&columns(), &rows(), Some(80), color).lines).into();
        let bare = |line: &String| anstream::adapter::strip_str(line).to_string();
        assert_eq!(plain, colored.iter().map(bare).collect::<Vec<_>>());
        assert!(colored[3].contains("\u{1b}[31mdelete\u{1b}[0m"), "{:?}", colored[3]);
    }

    proptest! {
        /// No line is wider than the terminal, no control character is left, and a cell without an ellipsis is whole.
        #[test]
        fn a_table_fits(
            cells in prop::collection::vec(prop::collection::vec("[ -~]{0,30}|[\u{1b}\n\u{9b}a]{0,5}|[漢é\u{301}👩\u{200d}ש]{0,20}", 4), 0..5),
            limit in 30_usize..200,
            fixed in any::<bool>(),
        ) {
            let first = if fixed { Column::fixed("A") } else { Column::text("A") };
            let columns = [first, Column::text("Bee").optional(1), Column::text("C"), Column::number("D").optional(2)];
            let rows: Vec<Vec<Cell>> = cells.iter().map(|row| row.iter().map(|text| text.as_str().into()).collect()).collect();
            let table = render(&columns, &rows, Some(limit), false);
            let fixed_width = if fixed { rows.iter().map(|row| width(&harmless(&row[0].text))).max().unwrap_or(0) } else { 0 };
            let widest = limit.max(fixed_width + 2 * REMNANT + 4);
            for line in &table.lines {
                prop_assert!(width(line) <= widest, "{line:?}");
                prop_assert!(!line.contains(char::is_control), "{line:?}");
            }
            prop_assert_eq!(table.lines.len(), rows.len() + 1);
            let whole = render(&columns, &rows, None, false);
            prop_assert!(whole.left_out.is_empty() && !whole.is_shortened);
        }
    }
}
