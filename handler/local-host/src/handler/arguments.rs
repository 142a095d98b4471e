//! The handler's command line, treated as in the real host: arguments are joined by spaces without quoting, and then
//! split as .NET splits a command line.

/// Splits at spaces and tabs outside double quotes. Backslashes are literal unless a quote follows: then each pair is one
/// backslash, and an odd one makes the quote literal. A doubled quote inside quotes is one literal quote.
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

/// Removes every `%NAME%`. Those that are left at this point name variables that are not set.
pub(super) fn without_variables(text: &str) -> String {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        match after.split_once('%') {
            Some((name, after)) if !name.is_empty() => {
                output.push_str(before);
                rest = after;
            }
            _ => {
                output.push_str(before);
                output.push('%');
                rest = after;
            }
        }
    }
    output + rest
}

#[cfg(test)]
mod tests {
    use super::{split, without_variables};

    #[test]
    fn a_command_line_is_split_as_in_dotnet() {
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
    fn unset_variables_are_removed_and_single_percent_signs_are_not() {
        assert_eq!(without_variables("a %NoSuchVariable% b 100% %% c"), "a  b 100% c");
        assert_eq!(without_variables("100%"), "100%");
    }
}
