//! Scalar expressions, from the operator that binds least tightly to literals.

use serde_json::{Number, Value};

use super::clauses::whole_index;
use super::{Parsed, Parser, Shape, deeper};
use crate::error::{QueryError, Span};
use crate::lexer::{Spanned, Token};
use crate::syntax::{Alias, Base, Binary, Constant, Expr, QueryUse, Step, Unary};

/// Binary operators, from the least tightly binding to the most. Comparisons are at [`EQUALITY`] and after it.
const LEVELS: [&[(&str, Binary)]; 9] = [
    &[("||", Binary::Concat)],
    &[("|", Binary::BitOr)],
    &[("^", Binary::BitXor)],
    &[("&", Binary::BitAnd)],
    &[("=", Binary::Equal), ("!=", Binary::NotEqual), ("<>", Binary::NotEqual)],
    &[("<", Binary::Less), ("<=", Binary::LessOrEqual), (">", Binary::Greater), (">=", Binary::GreaterOrEqual)],
    &[("<<", Binary::ShiftLeft), (">>", Binary::ShiftRight), (">>>", Binary::ShiftRightZeroFill)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Modulo)],
];
const EQUALITY: usize = 4;
const RELATION: usize = 5;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Parsed, QueryError> {
        let condition = self.coalesce()?;
        if !self.next_is(0, "?") {
            return Ok(condition);
        }
        if condition.shape == Shape::Coalesce {
            return Err(self.ambiguous("(a ?? b) ? c : d", condition.span));
        }
        self.position += 1;
        let (consequent, alternative) = self.nested(|parser| {
            let consequent = parser.expression()?;
            parser.expect_symbol(":")?;
            Ok((consequent, parser.expression()?))
        })?;
        let span = condition.span.to(alternative.span);
        let depth = deeper(condition.depth.max(consequent.depth).max(alternative.depth), span)?;
        let operands = Box::new((condition.expr, consequent.expr, alternative.expr));
        Ok(Parsed { expr: Expr::Conditional(operands), depth, shape: Shape::Other, span })
    }

    /// Counts a level of recursion that no bracket counts.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        self.brackets += 1;
        if self.brackets > super::MAX_BRACKETS {
            let message = format!("The query nests expressions more than {} levels deep.", super::MAX_BRACKETS);
            return Err(QueryError::new("SC1001", message, self.span()));
        }
        let inner = read(self)?;
        self.brackets -= 1;
        Ok(inner)
    }

    fn coalesce(&mut self) -> Result<Parsed, QueryError> {
        let mut left = self.any()?;
        while self.symbol("??") {
            let right = self.any()?;
            let span = left.span.to(right.span);
            let depth = deeper(left.depth.max(right.depth), span)?;
            let expr = Expr::Coalesce(Box::new((left.expr, right.expr)));
            left = Parsed { expr, depth, shape: Shape::Coalesce, span };
        }
        Ok(left)
    }

    fn any(&mut self) -> Result<Parsed, QueryError> {
        self.connected("OR", Self::all, |operands| Expr::Or { operands, index: None })
    }

    fn all(&mut self) -> Result<Parsed, QueryError> {
        self.connected("AND", Self::predicate, Expr::And)
    }

    fn connected(
        &mut self,
        keyword: &str,
        operand: fn(&mut Self) -> Result<Parsed, QueryError>,
        connect: fn(Vec<Expr>) -> Expr,
    ) -> Result<Parsed, QueryError> {
        let first = operand(self)?;
        if !self.next_is_keyword(0, keyword) {
            return Ok(first);
        }
        let (mut depth, mut span) = (first.depth, first.span);
        let mut operands = vec![first.expr];
        while self.keyword(keyword) {
            let next = operand(self)?;
            depth = depth.max(next.depth);
            span = span.to(next.span);
            operands.push(next.expr);
        }
        Ok(Parsed { expr: connect(operands), depth: deeper(depth, span)?, shape: Shape::Other, span })
    }

    /// A comparison, IN, LIKE or BETWEEN.
    fn predicate(&mut self) -> Result<Parsed, QueryError> {
        let mut left = self.binary(0)?;
        loop {
            let negated = self.next_is_keyword(0, "NOT");
            let keyword = usize::from(negated);
            let is = |keywords: &str| self.next_is_keyword(keyword, keywords);
            let (is_in, is_like, is_between) = (is("IN"), is("LIKE"), is("BETWEEN"));
            if !(is_in || is_like || is_between) {
                return Ok(left);
            }
            if left.shape == Shape::Not {
                return Err(self.ambiguous("NOT (a IN (b))", left.span));
            }
            self.position += keyword + 1;
            let (expr, depth, end) = if is_in {
                let end = self.span();
                self.expect_symbol("(")?;
                let (list, depth) = self.within(")", Self::list)?;
                (Expr::In { negated, needle: Box::new(left.expr), list, values: None }, depth, end)
            } else if is_like {
                let pattern = self.binary(0)?;
                let escape = if self.keyword("ESCAPE") { Some(self.escape()?) } else { None };
                let operands = Box::new((left.expr, pattern.expr));
                (Expr::Like { negated, operands, escape }, pattern.depth, pattern.span)
            } else {
                let low = self.binary(0)?;
                self.expect_keyword("AND")?;
                let high = self.binary(0)?;
                let operands = Box::new((left.expr, low.expr, high.expr));
                (Expr::Between { negated, operands }, low.depth.max(high.depth), high.span)
            };
            let span = left.span.to(end);
            left = Parsed { expr, depth: deeper(left.depth.max(depth), span)?, shape: Shape::Comparison, span };
        }
    }

    fn escape(&mut self) -> Result<char, QueryError> {
        let Spanned { token, span } = self.current().clone();
        let text = match &token {
            Token::Text(text) => text.as_str(),
            Token::Parameter(name) => self.parameter(name, span)?.as_str().unwrap_or_default(),
            _ => return Err(self.unexpected()),
        };
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => {
                self.position += 1;
                Ok(character)
            }
            _ => Err(QueryError::located("The ESCAPE of LIKE must be a text of one character.", span)),
        }
    }

    /// The operator that comes next, and its level.
    fn operator(&self) -> Option<(usize, Binary)> {
        let Token::Symbol(symbol) = &self.current().token else { return None };
        LEVELS.iter().enumerate().find_map(|(level, operators)| {
            operators.iter().find(|(written, _)| written == symbol).map(|(_, operator)| (level, *operator))
        })
    }

    /// The operators of a level, and of those that bind more tightly.
    fn binary(&mut self, lowest: usize) -> Result<Parsed, QueryError> {
        let mut left = self.unary()?;
        while let Some((level, operator)) = self.operator()
            && level >= lowest
        {
            self.position += 1;
            let right = self.binary(level + 1)?;
            for operand in [&left, &right] {
                match operand.shape {
                    Shape::Comparison if level < EQUALITY => {
                        return Err(self.ambiguous("(a || b) = c", operand.span));
                    }
                    Shape::Not => return Err(self.ambiguous("NOT (a = b)", operand.span)),
                    _ => {}
                }
            }
            let span = left.span.to(right.span);
            let depth = deeper(left.depth.max(right.depth), span)?;
            let expr = Expr::Binary(operator, Box::new((left.expr, right.expr)));
            let is_comparison = level == EQUALITY || level == RELATION;
            let shape = if is_comparison { Shape::Comparison } else { Shape::Other };
            left = Parsed { expr, depth, shape, span };
        }
        Ok(left)
    }

    fn ambiguous(&self, example: &str, span: Span) -> QueryError {
        let near = self.text.get(span.start..span.end).unwrap_or_default();
        let message = format!(
            "Syntax error near '{near}': which operator binds more tightly is not documented. Use brackets, as in {example}."
        );
        QueryError::new("SC1001", message, span)
    }

    fn unary(&mut self) -> Result<Parsed, QueryError> {
        let start = self.span();
        let operator = match &self.current().token {
            Token::Symbol("-") => Unary::Minus,
            Token::Symbol("+") => Unary::Plus,
            Token::Symbol("~") => Unary::BitNot,
            Token::Word(word) if word.eq_ignore_ascii_case("NOT") => Unary::Not,
            _ => return self.postfix(),
        };
        self.position += 1;
        let operand = self.nested(Self::unary)?;
        let span = start.to(operand.span);
        if operator == Unary::Minus
            && let Expr::Constant(Constant { value: Some(Value::Number(number)), parameter: None }) = &operand.expr
            && let Some(negative) = negated(number)
        {
            return Ok(Parsed::constant(negative, span));
        }
        let depth = deeper(operand.depth, span)?;
        let shape = if operator == Unary::Not { Shape::Not } else { Shape::Other };
        Ok(Parsed { expr: Expr::Unary(operator, Box::new(operand.expr)), depth, shape, span })
    }

    /// A primary expression and the steps of a path from it.
    fn postfix(&mut self) -> Result<Parsed, QueryError> {
        let primary = self.primary()?;
        let (mut depth, mut span) = (primary.depth, primary.span);
        let mut steps = Vec::new();
        loop {
            if self.symbol(".") {
                let (name, end) = self.name()?;
                steps.push(Step::Name(name));
                span = span.to(end);
            } else if self.symbol("[") {
                let index = self.within("]", Self::expression)?;
                depth = depth.max(index.depth);
                span = span.to(index.span);
                steps.push(match index.expr {
                    Expr::Constant(Constant { value: Some(Value::String(name)), parameter: None }) => Step::Text(name),
                    Expr::Constant(Constant { value: Some(number @ Value::Number(_)), parameter: None }) => {
                        Step::Index(whole_index(&number, index.span)?)
                    }
                    expr => Step::Computed(expr),
                });
            } else if steps.is_empty() {
                return Ok(primary);
            } else {
                // The closing bracket of an index is the last token.
                let span = span.to(self.last_span());
                let expr = match primary.expr {
                    Expr::Path(mut base, first) => {
                        if let Base::Alias(alias) = &mut *base {
                            alias.path = span;
                        }
                        Expr::Path(base, first.into_iter().chain(steps).collect())
                    }
                    base => Expr::Path(Box::new(Base::Expr(base)), steps),
                };
                return Ok(Parsed { expr, depth: deeper(depth, span)?, shape: Shape::Other, span });
            }
        }
    }

    fn primary(&mut self) -> Result<Parsed, QueryError> {
        let Spanned { token, span } = self.current().clone();
        match token {
            Token::Number(value) => {
                self.position += 1;
                Ok(Parsed::constant(value, span))
            }
            Token::Text(text) => {
                self.position += 1;
                Ok(Parsed::constant(Value::String(text), span))
            }
            Token::Parameter(name) => {
                let value = Some(self.parameter(&name, span)?.clone());
                self.position += 1;
                Ok(Parsed::leaf(Expr::Constant(Constant { value, parameter: Some(name) }), span))
            }
            Token::Symbol("(") => {
                self.position += 1;
                if self.next_is_keyword(0, "SELECT") {
                    let select = self.within(")", Self::select)?;
                    return Ok(Parsed::leaf(Expr::Query(QueryUse::Scalar, Box::new(select)), span));
                }
                let inner = self.within(")", Self::expression)?;
                Ok(Parsed { shape: Shape::Other, ..inner })
            }
            Token::Symbol("[") => {
                self.position += 1;
                let (elements, depth) = self
                    .within("]", |parser| if parser.next_is(0, "]") { Ok((Vec::new(), 0)) } else { parser.list() })?;
                Ok(Parsed { expr: Expr::Array(elements), depth: deeper(depth, span)?, shape: Shape::Other, span })
            }
            Token::Symbol("{") => {
                self.position += 1;
                let (properties, depth) = self.within("}", Self::properties)?;
                Ok(Parsed { expr: Expr::Object(properties), depth: deeper(depth, span)?, shape: Shape::Other, span })
            }
            Token::Word(word) => self.word(&word, span),
            _ => Err(self.unexpected()),
        }
    }

    /// Expressions with commas between them, and their depth.
    pub(super) fn list(&mut self) -> Result<(Vec<Expr>, usize), QueryError> {
        let (mut list, mut depth) = (Vec::new(), 0);
        loop {
            let element = self.expression()?;
            depth = depth.max(element.depth);
            list.push(element.expr);
            if !self.symbol(",") {
                return Ok((list, depth));
            }
        }
    }

    fn properties(&mut self) -> Result<(Vec<(String, Expr)>, usize), QueryError> {
        let (mut properties, mut depth) = (Vec::new(), 0);
        if self.next_is(0, "}") {
            return Ok((properties, depth));
        }
        loop {
            let name = match &self.current().token {
                Token::Text(name) => {
                    let name = name.clone();
                    self.position += 1;
                    name
                }
                _ => self.name()?.0,
            };
            self.expect_symbol(":")?;
            let value = self.expression()?;
            depth = depth.max(value.depth);
            properties.push((name, value.expr));
            if !self.symbol(",") {
                return Ok((properties, depth));
            }
        }
    }

    /// A literal word, a use of a subquery, a function or a name.
    fn word(&mut self, word: &str, span: Span) -> Result<Parsed, QueryError> {
        let literal = match word {
            "true" => Some(Some(Value::Bool(true))),
            "false" => Some(Some(Value::Bool(false))),
            "null" => Some(Some(Value::Null)),
            "undefined" => Some(None),
            _ => None,
        };
        if let Some(value) = literal {
            self.position += 1;
            return Ok(Parsed::leaf(Expr::Constant(Constant { value, parameter: None }), span));
        }
        if self.next_is(1, "(") {
            const USES: [(&str, QueryUse); 5] = [
                ("EXISTS", QueryUse::Exists),
                ("ARRAY", QueryUse::Array),
                ("ALL", QueryUse::All),
                ("FIRST", QueryUse::First),
                ("LAST", QueryUse::Last),
            ];
            if let Some((_, query_use)) = USES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name))
                && self.next_is_keyword(2, "SELECT")
            {
                self.position += 2;
                let select = self.within(")", Self::select)?;
                return Ok(Parsed::leaf(Expr::Query(*query_use, Box::new(select)), span));
            }
            return self.call(word, span);
        }
        if word == "udf" && self.next_is(1, ".") {
            return Err(QueryError::not_supported("User-defined functions are not supported."));
        }
        let (name, span) = self.name()?;
        let alias = Alias { name, span, path: span, hops: 0 };
        Ok(Parsed::leaf(Expr::Path(Box::new(Base::Alias(alias)), Vec::new()), span))
    }
}

/// A number literal with a minus before it.
fn negated(number: &Number) -> Option<Value> {
    match number.as_i64().and_then(i64::checked_neg) {
        Some(integer) => Some(Value::from(integer)),
        None => crate::value::number(-number.as_f64()?),
    }
}
