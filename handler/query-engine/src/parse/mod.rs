//! Reads the tree of a query from its tokens, by recursive descent.
//!
//! The grammar is `sql.g4` in Microsoft's .NET SDK, with the shift operators and `<>` of the documentation. Where the two public
//! grammars of the language differ about which operator binds more tightly, the text is refused, with the brackets to write.
//!
//! The tree is never deeper than [`MAX_DEPTH`], so that neither reading nor evaluating it can overflow the stack.

mod clauses;
mod expression;
mod function;
mod rank;

use serde_json::Value;

use crate::error::{QueryError, Span};
use crate::lexer::{Spanned, Token, tokens};
use crate::syntax::{Constant, Expr, Select};

/// The most brackets within each other, subqueries included.
pub const MAX_BRACKETS: usize = 64;
/// The most levels of an expression. AND, OR, paths and lists do not nest, so the service's 2,000 ANDs are fine.
pub const MAX_DEPTH: usize = 256;
/// The longest query, as documented for the service.
pub const MAX_LENGTH: usize = 512 * 1024;

/// Words that cannot be names without brackets and quotes.
const RESERVED: &[&str] = &[
    "AND", "ARRAY", "AS", "ASC", "BETWEEN", "BY", "DESC", "DISTINCT", "ESCAPE", "EXISTS", "FROM", "GROUP", "IN",
    "JOIN", "LIKE", "LIMIT", "NOT", "OFFSET", "OR", "ORDER", "SELECT", "TOP", "VALUE", "WHERE",
];

/// The literals, which the grammar has in small letters only.
const LITERALS: &[&str] = &["true", "false", "null", "undefined", "udf"];

/// Reads a query. Its names are not resolved.
pub(crate) fn parse(text: &str, parameters: &[(String, Value)]) -> Result<Select, QueryError> {
    let mut parser = Parser::new(text, parameters)?;
    let select = parser.select()?;
    parser.end()?;
    Ok(select)
}

/// Reads the condition of a patch, which has no SELECT: `FROM c WHERE c.x = 1`.
pub(crate) fn parse_condition(text: &str) -> Result<Select, QueryError> {
    let mut parser = Parser::new(text, &[])?;
    let select = parser.condition()?;
    parser.end()?;
    Ok(select)
}

pub(crate) struct Parser<'a> {
    tokens: Vec<Spanned>,
    position: usize,
    text: &'a str,
    parameters: &'a [(String, Value)],
    brackets: usize,
}

/// An expression that was read, and what its surroundings need to know about it.
pub(crate) struct Parsed {
    expr: Expr,
    depth: usize,
    shape: Shape,
    span: Span,
}

/// What an expression without brackets around it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Other,
    Comparison,
    Not,
    Coalesce,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, parameters: &'a [(String, Value)]) -> Result<Self, QueryError> {
        if text.len() > MAX_LENGTH {
            let message = format!("The query has {} bytes; the maximum is {MAX_LENGTH}.", text.len());
            return Err(QueryError::general(message));
        }
        Ok(Self { tokens: tokens(text)?, position: 0, text, parameters, brackets: 0 })
    }

    fn current(&self) -> &Spanned {
        // The last token is the end, which is never passed.
        &self.tokens[self.position.min(self.tokens.len() - 1)]
    }

    fn next_is(&self, offset: usize, symbol: &str) -> bool {
        matches!(self.tokens.get(self.position + offset), Some(Spanned { token: Token::Symbol(found), .. }) if *found == symbol)
    }

    fn next_is_keyword(&self, offset: usize, keyword: &str) -> bool {
        matches!(self.tokens.get(self.position + offset), Some(Spanned { token: Token::Word(word), .. }) if word.eq_ignore_ascii_case(keyword))
    }

    fn span(&self) -> Span {
        self.current().span
    }

    /// Where the token before is.
    fn last_span(&self) -> Span {
        self.tokens[self.position.min(self.tokens.len()).saturating_sub(1)].span
    }

    fn advance(&mut self) -> Spanned {
        let current = self.current().clone();
        self.position += 1;
        current
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.next_is(0, symbol);
        self.position += usize::from(found);
        found
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.next_is_keyword(0, keyword);
        self.position += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), QueryError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn end(&self) -> Result<(), QueryError> {
        if self.current().token == Token::End { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> QueryError {
        let span = self.span();
        match self.current().token {
            Token::End => QueryError::new("SC1001", "Syntax error, unexpected end of the query.", span),
            _ => QueryError::syntax(self.text.get(span.start..span.end).unwrap_or_default(), span),
        }
    }

    fn is_name(&self, offset: usize) -> bool {
        matches!(self.tokens.get(self.position + offset), Some(Spanned { token: Token::Word(word), .. }) if !is_reserved(word))
    }

    fn name(&mut self) -> Result<(String, Span), QueryError> {
        match self.current() {
            Spanned { token: Token::Word(word), span } if !is_reserved(word) => {
                let name = (word.clone(), *span);
                self.position += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The value that a request gives for a parameter.
    fn parameter(&self, name: &str, span: Span) -> Result<&'a Value, QueryError> {
        let found = self.parameters.iter().find(|(given, _)| given == name || given.strip_prefix('@') == name.get(1..));
        match found {
            Some((_, value)) => Ok(value),
            None => Err(QueryError::new("SC2001", format!("Identifier '{name}' could not be resolved."), span)),
        }
    }

    /// Reads what is between brackets, and the closing one.
    fn within<T>(
        &mut self,
        closing: &str,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.brackets += 1;
        if self.brackets > MAX_BRACKETS {
            let message = format!("The query nests brackets more than {MAX_BRACKETS} levels deep.");
            return Err(QueryError::new("SC1001", message, self.span()));
        }
        let inner = read(self)?;
        self.expect_symbol(closing)?;
        self.brackets -= 1;
        Ok(inner)
    }
}

impl Parsed {
    fn leaf(expr: Expr, span: Span) -> Self {
        Self { expr, depth: 1, shape: Shape::Other, span }
    }

    fn constant(value: Value, span: Span) -> Self {
        Self::leaf(Expr::Constant(Constant { value: Some(value), parameter: None }), span)
    }
}

/// Checks the depth of an expression over operands of a depth.
fn deeper(depth: usize, span: Span) -> Result<usize, QueryError> {
    if depth < MAX_DEPTH {
        return Ok(depth + 1);
    }
    let message = format!("The query has an expression of more than {MAX_DEPTH} levels.");
    Err(QueryError::new("SC1001", message, span))
}

fn is_reserved(word: &str) -> bool {
    LITERALS.contains(&word) || RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}
