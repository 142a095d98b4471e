//! Groups of rows and their aggregates.
//!
//! Sources: the pages of the functions in Microsoft's documentation (undefined arguments are ignored; one argument of SUM or AVG that is no
//! number makes the result undefined; MIN and MAX compare across types), and the aggregators of the .NET SDK, which merge the results of
//! partitions: a partition without arguments must say 0 for SUM, and MIN and MAX of an array or an object are undefined.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{GroupValues, Scope};
use crate::children::{Child, visit};
use crate::syntax::{Aggregate, Expr, Projection, Select};
use crate::value::{canonical, number, sort_order};

/// The groups of a query. They come in the order of their values: so do the results in Microsoft's samples of GROUP BY, and pages of them
/// do not depend on the order of documents.
pub(super) struct Groups<'a> {
    keys: &'a [Expr],
    calls: Vec<(Aggregate, &'a Expr)>,
    groups: Vec<(Vec<Option<Value>>, Vec<Accumulator>)>,
    index: HashMap<String, usize>,
}

enum Accumulator {
    Count(u64),
    /// The sum, and the number of arguments; `None` after one that is no number.
    Sum(Option<(f64, u64)>),
    /// The extreme so far; `None` inside after one that cannot be compared.
    Extreme(Option<Option<Value>>),
    List(Vec<Value>, HashSet<String>),
}

impl<'a> Groups<'a> {
    pub(super) fn new(select: &'a Select) -> Self {
        let mut calls = Vec::new();
        match &select.projection {
            Projection::Star => {}
            Projection::Value(expr) => collect(expr, &mut calls),
            Projection::Items(items) => items.iter().for_each(|item| collect(&item.expr, &mut calls)),
        }
        let mut groups = Self { keys: &select.group_by, calls, groups: Vec::new(), index: HashMap::new() };
        // Without GROUP BY, there is one group, which can be empty.
        if groups.keys.is_empty() {
            let empty = groups.empty();
            groups.groups.push((Vec::new(), empty));
        }
        groups
    }

    fn empty(&self) -> Vec<Accumulator> {
        let accumulator = |aggregate: &Aggregate| match aggregate {
            Aggregate::Count | Aggregate::CountIf => Accumulator::Count(0),
            Aggregate::Sum | Aggregate::Average => Accumulator::Sum(Some((0.0, 0))),
            Aggregate::Min | Aggregate::Max => Accumulator::Extreme(Some(None)),
            Aggregate::MakeList | Aggregate::MakeSet => Accumulator::List(Vec::new(), HashSet::new()),
        };
        self.calls.iter().map(|(aggregate, _)| accumulator(aggregate)).collect()
    }

    /// Adds a row to its group.
    pub(super) fn add(&mut self, scope: Scope<'_>) {
        let group = if self.keys.is_empty() { 0 } else { self.group(scope) };
        let calls = &self.calls;
        let Some((_, accumulators)) = self.groups.get_mut(group) else { return };
        for ((aggregate, argument), accumulator) in calls.iter().zip(accumulators) {
            if let Some(value) = scope.value(argument) {
                accumulator.add(*aggregate, &value);
            }
        }
    }

    fn group(&mut self, scope: Scope<'_>) -> usize {
        let values: Vec<_> = self.keys.iter().map(|key| scope.value(key)).collect();
        let texts: Vec<_> = values.iter().map(|value| value.as_deref().map_or_else(String::new, canonical)).collect();
        // A canonical text has no control character.
        let text = texts.join("\u{1}");
        if let Some(group) = self.index.get(&text) {
            return *group;
        }
        let group = self.groups.len();
        let keys = values.into_iter().map(|value| value.map(std::borrow::Cow::into_owned)).collect();
        let empty = self.empty();
        self.groups.push((keys, empty));
        self.index.insert(text, group);
        group
    }

    pub(super) fn finish(mut self) -> impl Iterator<Item = GroupValues> {
        self.groups.sort_by(|(a, _), (b, _)| {
            let orders = a.iter().zip(b).map(|(a, b)| sort_order(a.as_ref(), b.as_ref()));
            orders.fold(Ordering::Equal, Ordering::then)
        });
        let calls: Vec<Aggregate> = self.calls.iter().map(|(aggregate, _)| *aggregate).collect();
        self.groups.into_iter().map(move |(keys, accumulators)| {
            let aggregates =
                calls.iter().zip(accumulators).map(|(aggregate, accumulator)| accumulator.finish(*aggregate)).collect();
            GroupValues { keys, aggregates }
        })
    }
}

/// The aggregates of an expression, by their numbers.
fn collect<'a>(expr: &'a Expr, calls: &mut Vec<(Aggregate, &'a Expr)>) {
    if let Expr::Aggregate { aggregate, argument, .. } = expr {
        calls.push((*aggregate, argument));
        return;
    }
    visit(expr, &mut |child| {
        if let Child::Expr(child) = child {
            collect(child, calls);
        }
    });
}

impl Accumulator {
    fn add(&mut self, aggregate: Aggregate, value: &Value) {
        match self {
            Self::Count(count) => {
                *count += u64::from(aggregate == Aggregate::Count || *value == Value::Bool(true));
            }
            Self::Sum(sum) => {
                *sum = match (sum.take(), value) {
                    (Some((sum, count)), Value::Number(number)) => {
                        number.as_f64().map(|number| (sum + number, count + 1))
                    }
                    _ => None,
                };
            }
            Self::Extreme(Some(extreme)) => {
                if value.is_array() || value.is_object() {
                    *self = Self::Extreme(None);
                    return;
                }
                let wanted = if aggregate == Aggregate::Min { Ordering::Less } else { Ordering::Greater };
                if extreme.is_none() || sort_order(Some(value), extreme.as_ref()) == wanted {
                    *extreme = Some(value.clone());
                }
            }
            Self::Extreme(None) => {}
            Self::List(list, known) => {
                if aggregate == Aggregate::MakeList || known.insert(canonical(value)) {
                    list.push(value.clone());
                }
            }
        }
    }

    fn finish(self, aggregate: Aggregate) -> Option<Value> {
        #[expect(clippy::cast_precision_loss, reason = "numbers are doubles")]
        match self {
            Self::Count(count) => Some(Value::from(count)),
            Self::Sum(sum) => match (aggregate, sum?) {
                (Aggregate::Average, (_, 0)) => None,
                (Aggregate::Average, (sum, count)) => number(sum / count as f64),
                (_, (sum, _)) => number(sum),
            },
            Self::Extreme(extreme) => extreme.flatten(),
            Self::List(list, _) => Some(Value::Array(list)),
        }
    }
}
