//! How deeply a query nests. The emulator's parser and its evaluation are recursive: a query that nests too deeply overflows the
//! stack, which ends the process. So its depth is computed from its text, without recursion, before the emulator gets it.
//!
//! The depth is that of the tree that the parser builds: brackets nest, and so do chains. `a.b.c` nests each step in the next, and so do
//! `NOT NOT a`, `- - a` and `a AND b AND c`. The estimate is never lower than the real depth.

use serde_json::Value;

use crate::incoming::Incoming;
use crate::limits::{MAX_QUERY_BRACKETS, MAX_QUERY_DEPTH};
use crate::operation::is_query;
use crate::query_literals::for_emulator;

/// Checks the query in a request, if it has one, as it is and as [`for_emulator`] writes it. The error is a message for the client.
pub(crate) fn check_query(incoming: &Incoming) -> Result<(), String> {
    if !is_query(incoming) && !incoming.flag("x-ms-cosmos-is-query-plan-request") {
        return Ok(());
    }
    // The emulator refuses a body that is not JSON.
    let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let Some(query) = body["query"].as_str() else { return Ok(()) };
    check_text(query)?;
    for_emulator(query).map_or(Ok(()), |query| check_text(&query))
}

fn check_text(query: &str) -> Result<(), String> {
    let depth = depth(query);
    if depth.brackets > MAX_QUERY_BRACKETS {
        return Err(format!(
            "The query nests brackets {} levels deep; the maximum is {MAX_QUERY_BRACKETS}.",
            depth.brackets
        ));
    }
    if depth.total > MAX_QUERY_DEPTH {
        return Err(format!(
            "The query is nested {} levels deep, with the steps of its longest path and its chains of operators; the maximum is \
             {MAX_QUERY_DEPTH}.",
            depth.total
        ));
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Depth {
    brackets: usize,
    total: usize,
}

/// An expression within a pair of brackets, or the query itself.
#[derive(Default)]
struct Expression {
    /// The operators AND, OR and JOIN, which bind weakest, so that each operand nests on its own.
    connectives: usize,
    /// The depth of the operand that is being read.
    operand: usize,
    deepest_operand: usize,
    /// The deepest of the expressions before the last comma or clause.
    deepest: usize,
}

impl Expression {
    fn end_operand(&mut self) {
        self.deepest_operand = self.deepest_operand.max(self.operand);
        self.operand = 0;
    }

    /// Ends at a comma, a clause or the closing bracket. Returns the depth of the deepest expression so far.
    fn end(&mut self) -> usize {
        self.end_operand();
        self.deepest = self.deepest.max(self.connectives + self.deepest_operand);
        (self.connectives, self.deepest_operand) = (0, 0);
        self.deepest
    }
}

fn depth(query: &str) -> Depth {
    let mut outer: Vec<Expression> = Vec::new();
    let mut current = Expression::default();
    let mut brackets = 0;
    let mut rest = query;
    let mut after_dot = false;
    while let Some((token, next)) = token(rest) {
        rest = next;
        match token {
            Token::Open => {
                outer.push(std::mem::take(&mut current));
                brackets = brackets.max(outer.len());
            }
            Token::Close => {
                let inner = current.end();
                current = outer.pop().unwrap_or_default();
                current.operand += inner + 1;
            }
            Token::Word(word) if !after_dot && is_any(word, &["AND", "OR", "JOIN"]) => {
                current.connectives += 1;
                current.end_operand();
            }
            Token::Word(word)
                if !after_dot && is_any(word, &["SELECT", "FROM", "WHERE", "GROUP", "ORDER", "OFFSET"]) =>
            {
                current.end();
            }
            Token::Comma => {
                current.end();
            }
            Token::Word(word) if !after_dot && is_any(word, &["NOT", "IN", "LIKE", "BETWEEN", "IS"]) => {
                current.operand += 1;
            }
            Token::Operator(_) => current.operand += 1,
            Token::Word(_) | Token::Text => {}
        }
        after_dot = matches!(token, Token::Operator('.'));
    }
    let mut total = current.end();
    while let Some(mut expression) = outer.pop() {
        expression.operand += total + 1;
        total = expression.end();
    }
    Depth { brackets, total }
}

fn is_any(word: &str, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

enum Token<'a> {
    Open,
    Close,
    Comma,
    /// A keyword, a name, a number or a parameter.
    Word(&'a str),
    /// A text, or a name in double quotes.
    Text,
    Operator(char),
}

/// The first token, and what follows it; `None` at the end. Texts and comments end where they end for the emulator, which doubles quotes
/// in texts and knows no backslash.
fn token(query: &str) -> Option<(Token<'_>, &str)> {
    let mut rest = query.trim_start();
    while let Some(next) = after_comment(rest) {
        rest = next.trim_start();
    }
    let first = rest.chars().next()?;
    let after = &rest[first.len_utf8()..];
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '@');
    Some(match first {
        '(' | '[' | '{' => (Token::Open, after),
        ')' | ']' | '}' => (Token::Close, after),
        ',' => (Token::Comma, after),
        // A doubled quote ends one text and starts another one.
        '\'' | '"' => (Token::Text, after.split_once(first).map_or("", |(_, next)| next)),
        first if is_word(first) => {
            let (word, next) = rest.split_at(rest.find(|character| !is_word(character)).unwrap_or(rest.len()));
            (Token::Word(word), next)
        }
        operator => (Token::Operator(operator), after),
    })
}

/// What follows the comment at the start; `None` if there is none.
fn after_comment(text: &str) -> Option<&str> {
    if text.starts_with("--") {
        return Some(text.find('\n').map_or("", |end| &text[end..]));
    }
    let comment = text.strip_prefix("/*")?;
    Some(comment.split_once("*/").map_or("", |(_, next)| next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(query: &str) -> usize {
        depth(query).total
    }

    #[test]
    fn brackets_and_chains_nest() {
        assert_eq!(depth("SELECT * FROM c"), Depth { brackets: 0, total: 1 });
        assert_eq!(depth("SELECT VALUE ((((1))))"), Depth { brackets: 4, total: 4 });
        assert_eq!(depth("SELECT VALUE [[{a: [1]}], 2]").brackets, 4);
        assert_eq!(total("SELECT VALUE c.a.b.c.d"), 4);
        assert_eq!(total("SELECT VALUE c['a'][0]['b']"), 3);
        assert_eq!(total("SELECT VALUE NOT NOT NOT true"), 3);
        assert_eq!(total("SELECT VALUE - - + ~ 1"), 4);
        assert_eq!(total("SELECT VALUE 1 WHERE a AND b OR c AND d"), 3);
        assert_eq!(total("SELECT VALUE 1 WHERE c.a.b = 1 AND c.a.b = 2 AND c.a.b = 3"), 5);
        assert_eq!(total("SELECT VALUE f(g(c.a.b))"), 4);
    }

    #[test]
    fn what_stands_side_by_side_does_not_nest() {
        let list = vec!["c.a"; 5000].join(", ");
        assert_eq!(total(&format!("SELECT {list} FROM c WHERE c.a IN ({list})")), 4);
        let text = "(.".repeat(5000);
        assert_eq!(total(&format!("SELECT VALUE '{text}' -- {text}\n /* {text} */")), 0);
        assert_eq!(total(&format!("SELECT VALUE \"{text}\"")), 0);
    }

    #[test]
    fn a_text_or_a_comment_hides_only_what_it_hides_from_the_emulator() {
        let deep = "(".repeat(5000);
        for start in ["'\\'", "''''", "\"\\\"", "/* */", "-- \n", "c.select", "'a''b'"] {
            assert!(depth(&format!("SELECT VALUE {start} {deep}")).brackets == 5000, "{start}");
        }
        let names = ".and.or.select.from.where.not".repeat(100);
        assert_eq!(total(&format!("SELECT VALUE c{names}")), 600);
    }

    #[test]
    fn a_query_that_nests_too_deeply_is_refused_with_its_depth_and_the_maximum() {
        for (query, found) in [
            (format!("SELECT VALUE c{}", ".a".repeat(5000)), "5000"),
            (format!("SELECT VALUE {}", "(".repeat(5000)), "5000"),
            (format!("SELECT VALUE {}1", "NOT ".repeat(5000)), "5000"),
            (format!("SELECT VALUE 1{}", " AND 1".repeat(5000)), "5000"),
            (format!("SELECT VALUE {}1", "- ".repeat(5000)), "5000"),
        ] {
            let message = check_text(&query).expect_err("refused");
            assert!(message.contains(found) && message.contains("the maximum is"), "{message}");
        }
        check_text(&format!("SELECT VALUE c{}", ".a".repeat(128))).expect("as deep as an item can be");
    }
}
