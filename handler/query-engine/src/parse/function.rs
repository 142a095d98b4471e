//! Calls of functions and aggregates.

use super::{Parsed, Parser, Shape, deeper};
use crate::error::{QueryError, Span};
use crate::functions;
use crate::syntax::{Aggregate, Expr, Function};
use crate::vector::DistanceFunction;

/// The functions that need more than their arguments: the name, the fewest and the most arguments.
const SPECIAL: &[(&str, usize, usize, Function)] = &[
    ("AGO", 2, 2, Function::Ago),
    ("DOCUMENTID", 1, 1, Function::DocumentId),
    ("IIF", 3, 3, Function::Iif),
    ("GETCURRENTDATETIME", 0, 0, Function::CurrentDateTime),
    ("GETCURRENTDATETIMESTATIC", 0, 0, Function::CurrentDateTime),
    ("GETCURRENTTICKS", 0, 0, Function::CurrentTicks),
    ("GETCURRENTTICKSSTATIC", 0, 0, Function::CurrentTicks),
    ("GETCURRENTTIMESTAMP", 0, 0, Function::CurrentTimestamp),
    ("GETCURRENTTIMESTAMPSTATIC", 0, 0, Function::CurrentTimestamp),
    ("NOW", 0, 2, Function::Now),
    ("VECTORDISTANCE", 2, 4, Function::VectorDistance(DistanceFunction::Cosine)),
    // In the texts that clients get with the plan of a ranked query.
    ("_VECTORSCORE", 2, 4, Function::VectorDistance(DistanceFunction::Cosine)),
];

/// The functions that rank documents.
pub(super) const RANKING: [&str; 2] = ["FULLTEXTSCORE", "RRF"];

/// Functions of the service that are not here, because no page of the documentation describes them.
const NOT_SUPPORTED: &[&str] = &["HASH"];

impl Parser<'_> {
    pub(super) fn call(&mut self, name: &str, start: Span) -> Result<Parsed, QueryError> {
        self.position += 2;
        let (arguments, depth) =
            self.within(")", |parser| if parser.next_is(0, ")") { Ok((Vec::new(), 0)) } else { parser.list() })?;
        let end = self.last_span();
        let span = start.to(end);
        let depth = deeper(depth, span)?;
        let written = name.to_owned();
        let upper = name.to_ascii_uppercase();
        if let Some(aggregate) = Aggregate::ALL.into_iter().find(|aggregate| aggregate.function() == upper) {
            let mut arguments = arguments.into_iter();
            let (Some(argument), None) = (arguments.next(), arguments.next()) else {
                return Err(wrong_count(&upper, 1, 1, span));
            };
            let expr = Expr::Aggregate { aggregate, written, argument: Box::new(argument), index: 0, span };
            return Ok(Parsed { expr, depth, shape: Shape::Other, span });
        }
        let special = SPECIAL.iter().find(|(special, ..)| *special == upper);
        if let Some(ranking) = RANKING.iter().find(|ranking| **ranking == upper) {
            let name = if *ranking == "RRF" { "RRF" } else { "FullTextScore" };
            let message = format!("The {name} function is only allowed in the ORDER BY RANK clause.");
            return Err(QueryError::new("SC2240", message, span));
        }
        let (function, min, max) = match (special, functions::find(name), functions::find_partial(name)) {
            (Some((_, min, max, function)), ..) => (*function, *min, *max),
            (None, Some(builtin), _) => (Function::Builtin(builtin), builtin.min, builtin.max),
            (None, None, Some(partial)) => (Function::Partial(partial), partial.min, partial.max),
            (None, None, None) if NOT_SUPPORTED.contains(&upper.as_str()) => {
                return Err(QueryError::not_supported(format!("The function {name} is not supported.")));
            }
            (None, None, None) => {
                let message = format!("'{name}' is not a recognized built-in function name.");
                return Err(QueryError::new("SC2005", message, start));
            }
        };
        if !(min..=max).contains(&arguments.len()) {
            return Err(wrong_count(&upper, min, max, span));
        }
        Ok(Parsed { expr: Expr::Call { function, written, arguments }, depth, shape: Shape::Other, span })
    }
}

pub(super) fn wrong_count(name: &str, min: usize, max: usize, span: Span) -> QueryError {
    let count = match (min, max) {
        (min, max) if min == max => format!("{min}"),
        (min, usize::MAX) => format!("at least {min}"),
        (min, max) => format!("{min} to {max}"),
    };
    QueryError::new("SC2050", format!("The {name} function requires {count} argument(s)."), span)
}
