//! What a filter says about properties: which keys and which values a document must have.

use std::collections::HashSet;
use std::ops::Bound;

use serde_json::Value;

use crate::paths::{PathStep, PropertyPath, Scope, enter, path};
use crate::syntax::{Binary, Constant, Expr, Select, Unary};
use crate::value::{canonical, equal};

/// The most combinations of values that are followed.
const MAX_COMBINATIONS: usize = 10_000;

/// The values of some paths that a document needs to be in the result.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyFilter {
    /// The filter says nothing about the first path.
    Any,
    /// One of these lists: the values of the first paths, at least of one. Without a list, no document is in the result.
    Values(Vec<Vec<Value>>),
}

/// A condition that each document of the result meets.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The property.
    pub path: Vec<String>,
    /// Its values.
    pub values: Values,
}

/// The values of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// One of these.
    Equal(Vec<Value>),
    /// A value of the same type within the bounds.
    Range(Bound<Value>, Bound<Value>),
}

/// The values of paths in one way to meet a filter; `None` is any value.
type Combination = Vec<Option<Value>>;

/// What a filter says about the values of paths.
pub(crate) fn key_filter(select: &Select, paths: &[Vec<String>]) -> KeyFilter {
    let Some(filter) = &select.filter else { return KeyFilter::Any };
    let finder = Finder::new(select, paths);
    let mut known = HashSet::new();
    let mut lists = Vec::new();
    for combination in finder.combinations(filter) {
        let values: Vec<Value> = combination.into_iter().map_while(|value| value).collect();
        if values.is_empty() {
            return KeyFilter::Any;
        }
        let text: Vec<String> = values.iter().map(canonical).collect();
        if known.insert(text) {
            lists.push(values);
        }
    }
    KeyFilter::Values(lists)
}

/// The conditions of a filter that AND connects, about properties of the document.
pub(crate) fn conditions(select: &Select) -> Vec<Condition> {
    let mut scope = Scope::new();
    enter(select, &mut scope);
    let mut conditions = Vec::new();
    if let Some(filter) = &select.filter {
        add_conditions(filter, &scope, &mut conditions);
    }
    conditions
}

fn add_conditions(expr: &Expr, scope: &Scope, conditions: &mut Vec<Condition>) {
    let property = |expr: &Expr| path(expr, scope).and_then(names);
    let mut add = |path: Vec<String>, values| conditions.push(Condition { path, values });
    match expr {
        Expr::And(operands) => operands.iter().for_each(|operand| add_conditions(operand, scope, conditions)),
        Expr::Binary(operator, operands) => {
            let (left, right) = &**operands;
            let (found, value, operator) = match (property(left), constant(right)) {
                (Some(found), Some(value)) => (found, value, *operator),
                _ => match (property(right), constant(left)) {
                    (Some(found), Some(value)) => (found, value, mirrored(*operator)),
                    _ => return,
                },
            };
            let value = value.clone();
            match operator {
                Binary::Equal => add(found, Values::Equal(vec![value])),
                Binary::Less => add(found, Values::Range(Bound::Unbounded, Bound::Excluded(value))),
                Binary::LessOrEqual => add(found, Values::Range(Bound::Unbounded, Bound::Included(value))),
                Binary::Greater => add(found, Values::Range(Bound::Excluded(value), Bound::Unbounded)),
                Binary::GreaterOrEqual => add(found, Values::Range(Bound::Included(value), Bound::Unbounded)),
                _ => {}
            }
        }
        Expr::Between { negated: false, operands } => {
            let (value, low, high) = &**operands;
            if let (Some(found), Some(low), Some(high)) = (property(value), constant(low), constant(high)) {
                add(found, Values::Range(Bound::Included(low.clone()), Bound::Included(high.clone())));
            }
        }
        Expr::In { negated: false, needle, list, .. } => {
            let values: Option<Vec<Value>> = list.iter().map(|element| constant(element).cloned()).collect();
            if let (Some(found), Some(values)) = (property(needle), values) {
                add(found, Values::Equal(values));
            }
        }
        _ => {}
    }
}

fn mirrored(operator: Binary) -> Binary {
    match operator {
        Binary::Less => Binary::Greater,
        Binary::LessOrEqual => Binary::GreaterOrEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterOrEqual => Binary::LessOrEqual,
        other => other,
    }
}

fn constant(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Constant(Constant { value, .. }) => value.as_ref(),
        _ => None,
    }
}

