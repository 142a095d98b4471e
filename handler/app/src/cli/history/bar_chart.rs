//! Bars of characters: one line for each bucket.

/// Characters of a full bar, in eighths.
const EIGHTHS: [char; 8] =
    ['\u{2588}', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}'];
/// The character of a bar that is not on a terminal.
const PLAIN: char = '#';
/// The least width of the longest bar.
const LEAST_WIDTH: usize = 10;

/// A line of a chart: what is left of the bar, its length, and what is right of it.
pub(super) struct Bar {
    pub label: String,
    pub value: usize,
    pub note: String,
}

/// The lines of a chart with at most so many characters, unless the labels and the notes alone are longer. `is_plain` limits it to ASCII.
pub(super) fn lines(bars: &[Bar], width: usize, is_plain: bool) -> Vec<String> {
    let longest = |text: fn(&Bar) -> &str| bars.iter().map(|bar| text(bar).chars().count()).max().unwrap_or(0);
    let (labels, notes) = (longest(|bar| &bar.label), longest(|bar| &bar.note));
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or(0);
    let numbers = most.to_string().len();
    let room = width.saturating_sub(labels + numbers + notes + 6).max(LEAST_WIDTH);
    let line = |bar: &Bar| {
        let text = format!(
            "{:<labels$}  {:>numbers$}  {}  {}",
            bar.label,
            bar.value,
            padded(bar.value, most, room, is_plain),
            bar.note
        );
        text.trim_end().to_owned()
    };
    bars.iter().map(line).collect()
}

/// The bar, with blanks up to the length of the longest one. A value above 0 is always seen.
fn padded(value: usize, most: usize, room: usize, is_plain: bool) -> String {
    if value == 0 {
        return " ".repeat(room);
    }
    let (mut text, used) = if is_plain {
        let full = (value * room).div_ceil(most);
        (PLAIN.to_string().repeat(full), full)
    } else {
        let eighths = (value * room * 8).div_ceil(most);
        let (full, rest) = (eighths / 8, eighths % 8);
        let mut text = EIGHTHS[0].to_string().repeat(full);
        if rest > 0 {
            text.push(EIGHTHS[rest]);
        }
        (text, full + usize::from(rest > 0))
    };
    text.push_str(&" ".repeat(room.saturating_sub(used)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[usize]) -> Vec<Bar> {
        let bar = |value: &usize| Bar { label: "10:31".to_owned(), value: *value, note: format!("write {value}") };
        values.iter().map(bar).collect()
    }

    #[test]
    fn bars_are_in_proportion_to_the_longest_one() {
        let chart = lines(&bars(&[0, 1, 50, 100]), 40, true);
        let length = |line: &String| line.chars().filter(|character| *character == PLAIN).count();
        assert_eq!(chart.iter().map(length).collect::<Vec<_>>(), [0, 1, 9, 17]);
        assert_eq!(chart[3], "10:31  100  #################  write 100");
    }

    #[test]
    fn a_chart_fits_its_width_and_a_small_value_is_seen() {
        for width in [60, 80, 200] {
            for is_plain in [false, true] {
                let chart = lines(&bars(&[0, 1, 7, 1_000_000]), width, is_plain);
                assert!(chart.iter().all(|line| line.chars().count() <= width), "{chart:?}");
                assert_eq!(chart.iter().map(|line| line.chars().count()).max(), Some(width));
                let is_bar = |character: &char| EIGHTHS.contains(character) || *character == PLAIN;
                let length = |line: &String| line.chars().filter(is_bar).count();
                let lengths: Vec<usize> = chart.iter().map(length).collect();
                assert!(lengths[0] == 0 && lengths[1] == 1 && lengths[2] == 1 && lengths[3] > 10, "{chart:?}");
                assert_eq!(is_plain, chart.iter().all(|line| line.is_ascii()));
            }
        }
        assert!(lines(&[], 80, true).is_empty());
    }
}
