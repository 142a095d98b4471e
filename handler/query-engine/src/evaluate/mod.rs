//! The value of an expression for one combination of the sources of a query.
//!
//! Comparison of different types: the documentation's table says undefined, also for `=`. The service answers otherwise, and its clients
//! rely on it: `c.x != null` finds the documents where `x` is a text or a number. It is what LINQ's `x != null` becomes, and tests of
//! Microsoft's .NET SDK compare its results with those in memory (`LinqGeneralBaselineTests`, with `NullableInt`). The interpreter that the
//! SDK's tests compare with the service (`ScalarExpressionEvaluator.PerformBinaryEquality`) has the rule: `=` and `!=` are undefined only
//! when an operand is undefined. `<`, `<=`, `>` and `>=` are undefined for different types, arrays and objects.

mod aggregates;
mod arithmetic;
mod call;
mod subquery;

pub(crate) use subquery::compare_keys;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::computed::ComputedProperty;
use crate::error::QueryError;
use crate::like;
use crate::syntax::{Base, Binary, Expr, Step, Unary};
use crate::value::{canonical, compare_same_type, equal};

/// A value that is borrowed where it can be; `None` is undefined.
pub(crate) type Evaluated<'a> = Option<Cow<'a, Value>>;

/// The most combinations of sources, such as a document and elements of its arrays, for one page: some seconds.
const MAX_COMBINATIONS: u64 = 20_000_000;

static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);

/// The documents of a container, one after the other.
pub(crate) trait Container {
    fn next(&self) -> Option<(Arc<Value>, u64)>;
}

/// What does not change while a page is computed.
pub(crate) struct Statement<'a> {
    pub container: &'a dyn Container,
    pub computed: &'a [ComputedProperty],
    /// 100 ns since 1970.
    pub ticks: u64,
    /// Why the query cannot be executed, found while executing it.
    pub failure: RefCell<Option<QueryError>>,
    pub failed: Cell<bool>,
    /// How many combinations of sources were examined.
    pub combinations: Cell<u64>,
}

/// A source of a query, with its value.
pub(crate) struct Frame<'a> {
    value: &'a Value,
    outer: Option<&'a Frame<'a>>,
    /// The position, if the value is a document.
    position: Option<u64>,
}

/// The values of a group.
#[derive(Debug, Default)]
pub(crate) struct GroupValues {
    pub keys: Vec<Option<Value>>,
    pub aggregates: Vec<Option<Value>>,
}

/// What an expression can refer to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub statement: &'a Statement<'a>,
    /// The document that stands for the container, with its position; without it, the container is read.
    pub document: Option<(&'a Value, u64)>,
    pub frame: Option<&'a Frame<'a>>,
    pub group: Option<&'a GroupValues>,
    pub computed: &'a [ComputedProperty],
}

