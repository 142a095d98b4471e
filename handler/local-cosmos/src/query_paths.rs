//! The property paths that a query filters or sorts by, found in its text.
//!
//! The emulator's parser is not public. This one reads only clauses, aliases of the FROM clause, subqueries and paths. It does
//! not validate: it finds no paths in an invalid query, which the emulator refuses.

use std::iter::Peekable;
use std::str::Chars;

use query_depth::MAX_BRACKETS;

/// A step of a property path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Property(String),
    /// Any element of an array.
    Elements,
}

/// A property path from the root of an item.
pub(crate) type Path = Vec<Step>;

/// The paths that a query needs an index for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct QueryPaths {
    /// Paths in WHERE clauses, those of subqueries included.
    pub filters: Vec<Path>,
    /// Paths of the ORDER BY clause, and whether each is descending.
    pub order_by: Vec<(Path, bool)>,
}

/// A path in the notation of indexing policies, without its end (`/?` or `/*`).
pub(crate) fn display(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Property(name) if name.chars().all(|character| character.is_alphanumeric() || character == '_') => {
            format!("/{name}")
        }
        Step::Property(name) => format!("/\"{name}\""),
        Step::Elements => "/[]".to_owned(),
    };
    path.iter().map(step).collect()
}

impl QueryPaths {
    pub(crate) fn of(query: &str) -> Self {
        let mut paths = Self::default();
        if let Some(tokens) = tokens(query) {
            paths.read_query(&tokens, &[]);
        }
        paths.filters.sort();
        paths.filters.dedup();
        paths
    }

    /// Reads a query, starting at SELECT. `outer` has the aliases of the queries around it. Returns the paths from which the FROM
    /// clause takes arrays or objects.
    fn read_query(&mut self, tokens: &[Token], outer: &[Alias]) -> Vec<Path> {
        let clauses = clauses(tokens);
        let clause = |name: &str| clauses.iter().find(|(keyword, _)| *keyword == name).map(|(_, tokens)| *tokens);
        let mut aliases = outer.to_vec();
        let sources = self.read_from(clause("FROM").unwrap_or_default(), &mut aliases);
        self.read_subqueries(clause("SELECT").unwrap_or_default(), &aliases);
        self.read_filter(clause("WHERE").unwrap_or_default(), &aliases);
        if outer.is_empty() {
            self.read_order(clause("ORDER").unwrap_or_default(), &aliases);
        }
        sources
    }

    fn read_from(&mut self, tokens: &[Token], aliases: &mut Vec<Alias>) -> Vec<Path> {
        let mut sources = Vec::new();
        for source in split(tokens, |token| token.is_keyword("JOIN")) {
            let (name, rest) = match source {
                [Token::Word(name), Token::Word(keyword), rest @ ..] if keyword.eq_ignore_ascii_case("IN") => {
                    (Some(name.clone()), rest)
                }
                rest => (None, rest),
            };
            let iterates = name.is_some();
            let (path, root, used) = match rest {
                [Token::Open('('), ..] => {
                    let end = closing(rest);
                    let inner = rest.get(1..end).unwrap_or_default();
                    self.read_query(inner, &marked(aliases));
                    (None, None, end + 1)
                }
                [Token::Word(root), ..] => {
                    let (steps, used) = steps(&rest[1..]);
                    let known = aliases.iter().rev().find(|alias| alias.name == *root);
                    // The first source is the container; a query can give it any name.
                    let mut path = match known {
                        Some(alias) => alias.path.clone(),
                        None => Some(Path::new()),
                    };
                    if let Some(path) = &mut path {
                        path.extend(steps);
                        if iterates {
                            path.push(Step::Elements);
                        }
                    }
                    (path, Some(root.clone()), used + 1)
                }
                _ => (None, None, rest.len()),
            };
            sources.extend(path.clone().filter(|path| !path.is_empty()));
            let given = match rest.get(used..).unwrap_or_default() {
                [Token::Word(keyword), Token::Word(alias), ..] if keyword.eq_ignore_ascii_case("AS") => {
                    Some(alias.clone())
                }
                [Token::Word(alias), ..] => Some(alias.clone()),
                _ => None,
            };
            if let Some(name) = name.or(given).or(root) {
                aliases.push(Alias { name, path });
            }
        }
        sources
    }

