//! ORDER BY RANK.
//!
//! Sources: the pages about ORDER BY RANK, FullTextScore and RRF in Microsoft's documentation; the tests of its .NET and Python SDKs for the
//! forms of terms and weights and for what is refused.

use serde_json::Value;

use super::Parser;
use super::function::wrong_count;
use crate::error::{QueryError, Span};
use crate::lexer::Token;
use crate::syntax::{Base, Constant, Expr, Function, Rank, Score};

impl Parser<'_> {
    /// What follows `ORDER BY RANK`.
    pub(super) fn rank(&mut self, start: Span) -> Result<Rank, QueryError> {
        if self.brackets > 0 {
            return Err(QueryError::located("ORDER BY RANK is not allowed in a subquery.", start));
        }
        let rank = if self.next_is_keyword(0, "RRF") && self.next_is(1, "(") {
            let start = self.span();
            self.position += 2;
            let (scores, weights) = self.within(")", Self::fused)?;
            if scores.len() < 2 {
                return Err(wrong_count("RRF", 2, usize::MAX, start.to(self.last_span())));
            }
            Rank { scores, weights }
        } else {
            Rank { scores: vec![self.score()?], weights: None }
        };
        if self.next_is_keyword(0, "ASC") || self.next_is_keyword(0, "DESC") {
            let message = "Specifying a sort order (ASC or DESC) in the ORDER BY RANK clause is not allowed.";
            return Err(QueryError::located(message, self.span()));
        }
        Ok(rank)
    }

    /// The arguments of RRF: scores, and an array with their weights.
    fn fused(&mut self) -> Result<(Vec<Score>, Option<Vec<f64>>), QueryError> {
        let mut scores = Vec::new();
        loop {
            if self.next_is(0, "[") || matches!(self.current().token, Token::Parameter(_)) {
                let weights = self.expression()?;
                let numbers = elements(&weights.expr)
                    .and_then(|weights| weights.iter().map(|weight| constant(weight)?.as_f64()).collect::<Option<_>>());
                return match numbers {
                    Some(numbers) if Vec::len(&numbers) == scores.len() => Ok((scores, Some(numbers))),
                    _ => {
                        let message = format!(
                            "The weights of RRF must be an array of {} numbers, one for each score.",
                            scores.len()
                        );
                        Err(QueryError::located(message, weights.span))
                    }
                };
            }
            scores.push(self.score()?);
            if !self.symbol(",") {
                return Ok((scores, None));
            }
        }
    }

    /// A call of FullTextScore or VectorDistance.
    fn score(&mut self) -> Result<Score, QueryError> {
        let start = self.span();
        if self.next_is_keyword(0, "FULLTEXTSCORE") && self.next_is(1, "(") {
            self.position += 2;
            let (arguments, _) = self.within(")", Self::list)?;
            return full_text(arguments, start.to(self.last_span()));
        }
        let score = self.expression()?;
        match score.expr {
            Expr::Call { function: Function::VectorDistance(_), .. } => Ok(Score::Vector(score.expr)),
            _ => {
                let message = "ORDER BY RANK needs FullTextScore, VectorDistance, or RRF of them.";
                Err(QueryError::located(message, score.span))
            }
        }
    }
}

fn full_text(arguments: Vec<Expr>, span: Span) -> Result<Score, QueryError> {
    if arguments.len() < 2 {
        return Err(wrong_count("FULLTEXTSCORE", 2, usize::MAX, span));
    }
    let mut arguments = arguments.into_iter();
    let Some(path) =
        arguments.next().filter(|path| matches!(path, Expr::Path(base, _) if matches!(**base, Base::Alias(_))))
    else {
        return Err(QueryError::located("The first argument of FullTextScore must be a property path.", span));
    };
    let mut terms = Vec::new();
    for argument in arguments {
        match elements(&argument) {
            // The terms may be in an array, as in the first form of the function.
            Some(elements) => terms.extend(elements),
            None => terms.push(argument),
        }
    }
    match terms.iter().find(|term| !constant(term).is_some_and(|term| term.is_string())) {
        None => Ok(Score::FullText { path, terms }),
        Some(term) if matches!(term, Expr::Object(_)) || constant(term).is_some_and(|term| term.is_object()) => {
            Err(QueryError::not_supported(
                "A term of FullTextScore that is an object (fuzzy search) is not supported; use a string.",
            ))
        }
        Some(_) => Err(QueryError::located("The terms of FullTextScore must be strings.", span)),
    }
}

fn constant(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Constant(Constant { value, .. }) => value.as_ref(),
        _ => None,
    }
}

/// The elements of an array, also of one that a parameter has.
fn elements(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Array(elements) => Some(elements.clone()),
        Expr::Constant(Constant { value: Some(Value::Array(elements)), .. }) => {
            let element = |value: &Value| Expr::Constant(Constant { value: Some(value.clone()), parameter: None });
            Some(elements.iter().map(element).collect())
        }
        _ => None,
    }
}
