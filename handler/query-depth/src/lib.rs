//! How deeply a query nests.
//!
//! The parser in the Rust SDK is recursive. The SDK uses it in the process that sends a query over several partitions, and the emulator in the SDK
//! uses it too, with a recursive evaluation. A query that nests too deeply overflows the stack, which ends the process. So the depth is
//! computed from the text, without recursion, before the SDK gets the query.
//!
//! It is the depth of the tree that the parser builds: brackets nest, and so do chains. `a.b.c` nests each step in the next, and so do
//! `NOT NOT a`, `- - a` and `a AND b AND c`. The result is never lower than the real depth.

/// The most levels of brackets. The parser in the SDK allows fewer.
pub const MAX_BRACKETS: usize = 64;
/// The longest chain of steps of a path, and of operators other than AND and OR. An item has at most 128 levels.
pub const MAX_CHAIN: usize = 256;
/// The most levels. The service allows 2,000 ANDs and as many ORs in a query.
pub const MAX_LEVELS: usize = 2_256;

/// A query that nests too deeply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooDeep {
    /// Too many brackets within each other.
    #[error("The query nests brackets {0} levels deep; the maximum is {MAX_BRACKETS}.")]
    Brackets(usize),
    /// A path or a chain of operators is too long.
    #[error("The query has a path or a chain of operators of {0} steps; the maximum is {MAX_CHAIN}.")]
    Chain(usize),
    /// All of it together is too deep.
    #[error("The query is nested {0} levels deep, with its chains of operators; the maximum is {MAX_LEVELS}.")]
    Levels(usize),
}

/// Checks a query.
///
/// # Errors
/// When it nests more deeply than the SDK can read.
pub fn check(query: &str) -> Result<(), TooDeep> {
    match depth(query) {
        Depth { brackets, .. } if brackets > MAX_BRACKETS => Err(TooDeep::Brackets(brackets)),
        Depth { chain, .. } if chain > MAX_CHAIN => Err(TooDeep::Chain(chain)),
        Depth { levels, .. } if levels > MAX_LEVELS => Err(TooDeep::Levels(levels)),
        _ => Ok(()),
    }
}

#[derive(Debug, PartialEq)]
struct Depth {
    brackets: usize,
    chain: usize,
    levels: usize,
}

/// An expression within a pair of brackets, or the query itself.
#[derive(Default)]
struct Expression {
    /// The operators AND, OR and JOIN, which bind weakest, so that each operand nests on its own.
    connectives: usize,
    /// The depth of the operand that is being read, and the steps of its own.
    operand: usize,
    chain: usize,
    deepest_operand: usize,
    /// The deepest of the expressions before the last comma or clause.
    deepest: usize,
}

impl Expression {
    /// A step of the operand: a member, an operator, or what is in brackets, with its depth.
    fn step(&mut self, depth: usize) {
        self.operand += 1 + depth;
        self.chain += 1;
    }

    fn end_operand(&mut self) {
        self.deepest_operand = self.deepest_operand.max(self.operand);
        (self.operand, self.chain) = (0, 0);
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
    let (mut brackets, mut chain) = (0, 0);
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
                current.step(inner);
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
                current.step(0);
            }
            Token::Operator(_) => current.step(0),
            Token::Word(_) | Token::Text => {}
        }
        chain = chain.max(current.chain);
        after_dot = matches!(token, Token::Operator('.'));
    }
    let mut levels = current.end();
    while let Some(mut expression) = outer.pop() {
        expression.step(levels);
        levels = expression.end();
    }
    Depth { brackets, chain, levels }
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
        depth(query).levels
    }

    #[test]
    fn brackets_and_chains_nest() {
        assert_eq!(depth("SELECT * FROM c"), Depth { brackets: 0, chain: 1, levels: 1 });
        assert_eq!(depth("SELECT VALUE ((((1))))"), Depth { brackets: 4, chain: 1, levels: 4 });
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
    fn the_elements_of_a_list_do_not_nest_in_each_other() {
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
        for (query, expected) in [
            (format!("SELECT VALUE c{}", ".a".repeat(5000)), TooDeep::Chain(5000)),
            (format!("SELECT VALUE {}", "(".repeat(5000)), TooDeep::Brackets(5000)),
            (format!("SELECT VALUE {}1", "NOT ".repeat(5000)), TooDeep::Chain(5000)),
            (format!("SELECT VALUE 1{}", " AND 1".repeat(5000)), TooDeep::Levels(5000)),
            (format!("SELECT VALUE {}1", "- ".repeat(5000)), TooDeep::Chain(5000)),
            (format!("SELECT VALUE {}1", format!("{}(", "- ".repeat(200)).repeat(20)), TooDeep::Levels(4020)),
        ] {
            let refused = check(&query).expect_err("refused");
            assert_eq!(refused, expected);
            assert!(refused.to_string().contains("the maximum is"), "{refused}");
        }
        check(&format!("SELECT VALUE c{}", ".a".repeat(128))).expect("as deep as an item can be");
        check(&format!("SELECT * FROM c WHERE c.a = 1{}", " AND c.a = 1".repeat(2000)))
            .expect("what the service allows");
    }
}