    /// Reads the subqueries of a clause whose own paths need no index.
    fn read_subqueries(&mut self, tokens: &[Token], aliases: &[Alias]) {
        for (index, token) in tokens.iter().enumerate() {
            if *token == Token::Open('(') && tokens.get(index + 1).is_some_and(|token| token.is_keyword("SELECT")) {
                let end = index + closing(&tokens[index..]);
                self.read_query(tokens.get(index + 1..end).unwrap_or_default(), &marked(aliases));
            }
        }
    }

    /// Reads a WHERE clause. Every path in it is a filter, and so are the arrays that its subqueries iterate over.
    fn read_filter(&mut self, tokens: &[Token], aliases: &[Alias]) {
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            if *token == Token::Open('(') && tokens.get(index + 1).is_some_and(|token| token.is_keyword("SELECT")) {
                let end = index + closing(&tokens[index..]);
                let sources = self.read_query(tokens.get(index + 1..end).unwrap_or_default(), &marked(aliases));
                self.filters.extend(sources);
                index = end + 1;
                continue;
            }
            // The plan of a query for constructed objects has this condition, which needs no index.
            if token.is_keyword("IS_DEFINED") && tokens.get(index + 2) == Some(&Token::Open('{')) {
                index += 2 + closing(&tokens[index + 1..]);
                continue;
            }
            match path_at(tokens, index, aliases) {
                Some((path, used)) => {
                    self.filters.extend(path.filter(|path| !path.is_empty()));
                    index += used;
                }
                None => index += 1,
            }
        }
    }

    fn read_order(&mut self, tokens: &[Token], aliases: &[Alias]) {
        let tokens = if tokens.first().is_some_and(|token| token.is_keyword("BY")) { &tokens[1..] } else { tokens };
        for item in split(tokens, |token| *token == Token::Other(',')) {
            if let Some((Some(path), used)) = path_at(item, 0, aliases) {
                let descending = item.get(used).is_some_and(|token| token.is_keyword("DESC"));
                self.order_by.push((path, descending));
            }
        }
    }
}

/// A name for a part of an item. Its path is `None` if it is the result of a subquery.
#[derive(Clone)]
struct Alias {
    name: String,
    path: Option<Path>,
}

/// The aliases of a subquery. There is at least one, which distinguishes a subquery from the query itself.
fn marked(aliases: &[Alias]) -> Vec<Alias> {
    let mut aliases = aliases.to_vec();
    aliases.push(Alias { name: String::new(), path: None });
    aliases
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A keyword, a name or a function.
    Word(String),
    Text(String),
    Number,
    Parameter,
    Open(char),
    Close(char),
    Other(char),
}

impl Token {
    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// `None` for a query that ends within a text, or nests brackets more deeply than any query that is executed.
fn tokens(query: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    let mut characters = query.chars().peekable();
    while let Some(character) = characters.next() {
        let is_word = |character: &char| character.is_alphanumeric() || *character == '_' || *character == '$';
        tokens.push(match character {
            character if character.is_whitespace() => continue,
            '\'' | '"' => Token::Text(text(&mut characters, character)?),
            '@' => {
                while characters.next_if(is_word).is_some() {}
                Token::Parameter
            }
            '-' if characters.peek() == Some(&'-') => {
                characters.by_ref().find(|character| *character == '\n');
                continue;
            }
            digit if digit.is_ascii_digit() => {
                while characters.next_if(|character| is_word(character) || *character == '.').is_some() {}
                Token::Number
            }
            first if is_word(&first) => {
                let mut word = String::from(first);
                while let Some(character) = characters.next_if(is_word) {
                    word.push(character);
                }
                Token::Word(word)
            }
            '(' | '[' | '{' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return None;
                }
                Token::Open(character)
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                Token::Close(character)
            }
            other => Token::Other(other),
        });
    }
    Some(tokens)
}

