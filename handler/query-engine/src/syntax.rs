//! The tree of a parsed query.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::error::Span;
use crate::functions::{Builtin, Partial};
use crate::vector::DistanceFunction;

/// A query or a subquery.
#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    pub distinct: bool,
    pub top: Option<u64>,
    pub projection: Projection,
    /// Where the SELECT list is.
    pub projection_span: Span,
    /// The source and what is joined to it; empty without FROM.
    pub sources: Vec<Source>,
    pub filter: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub order_by: Vec<OrderItem>,
    /// ORDER BY RANK.
    pub rank: Option<Rank>,
    pub page: Option<OffsetLimit>,
    /// How many aggregates the projection has.
    pub aggregates: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OffsetLimit {
    pub offset: u64,
    pub limit: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Projection {
    #[default]
    Star,
    Value(Box<Expr>),
    Items(Vec<Item>),
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub expr: Expr,
    /// The name of the property in the result.
    pub name: String,
    /// Whether the query gives the name with AS.
    pub is_named: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The name that expressions use; `None` for a subquery without a name.
    pub alias: Option<String>,
    /// Whether the query gives the name, and does not take it from the path.
    pub is_named: bool,
    /// `x IN path`.
    pub iterates: bool,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The container, or an alias of the query around, or a part of either.
    Path {
        root: Root,
        name: String,
        span: Span,
        steps: Vec<Step>,
    },
    Query(Box<Select>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Each document of the container.
    Container,
    /// An alias, by the number of sources between.
    Alias(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct OrderItem {
    pub expr: Expr,
    pub direction: Direction,
}

impl OrderItem {
    /// Whether the order is by a score, which has no document path.
    pub(crate) fn is_score(&self) -> bool {
        self.expr.vector_distance().is_some()
            || matches!(&self.expr, Expr::Call { function: Function::Builtin(builtin), .. } if builtin.name == FULL_TEXT_SCORE)
    }

    pub(crate) fn is_descending(&self) -> bool {
        match self.direction {
            Direction::Ascending => false,
            Direction::Descending => true,
            // The most similar come first.
            Direction::Default => {
                self.expr.vector_distance().is_some_and(|distance| distance != DistanceFunction::Euclidean)
            }
        }
    }
}

/// The function that clients call in the texts of the plan of a ranked query, in capitals.
pub(crate) const FULL_TEXT_SCORE: &str = "_FULLTEXTSCORE";

/// ORDER BY RANK, which clients compute by the plan of the query.
#[derive(Clone, Debug)]
pub(crate) struct Rank {
    pub scores: Vec<Score>,
    /// The weights of the scores in RRF; `None`: all count the same.
    pub weights: Option<Vec<f64>>,
}

/// What documents are ranked by.
#[derive(Clone, Debug)]
pub(crate) enum Score {
    /// FullTextScore(path, term, …).
    FullText { path: Expr, terms: Vec<Expr> },
    /// A call of VectorDistance.
    Vector(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Ascending, without ASC.
    Default,
    Ascending,
    Descending,
}

/// A scalar expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Constant(Constant),
    Path(Box<Base>, Vec<Step>),
    /// All are true. At least two, so that long conditions do not nest.
    And(Vec<Expr>),
    /// One is true. At least two. With an index, `index` says which can be.
    Or {
        operands: Vec<Expr>,
        index: Option<Arc<OrIndex>>,
    },
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<(Expr, Expr)>),
    Coalesce(Box<(Expr, Expr)>),
    Conditional(Box<(Expr, Expr, Expr)>),
    Between {
        negated: bool,
        operands: Box<(Expr, Expr, Expr)>,
    },
    In {
        negated: bool,
        needle: Box<Expr>,
        list: Vec<Expr>,
        /// The canonical texts of a long list of constants.
        values: Option<Arc<HashSet<String>>>,
    },
    Like {
        negated: bool,
        operands: Box<(Expr, Expr)>,
        escape: Option<char>,
    },
    Array(Vec<Expr>),
    Object(Vec<(String, Expr)>),
    Query(QueryUse, Box<Select>),
    /// `written` is the name as the query writes it.
    Call {
        function: Function,
        written: String,
        arguments: Vec<Expr>,
    },
    /// `index` is the number of the aggregate in its query.
    Aggregate {
        aggregate: Aggregate,
        written: String,
        argument: Box<Expr>,
        index: usize,
        span: Span,
    },
    /// The value of a GROUP BY expression, which the second field is equal to.
    GroupKey(usize, Box<Expr>),
}

impl Expr {
    /// The distance function, if it is a call of VectorDistance. Options that only the execution knows do not count.
    pub(crate) fn vector_distance(&self) -> Option<DistanceFunction> {
        let Self::Call { function: Function::VectorDistance(default), arguments, .. } = self else { return None };
        let option = match arguments.get(3) {
            Some(Self::Object(options)) => options.iter().find_map(|(name, value)| match value {
                Self::Constant(Constant { value: Some(value), .. }) if name == "distanceFunction" => value.as_str(),
                _ => None,
            }),
            Some(Self::Constant(Constant { value: Some(options), .. })) => {
                options.get("distanceFunction").and_then(Value::as_str)
            }
            _ => None,
        };
        Some(option.and_then(DistanceFunction::parse).unwrap_or(*default))
    }
}

/// Operands of OR that all compare the same path with a constant.
#[derive(Clone, Debug)]
pub(crate) struct OrIndex {
    pub path: Expr,
    /// The operands that can be true for a value of the path, by its canonical text.
    pub operands: HashMap<String, Vec<usize>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Constant {
    /// `None` is undefined.
    pub value: Option<Value>,
    /// The parameter that it comes from, with its `@`.
    pub parameter: Option<String>,
}

/// What a path starts from.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    Alias(Alias),
    Expr(Expr),
}

#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub name: String,
    pub span: Span,
    /// Where the path is that starts with the alias.
    pub path: Span,
    /// The number of sources between the expression and the source of the alias.
    pub hops: usize,
}

/// A step of a path.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `.name`
    Name(String),
    /// `["name"]`
    Text(String),
    /// `[0]`
    Index(usize),
    /// `[expression]`
    Computed(Expr),
}

impl Step {
    /// The property that it always goes to.
    pub(crate) fn property(&self) -> Option<&str> {
        match self {
            Self::Name(name) | Self::Text(name) => Some(name),
            Self::Computed(Expr::Constant(Constant { value: Some(Value::String(name)), .. })) => Some(name),
            Self::Index(_) | Self::Computed(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Minus,
    Plus,
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    ShiftRightZeroFill,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    Concat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryUse {
    /// The only value of a query with at most one row.
    Scalar,
    Exists,
    Array,
    All,
    First,
    Last,
}

#[derive(Clone, Copy)]
pub(crate) enum Function {
    Builtin(&'static Builtin),
    /// The current time less a number of parts.
    Ago,
    DocumentId,
    Iif,
    CurrentDateTime,
    CurrentTicks,
    CurrentTimestamp,
    /// The current time, or that and a number of parts.
    Now,
    Partial(&'static Partial),
    /// With the distance function that counts without options: that of the container's vector policy.
    VectorDistance(DistanceFunction),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Function {
    /// The name as the documentation writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Builtin(builtin) => builtin.name,
            Self::Ago => "AGO",
            Self::DocumentId => "DOCUMENTID",
            Self::Iif => "IIF",
            Self::CurrentDateTime => "GetCurrentDateTime",
            Self::CurrentTicks => "GetCurrentTicks",
            Self::CurrentTimestamp => "GetCurrentTimestamp",
            Self::Now => "NOW",
            Self::Partial(partial) => partial.name,
            Self::VectorDistance(_) => "VectorDistance",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    CountIf,
    Sum,
    Average,
    Min,
    Max,
    MakeList,
    MakeSet,
}

impl Aggregate {
    pub(crate) const ALL: [Self; 8] =
        [Self::Count, Self::CountIf, Self::Sum, Self::Average, Self::Min, Self::Max, Self::MakeList, Self::MakeSet];

    /// The name of the function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::CountIf => "COUNTIF",
            Self::Sum => "SUM",
            Self::Average => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::MakeList => "MAKELIST",
            Self::MakeSet => "MAKESET",
        }
    }

    /// The name in a query plan.
    pub(crate) fn plan_name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::CountIf => "CountIf",
            Self::Sum => "Sum",
            Self::Average => "Average",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::MakeList => "MakeList",
            Self::MakeSet => "MakeSet",
        }
    }
}