/// The names of a path without elements of arrays.
fn names(path: PropertyPath) -> Option<Vec<String>> {
    let name = |step| match step {
        PathStep::Property(name) => Some(name),
        PathStep::Elements => None,
    };
    let names: Option<Vec<String>> = path.into_iter().map(name).collect();
    names.filter(|names| !names.is_empty())
}

struct Finder<'a> {
    scope: Scope,
    paths: &'a [Vec<String>],
}

impl<'a> Finder<'a> {
    fn new(select: &Select, paths: &'a [Vec<String>]) -> Self {
        let mut scope = Scope::new();
        enter(select, &mut scope);
        Self { scope, paths }
    }

    /// The number of the path that an expression is.
    fn index(&self, expr: &Expr) -> Option<usize> {
        let names = names(path(expr, &self.scope)?)?;
        self.paths.iter().position(|path| *path == names)
    }

    fn any(&self) -> Vec<Combination> {
        vec![vec![None; self.paths.len()]]
    }

    fn one(&self, index: usize, value: Value) -> Combination {
        let mut combination = vec![None; self.paths.len()];
        combination[index] = Some(value);
        combination
    }

    /// The ways to meet a condition. None is left out, but a combination can be one that does not meet it.
    fn combinations(&self, expr: &Expr) -> Vec<Combination> {
        match expr {
            Expr::Constant(Constant { value, .. }) if *value != Some(Value::Bool(true)) => Vec::new(),
            Expr::And(operands) => {
                let mut all = self.any();
                for operand in operands {
                    let next = self.combinations(operand);
                    if all.len().saturating_mul(next.len()) <= MAX_COMBINATIONS {
                        all = all.iter().flat_map(|a| next.iter().filter_map(|b| merged(a, b))).collect();
                    }
                }
                all
            }
            Expr::Or { operands, .. } => {
                let mut all = Vec::new();
                for operand in operands {
                    all.extend(self.combinations(operand));
                    if all.len() > MAX_COMBINATIONS {
                        return self.any();
                    }
                }
                all
            }
            Expr::Binary(Binary::Equal, operands) => {
                let (left, right) = &**operands;
                let found = self.index(left).map(|index| (index, right)).or_else(|| Some((self.index(right)?, left)));
                match found {
                    Some((index, Expr::Constant(Constant { value: Some(value), .. }))) => {
                        vec![self.one(index, value.clone())]
                    }
                    _ => self.any(),
                }
            }
            Expr::In { negated: false, needle, list, .. } => self.one_of(needle, list),
            Expr::Unary(Unary::Not, operand) => match self.index(operand) {
                Some(index) => vec![self.one(index, Value::Bool(false))],
                None => self.any(),
            },
            Expr::Path(..) => match self.index(expr) {
                Some(index) => vec![self.one(index, Value::Bool(true))],
                None => self.any(),
            },
            Expr::Call { written, arguments, .. } => match arguments.as_slice() {
                [Expr::Array(list), needle] if written.eq_ignore_ascii_case("ARRAY_CONTAINS") => {
                    self.one_of(needle, list)
                }
                [Expr::Constant(Constant { value: Some(Value::Array(list)), .. }), needle]
                    if written.eq_ignore_ascii_case("ARRAY_CONTAINS") =>
                {
                    match self.index(needle) {
                        Some(index) => list.iter().map(|value| self.one(index, value.clone())).collect(),
                        None => self.any(),
                    }
                }
                _ => self.any(),
            },
            _ => self.any(),
        }
    }

    fn one_of(&self, needle: &Expr, list: &[Expr]) -> Vec<Combination> {
        let values: Option<Vec<&Value>> = list.iter().map(constant).collect();
        match (self.index(needle), values) {
            (Some(index), Some(values)) => values.into_iter().map(|value| self.one(index, value.clone())).collect(),
            _ => self.any(),
        }
    }
}

/// Both of two combinations; `None` if they contradict each other.
fn merged(a: &Combination, b: &Combination) -> Option<Combination> {
    let both = |(a, b): (&Option<Value>, &Option<Value>)| match (a, b) {
        (Some(a), Some(b)) if !equal(a, b) => None,
        (Some(value), _) | (None, Some(value)) => Some(Some(value.clone())),
        (None, None) => Some(None),
    };
    a.iter().zip(b).map(both).collect()
}