/// The rest of a text literal.
fn text(characters: &mut Peekable<Chars<'_>>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.next()? {
            '\\' => match characters.next()? {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    text.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                escaped => text.push(escaped),
            },
            character if character == quote => return Some(text),
            character => text.push(character),
        }
    }
}

/// The clauses of a query: a keyword and what follows it, at the level of the query itself.
fn clauses(tokens: &[Token]) -> Vec<(&'static str, &[Token])> {
    const KEYWORDS: [&str; 7] = ["SELECT", "FROM", "WHERE", "GROUP", "ORDER", "OFFSET", "LIMIT"];
    let mut starts = Vec::new();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close(_) => depth = depth.saturating_sub(1),
            // A property may have the name of a keyword.
            Token::Word(_) if depth == 0 && (index == 0 || tokens[index - 1] != Token::Other('.')) => {
                starts
                    .extend(KEYWORDS.iter().find(|keyword| token.is_keyword(keyword)).map(|keyword| (index, *keyword)));
            }
            _ => {}
        }
    }
    let ends = starts.iter().skip(1).map(|(index, _)| *index).chain([tokens.len()]);
    starts.iter().zip(ends).map(|((start, keyword), end)| (*keyword, &tokens[start + 1..end])).collect()
}

/// Splits tokens at separators that are not within brackets.
fn split(tokens: &[Token], is_separator: impl Fn(&Token) -> bool) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_separator(token)
    });
    parts.collect()
}

/// The index of the bracket that closes the first token.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// The path that starts at a token and the number of its tokens; the path is `None` if the name is the result of a
/// subquery.
fn path_at(tokens: &[Token], index: usize, aliases: &[Alias]) -> Option<(Option<Path>, usize)> {
    let Token::Word(root) = tokens.get(index)? else { return None };
    let alias = aliases.iter().rev().find(|alias| alias.name == *root)?;
    let rest = tokens.get(index + 1..).unwrap_or_default();
    // A function, or a key of an object.
    if matches!(rest.first(), Some(Token::Open('(') | Token::Other(':'))) {
        return None;
    }
    let (steps, used) = steps(rest);
    let path = alias.path.clone().map(|mut path| {
        path.extend(steps);
        path
    });
    Some((path, used + 1))
}

