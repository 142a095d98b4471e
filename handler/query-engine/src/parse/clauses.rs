//! The clauses of a query.

use serde_json::Value;

use super::{Parsed, Parser};
use crate::error::{QueryError, Span};
use crate::lexer::{Spanned, Token};
use crate::syntax::{
    Base, Direction, Expr, Item, OffsetLimit, OrderItem, Origin, Projection, Root, Select, Source, Step,
};

/// The most sources in a FROM clause: the service allows fewer.
const MAX_SOURCES: usize = 16;

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Select, QueryError> {
        self.expect_keyword("SELECT")?;
        let distinct = self.keyword("DISTINCT");
        let top = if self.keyword("TOP") { Some(self.top()?) } else { None };
        let start = self.span();
        let projection = self.projection()?;
        let projection_span = start.to(self.last_span());
        self.clauses(Select { distinct, top, projection, projection_span, ..Select::default() })
    }

    /// `FROM c WHERE …`, which is a query for the document.
    pub(super) fn condition(&mut self) -> Result<Select, QueryError> {
        if !self.next_is_keyword(0, "FROM") {
            return Err(self.unexpected());
        }
        let sources = self.from()?;
        self.expect_keyword("WHERE")?;
        let filter = Some(self.expression()?.expr);
        Ok(Select { sources, filter, ..Select::default() })
    }

    fn clauses(&mut self, mut select: Select) -> Result<Select, QueryError> {
        if self.next_is_keyword(0, "FROM") {
            select.sources = self.from()?;
        }
        if self.keyword("WHERE") {
            select.filter = Some(self.expression()?.expr);
        }
        if self.keyword("GROUP") {
            self.expect_keyword("BY")?;
            select.group_by = self.list()?.0;
        }
        let order_span = self.span();
        if self.keyword("ORDER") {
            self.expect_keyword("BY")?;
            if self.next_is_keyword(0, "RANK") && self.is_name(1) {
                self.position += 1;
                select.rank = Some(self.rank(order_span)?);
            } else {
                select.order_by = self.order_by()?;
            }
            if !select.group_by.is_empty() {
                let message = "'ORDER BY' is not allowed with 'GROUP BY'.";
                return Err(QueryError::located(message, order_span));
            }
        }
        if self.keyword("OFFSET") {
            let offset = self.count("SC2062", "The OFFSET count value exceeds the maximum allowed value.")?;
            self.expect_keyword("LIMIT")?;
            let limit = self.count("SC2061", "The LIMIT count value exceeds the maximum allowed value.")?;
            select.page = Some(OffsetLimit { offset, limit });
            if select.top.is_some() {
                return Err(QueryError::general("TOP is not allowed with OFFSET LIMIT."));
            }
        }
        Ok(select)
    }

    fn top(&mut self) -> Result<u64, QueryError> {
        self.count("SC2060", "The count value provided for a TOP clause must be an integer.")
    }

    /// A number of rows: an integer below 2^32, or a parameter with one.
    fn count(&mut self, code: &'static str, message: &'static str) -> Result<u64, QueryError> {
        let Spanned { token, span } = self.current().clone();
        let value = match &token {
            Token::Number(value) => value,
            Token::Parameter(name) => self.parameter(name, span)?,
            _ => return Err(self.unexpected()),
        };
        let count = match value {
            Value::Number(number) => number.as_f64(),
            _ => None,
        };
        self.position += 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        match count {
            Some(count) if count.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&count) => Ok(count as u64),
            _ => Err(QueryError::new(code, message, span)),
        }
    }

    fn projection(&mut self) -> Result<Projection, QueryError> {
        if self.symbol("*") {
            return Ok(Projection::Star);
        }
        if self.keyword("VALUE") {
            let value = self.expression()?.expr;
            // The documentation allows a name for the value, which has no use.
            self.alias()?;
            return Ok(Projection::Value(Box::new(value)));
        }
        let mut items: Vec<Item> = Vec::new();
        let mut unnamed = 0;
        loop {
            let Parsed { expr, span, .. } = self.expression()?;
            let given = self.alias()?;
            let is_named = given.is_some();
            let name = given.or_else(|| own_name(&expr)).unwrap_or_else(|| {
                unnamed += 1;
                format!("${unnamed}")
            });
            if items.iter().any(|item| item.name == name) {
                let message = format!("The SELECT list has two properties with the name '{name}'; name one with AS.");
                return Err(QueryError::located(message, span));
            }
            items.push(Item { expr, name, is_named });
            if !self.symbol(",") {
                return Ok(Projection::Items(items));
            }
        }
    }

    /// A name after an expression or a source, with or without AS.
    fn alias(&mut self) -> Result<Option<String>, QueryError> {
        let has_alias = self.keyword("AS") || self.is_name(0);
        if has_alias { Ok(Some(self.name()?.0)) } else { Ok(None) }
    }

    fn from(&mut self) -> Result<Vec<Source>, QueryError> {
        self.expect_keyword("FROM")?;
        let mut sources = vec![self.source()?];
        while self.keyword("JOIN") {
            if sources.len() == MAX_SOURCES {
                let message = format!("The FROM clause has more than {MAX_SOURCES} sources.");
                return Err(QueryError::located(message, self.span()));
            }
            sources.push(self.source()?);
        }
        Ok(sources)
    }

    fn source(&mut self) -> Result<Source, QueryError> {
        if self.is_name(0) && self.next_is_keyword(1, "IN") {
            let (alias, _) = self.name()?;
            self.position += 1;
            let origin = self.origin()?;
            return Ok(Source { alias: Some(alias), is_named: true, iterates: true, origin });
        }
        let origin = self.origin()?;
        let given = self.alias()?;
        let is_named = given.is_some();
        let alias = given.or_else(|| match &origin {
            Origin::Path { name, steps, .. } => match steps.last() {
                None => Some(name.clone()),
                Some(step) => step.property().map(str::to_owned),
            },
            Origin::Query(_) => None,
        });
        Ok(Source { alias, is_named, iterates: false, origin })
    }

    fn origin(&mut self) -> Result<Origin, QueryError> {
        if self.symbol("(") {
            let select = self.within(")", Self::select)?;
            return Ok(Origin::Query(Box::new(select)));
        }
        let (name, span) = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.symbol(".") {
                steps.push(Step::Name(self.name()?.0));
            } else if self.symbol("[") {
                steps.push(self.within("]", |parser| match parser.advance() {
                    Spanned { token: Token::Text(name), .. } => Ok(Step::Text(name)),
                    Spanned { token: Token::Number(index), span } => Ok(Step::Index(whole_index(&index, span)?)),
                    Spanned { token: Token::Parameter(name), span } => match parser.parameter(&name, span)? {
                        Value::String(name) => Ok(Step::Text(name.clone())),
                        index => Ok(Step::Index(whole_index(index, span)?)),
                    },
                    _ => {
                        parser.position -= 1;
                        Err(parser.unexpected())
                    }
                })?);
            } else {
                // The sources before decide what the name stands for.
                return Ok(Origin::Path { root: Root::Container, name, span, steps });
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<OrderItem>, QueryError> {
        let mut items = Vec::new();
        loop {
            let expr = self.expression()?.expr;
            let direction = if self.keyword("DESC") {
                Direction::Descending
            } else if self.keyword("ASC") {
                Direction::Ascending
            } else {
                Direction::Default
            };
            items.push(OrderItem { expr, direction });
            if !self.symbol(",") {
                return Ok(items);
            }
        }
    }
}

/// The index of an element.
pub(super) fn whole_index(index: &Value, span: Span) -> Result<usize, QueryError> {
    index
        .as_u64()
        .and_then(|index| usize::try_from(index).ok())
        .ok_or_else(|| QueryError::syntax(&index.to_string(), span))
}

/// The name that a path gives to its property in the result.
fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(base, steps) => match (&**base, steps.last()) {
            (Base::Alias(alias), None) => Some(alias.name.clone()),
            (_, Some(Step::Name(name) | Step::Text(name))) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}