impl<'a> Statement<'a> {
    pub(crate) fn fail(&self, error: QueryError) {
        self.failed.set(true);
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Counts a combination of sources. Fails the query after too many.
    pub(crate) fn count_combination(&self) {
        let count = self.combinations.get() + 1;
        self.combinations.set(count);
        if count > MAX_COMBINATIONS {
            let message =
                format!("The query examines more than {MAX_COMBINATIONS} combinations of its sources for one page.");
            self.fail(QueryError::general(message));
        }
    }

    pub(crate) fn scope(&'a self) -> Scope<'a> {
        Scope { statement: self, document: None, frame: None, group: None, computed: self.computed }
    }
}

fn truth<'a>(value: bool) -> Cow<'a, Value> {
    Cow::Borrowed(if value { &TRUE } else { &FALSE })
}

impl<'a> Scope<'a> {
    pub(crate) fn value(self, expr: &'a Expr) -> Evaluated<'a> {
        match expr {
            Expr::Constant(constant) => constant.value.as_ref().map(Cow::Borrowed),
            Expr::Path(base, steps) => self.path(base, steps),
            Expr::GroupKey(index, _) => {
                self.group.and_then(|group| group.keys.get(*index)?.as_ref()).map(Cow::Borrowed)
            }
            Expr::Aggregate { index, .. } => {
                self.group.and_then(|group| group.aggregates.get(*index)?.as_ref()).map(Cow::Borrowed)
            }
            Expr::Call { function, arguments, .. } => self.call(*function, arguments),
            Expr::Query(query_use, select) => self.query(*query_use, select),
            Expr::Array(elements) => self.array(elements),
            Expr::Object(properties) => self.object(properties),
            Expr::Binary(operator, operands) => self.binary(*operator, &operands.0, &operands.1),
            Expr::Unary(operator, operand) => self.unary(*operator, operand),
            Expr::Coalesce(operands) => self.value(&operands.0).or_else(|| self.value(&operands.1)),
            Expr::Conditional(operands) => {
                if self.is_true(&operands.0) {
                    self.value(&operands.1)
                } else {
                    self.value(&operands.2)
                }
            }
            _ => self.condition(expr).map(truth),
        }
    }

    /// Whether an expression is true: not false, undefined or no boolean.
    pub(crate) fn is_true(self, expr: &'a Expr) -> bool {
        match expr {
            Expr::And(operands) => operands.iter().all(|operand| self.is_true(operand)),
            Expr::Or { operands, index: None } => operands.iter().any(|operand| self.is_true(operand)),
            Expr::Or { operands, index: Some(index) } => {
                self.value(&index.path).and_then(|value| index.operands.get(&canonical(&value))).is_some_and(|found| {
                    found.iter().any(|at| operands.get(*at).is_some_and(|operand| self.is_true(operand)))
                })
            }
            other => self.condition(other) == Some(true),
        }
    }

    /// The value of an expression as a condition; `None` is undefined, and so is what is no boolean.
    fn condition(self, expr: &'a Expr) -> Option<bool> {
        match expr {
            Expr::And(operands) => self.connected(operands, false),
            Expr::Or { operands, .. } => self.connected(operands, true),
            Expr::Binary(operator, operands) if is_comparison(*operator) => {
                self.comparison(*operator, &operands.0, &operands.1)
            }
            Expr::Unary(Unary::Not, operand) => self.condition(operand).map(|value| !value),
            Expr::Between { negated, operands } => {
                let (value, low, high) = &**operands;
                let above = self.comparison(Binary::GreaterOrEqual, value, low);
                let below = self.comparison(Binary::LessOrEqual, value, high);
                let between = match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                between.map(|between| between != *negated)
            }
            Expr::In { negated, needle, values: Some(values), .. } => {
                Some(values.contains(&canonical(&*self.value(needle)?)) != *negated)
            }
            Expr::In { negated, needle, list, values: None } => {
                let needle = self.value(needle)?;
                let found =
                    list.iter().any(|element| self.value(element).is_some_and(|element| equal(&needle, &element)));
                Some(found != *negated)
            }
            Expr::Like { negated, operands, escape } => {
                let (text, pattern) = (self.value(&operands.0)?, self.value(&operands.1)?);
                let matches = like::matches(text.as_str()?, pattern.as_str()?, *escape);
                Some(matches != *negated)
            }
            other => self.value(other)?.as_bool(),
        }
    }

    /// The value of AND or OR, which one operand decides.
    fn connected(self, operands: &'a [Expr], decisive: bool) -> Option<bool> {
        let mut value = Some(!decisive);
        for operand in operands {
            match self.condition(operand) {
                Some(operand) if operand == decisive => return Some(decisive),
                Some(_) => {}
                None => value = None,
            }
        }
        value
    }

    fn comparison(self, operator: Binary, left: &'a Expr, right: &'a Expr) -> Option<bool> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        match operator {
            Binary::Equal => return Some(equal(&left, &right)),
            Binary::NotEqual => return Some(!equal(&left, &right)),
            _ => {}
        }
        let order = compare_same_type(&left, &right)?;
        Some(match operator {
            Binary::Less => order == Ordering::Less,
            Binary::LessOrEqual => order != Ordering::Greater,
            Binary::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        })
    }

    #[inline(never)]
    fn binary(self, operator: Binary, left: &'a Expr, right: &'a Expr) -> Evaluated<'a> {
        if is_comparison(operator) {
            return self.comparison(operator, left, right).map(truth);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        arithmetic::binary(operator, &left, &right).map(Cow::Owned)
    }

    #[inline(never)]
    fn unary(self, operator: Unary, operand: &'a Expr) -> Evaluated<'a> {
        if operator == Unary::Not {
            return self.condition(operand).map(|value| truth(!value));
        }
        arithmetic::unary(operator, &*self.value(operand)?).map(Cow::Owned)
    }

    #[inline(never)]
    fn array(self, elements: &'a [Expr]) -> Evaluated<'a> {
        let elements = elements.iter().filter_map(|element| self.value(element).map(Cow::into_owned)).collect();
        Some(Cow::Owned(Value::Array(elements)))
    }

    #[inline(never)]
    fn object(self, properties: &'a [(String, Expr)]) -> Evaluated<'a> {
        let mut object = Map::with_capacity(properties.len());
        for (name, expr) in properties {
            if let Some(value) = self.value(expr) {
                object.insert(name.clone(), value.into_owned());
            }
        }
        Some(Cow::Owned(Value::Object(object)))
    }

    pub(crate) fn source(self, hops: usize) -> Option<&'a Frame<'a>> {
        let mut frame = self.frame?;
        for _ in 0..hops {
            frame = frame.outer?;
        }
        Some(frame)
    }

    fn path(self, base: &'a Base, steps: &'a [Step]) -> Evaluated<'a> {
        match base {
            Base::Alias(alias) => {
                let frame = self.source(alias.hops)?;
                if frame.position.is_some()
                    && let Some(property) = self.computed_property(steps)
                {
                    return self.computed_value(frame, property, &steps[1..]);
                }
                self.steps(frame.value, steps).map(Cow::Borrowed)
            }
            Base::Expr(expr) => match self.value(expr)? {
                Cow::Borrowed(value) => self.steps(value, steps).map(Cow::Borrowed),
                Cow::Owned(value) => self.owned_steps(value, steps),
            },
        }
    }

    /// What a path goes to.
    pub(crate) fn steps<'v>(self, value: &'v Value, steps: &'a [Step]) -> Option<&'v Value> {
        let mut value = value;
        for step in steps {
            value = match step {
                Step::Name(name) | Step::Text(name) => value.as_object()?.get(name)?,
                Step::Index(index) => value.as_array()?.get(*index)?,
                Step::Computed(expr) => match &*self.value(expr)? {
                    Value::String(name) => value.as_object()?.get(name)?,
                    Value::Number(index) => value.as_array()?.get(usize::try_from(index.as_u64()?).ok()?)?,
                    _ => return None,
                },
            };
        }
        Some(value)
    }

    #[inline(never)]
    fn owned_steps(self, value: Value, steps: &'a [Step]) -> Evaluated<'a> {
        self.steps(&value, steps).cloned().map(Cow::Owned)
    }

    /// The computed property that the first step of a path from the document names. It has precedence over a property of the document,
    /// which the documentation of computed properties says.
    fn computed_property(self, steps: &[Step]) -> Option<&'a ComputedProperty> {
        if self.computed.is_empty() {
            return None;
        }
        let name = steps.first()?.property()?;
        self.computed.iter().find(|property| property.name == name)
    }

    #[inline(never)]
    fn computed_value(self, frame: &'a Frame<'a>, property: &'a ComputedProperty, rest: &'a [Step]) -> Evaluated<'a> {
        // Its query cannot refer to computed properties.
        let document = Some((frame.value, frame.position?));
        let value = Scope { document, frame: None, group: None, computed: &[], ..self }.first_row(&property.select)?;
        self.owned_steps(value, rest)
    }
}

fn is_comparison(operator: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    matches!(operator, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
}