/// The steps at the start of tokens, and the number of their tokens.
fn steps(tokens: &[Token]) -> (Vec<Step>, usize) {
    let mut steps = Vec::new();
    let mut used = 0;
    loop {
        let (step, length) = match tokens.get(used..).unwrap_or_default() {
            [Token::Other('.'), Token::Word(name), ..] => (Step::Property(name.clone()), 2),
            [Token::Open('['), Token::Text(name), Token::Close(']'), ..] => (Step::Property(name.clone()), 3),
            [Token::Open('['), Token::Number, Token::Close(']'), ..] => (Step::Elements, 3),
            _ => return (steps, used),
        };
        steps.push(step);
        used += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filters, and the sort order with `-` for descending.
    fn paths(query: &str) -> (Vec<String>, Vec<String>) {
        let paths = QueryPaths::of(query);
        let order =
            |(path, descending): &(Path, bool)| format!("{}{}", if *descending { "-" } else { "" }, display(path));
        (paths.filters.iter().map(|path| display(path)).collect(), paths.order_by.iter().map(order).collect())
    }

    fn filters(query: &str) -> Vec<String> {
        paths(query).0
    }

    #[test]
    fn a_query_without_a_filter_or_an_order_needs_no_index() {
        for query in
            ["SELECT * FROM c", "SELECT c.a, c.b FROM c", "SELECT VALUE COUNT(1) FROM c", "select value c from c"]
        {
            assert_eq!(paths(query), (vec![], vec![]), "{query}");
        }
    }

    #[test]
    fn every_notation_of_a_path_is_read() {
        let query = r#"SELECT * FROM c WHERE c.a.b = 1 AND c['x y']["z"] > @p AND c.list[0].n = 'c.not OR c.this' and c["é\u0041"] = 2"#;
        assert_eq!(filters(query), ["/a/b", "/list/[]/n", "/\"x y\"/z", "/éA"]);
        assert_eq!(
            filters("SELECT * FROM c WHERE c.order = 1 AND c.value=2 AND c.from=3"),
            ["/from", "/order", "/value"]
        );
        assert_eq!(filters("SELECT * FROM c WHERE 1.5e3 < c.a -- c.b\n AND c.d = -1"), ["/a", "/d"]);
    }

    #[test]
    fn the_existence_of_a_constructed_object_is_no_filter() {
        let query = "SELECT VALUE {a: c.a} FROM c WHERE c.b = 1 AND IS_DEFINED({a: c.a, x: (IS_DEFINED(c.x) OR c.y)}) AND c.z = 2";
        assert_eq!(filters(query), ["/b", "/z"]);
    }

    #[test]
    fn functions_in_and_not_count_as_filters() {
        let query = "SELECT * FROM c WHERE NOT IS_DEFINED(c.x) OR c.y IN (1, c.z) OR STARTSWITH(LOWER(c.name), @p, true) \
            OR ARRAY_CONTAINS(c.tags, {name: c.t}) OR c.a BETWEEN c.lo AND c.hi OR c.l LIKE 'a%' OR udf.f(c.u) \
            OR (c.q ?? c.r) = 1 OR (c.s ? 1 : 2) = 2";
        let expected = ["/a", "/hi", "/l", "/lo", "/name", "/q", "/r", "/s", "/t", "/tags", "/u", "/x", "/y", "/z"];
        assert_eq!(filters(query), expected);
    }

    #[test]
    fn aliases_name_the_container_a_part_of_it_or_the_elements_of_an_array() {
        assert_eq!(filters("SELECT * FROM items AS i WHERE i.a = 1 AND items = 1"), ["/a"]);
        assert_eq!(filters("SELECT * FROM food.parts p WHERE p.a = 1"), ["/parts/a"]);
        assert_eq!(
            filters("SELECT t FROM c JOIN t IN c.tags JOIN u IN t.uses WHERE t.n = 1 AND u = 2"),
            ["/tags/[]/n", "/tags/[]/uses/[]"]
        );
        assert_eq!(filters("SELECT * FROM t IN c.tags WHERE t.n = 1"), ["/tags/[]/n"]);
    }

    #[test]
    fn subqueries_filter_too() {
        let exists = "SELECT * FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t.n = c.m) ORDER BY c.o";
        assert_eq!(paths(exists), (vec!["/m".into(), "/tags/[]".into(), "/tags/[]/n".into()], vec!["/o".into()]));
        let join =
            "SELECT c.id FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t.n > 1 ORDER BY t.q) AS x WHERE x.y = 1";
        assert_eq!(paths(join), (vec!["/tags/[]/n".into()], vec![]));
        let selected = "SELECT ARRAY(SELECT VALUE t FROM t IN c.tags WHERE t.n = 1) AS found FROM c";
        assert_eq!(filters(selected), ["/tags/[]/n"]);
    }

    #[test]
    fn the_order_is_read_with_its_directions() {
        let query = "SELECT TOP 5 * FROM c WHERE c.a = 1 ORDER BY c.b DESC, c['d'].e asc, c.f OFFSET 1 LIMIT 2";
        assert_eq!(paths(query).1, ["-/b", "/d/e", "/f"]);
    }

    #[test]
    fn an_invalid_query_has_no_paths() {
        let deep = format!("SELECT * FROM {} c WHERE c.a = 1", "(SELECT * FROM ".repeat(100_000));
        for query in
            ["", "SELECT", "SELECT * FROM c WHERE c.a = 'open", "WHERE c.a = 1", ")))(((", "SELECT * FROM (", &deep]
        {
            assert_eq!(paths(query), (vec![], vec![]), "{query}");
        }
    }
}
