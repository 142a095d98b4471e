//! The handler's command line, put together as the real host does: the arguments are joined by spaces without quotes
//! and then split again as .NET splits a command line.

/// Splits at blanks outside double quotes. Backslashes are literal unless a quote follows them: then each pair is one
/// backslash, and one left over makes the quote literal. Two quotes inside quotes are one.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut argument: Option<String> = None;
    let mut quoted = false;
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' if !quoted => arguments.extend(argument.take()),
            '\\' => {
                let mut backslashes = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    backslashes += 1;
                }
                let text = argument.get_or_insert_default();
                if rest.peek() == Some(&'"') {
                    text.push_str(&"\\".repeat(backslashes / 2));
                    if backslashes % 2 == 1 {
                        rest.next();
                        text.push('"');
                    }
                } else {
                    text.push_str(&"\\".repeat(backslashes));
                }
            }
            '"' => {
                let text = argument.get_or_insert_default();
                if quoted && rest.next_if_eq(&'"').is_some() {
                    text.push('"');
                } else {
                    quoted = !quoted;
                }
            }
            other => argument.get_or_insert_default().push(other),
        }
    }
    arguments.extend(argument);
    arguments
}

/// Removes every `%…%`, because what it names is not set.
pub(super) fn without_variables(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        match after.split_once('%') {
            Some((name, after)) if !name.is_empty() => {
                kept.push_str(before);
                rest = after;
            }
            _ => {
                kept.push_str(before);
                kept.push('%');
                rest = after;
            }
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::{split, without_variables};

    #[test]
    fn a_line_is_split_as_dotnet_does() {
        for (line, expected) in [
            ("", vec![]),
            ("  a  b\tc ", vec!["a", "b", "c"]),
            (r#"--name "two words""#, vec!["--name", "two words"]),
            (r#""" x"#, vec!["", "x"]),
            (r#"a"b c"d"#, vec!["ab cd"]),
            (r#""say ""hi""""#, vec![r#"say "hi""#]),
            (r#"\"quoted\""#, vec![r#""quoted""#]),
            (r#"c:\dir\file "c:\dir\\""#, vec![r"c:\dir\file", r"c:\dir\"]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn leftover_variables_vanish_and_single_percent_signs_stay() {
        assert_eq!(without_variables("a %NoSuchVariable% b 100% %% c"), "a  b 100% c");
        assert_eq!(without_variables("100%"), "100%");
    }
}
