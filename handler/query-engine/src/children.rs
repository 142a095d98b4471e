//! The expressions directly within an expression.

use crate::syntax::{Base, Expr, Select, Step};

/// What is directly within an expression.
pub(crate) enum Child<'a> {
    Expr(&'a Expr),
    Query(&'a Select),
}

/// The same, to change it.
pub(crate) enum ChildMut<'a> {
    Expr(&'a mut Expr),
    Query(&'a mut Select),
}

macro_rules! children {
    ($expr:expr, $visit:expr, $child:ident, $iter:ident $(, $mutable:tt)?) => {
        match $expr {
            Expr::Constant(_) => {}
            Expr::Path(base, steps) => {
                if let Base::Expr(expr) = &$($mutable)? **base {
                    $visit($child::Expr(expr));
                }
                for step in steps.$iter() {
                    if let Step::Computed(expr) = step {
                        $visit($child::Expr(expr));
                    }
                }
            }
            Expr::And(list) | Expr::Or { operands: list, .. } | Expr::Array(list) => list.$iter().for_each(|expr| $visit($child::Expr(expr))),
            Expr::Call { arguments, .. } => arguments.$iter().for_each(|expr| $visit($child::Expr(expr))),
            Expr::Unary(_, expr) | Expr::Aggregate { argument: expr, .. } | Expr::GroupKey(_, expr) => $visit($child::Expr(expr)),
            Expr::Binary(_, operands) | Expr::Coalesce(operands) | Expr::Like { operands, .. } => {
                let (first, second) = &$($mutable)? **operands;
                $visit($child::Expr(first));
                $visit($child::Expr(second));
            }
            Expr::Conditional(operands) | Expr::Between { operands, .. } => {
                let (first, second, third) = &$($mutable)? **operands;
                $visit($child::Expr(first));
                $visit($child::Expr(second));
                $visit($child::Expr(third));
            }
            Expr::In { needle, list, .. } => {
                $visit($child::Expr(needle));
                list.$iter().for_each(|expr| $visit($child::Expr(expr)));
            }
            Expr::Object(properties) => properties.$iter().for_each(|(_, expr)| $visit($child::Expr(expr))),
            Expr::Query(_, select) => $visit($child::Query(select)),
        }
    };
}

/// Visits what is directly within an expression, in the order of the text.
pub(crate) fn visit<'a>(expr: &'a Expr, visit: &mut dyn FnMut(Child<'a>)) {
    children!(expr, visit, Child, iter);
}

/// Visits what is directly within an expression, to change it.
pub(crate) fn visit_mut(expr: &mut Expr, visit: &mut dyn FnMut(ChildMut<'_>)) {
    children!(expr, visit, ChildMut, iter_mut, mut);
}
