//! Puts the vector policy of a container into a query.

use crate::children::{ChildMut, visit_mut};
use crate::paths::{PathStep, Scope, enter, path};
use crate::syntax::{Expr, Function, Origin, Projection, Score, Select};
use crate::vector::VectorProperty;

/// Sets the distance function of each call of VectorDistance that has a property of the policy among its vectors.
pub(crate) fn apply(select: &mut Select, vectors: &[VectorProperty]) {
    Policy { vectors, scope: Scope::new() }.select(select);
}

struct Policy<'a> {
    vectors: &'a [VectorProperty],
    scope: Scope,
}

impl Policy<'_> {
    fn select(&mut self, select: &mut Select) {
        let outer = self.scope.len();
        for index in 0..select.sources.len() {
            if let Origin::Query(inner) = &mut select.sources[index].origin {
                self.select(inner);
            }
            let one = Select { sources: vec![select.sources[index].clone()], ..Select::default() };
            enter(&one, &mut self.scope);
        }
        match &mut select.projection {
            Projection::Star => {}
            Projection::Value(expr) => self.expr(expr),
            Projection::Items(items) => items.iter_mut().for_each(|item| self.expr(&mut item.expr)),
        }
        select.filter.iter_mut().chain(&mut select.group_by).for_each(|expr| self.expr(expr));
        select.order_by.iter_mut().for_each(|item| self.expr(&mut item.expr));
        for score in select.rank.iter_mut().flat_map(|rank| &mut rank.scores) {
            if let Score::Vector(distance) = score {
                self.expr(distance);
            }
        }
        self.scope.truncate(outer);
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let Expr::Call { function: Function::VectorDistance(distance), arguments, .. } = expr {
            let found = arguments.iter().take(2).find_map(|argument| self.property(argument));
            if let Some(property) = found {
                *distance = property.distance;
            }
        }
        visit_mut(expr, &mut |child| match child {
            ChildMut::Expr(child) => self.expr(child),
            ChildMut::Query(select) => self.select(select),
        });
    }

    /// The property of the policy that an expression is.
    fn property(&self, expr: &Expr) -> Option<&VectorProperty> {
        let path = path(expr, &self.scope)?;
        self.vectors.iter().find(|property| {
            property.path.len() == path.len()
                && property
                    .path
                    .iter()
                    .zip(&path)
                    .all(|(name, step)| matches!(step, PathStep::Property(found) if found == name))
        })
    }
}
