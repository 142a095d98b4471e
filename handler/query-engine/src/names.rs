//! Resolves the names of a query, and checks what the grammar cannot: aliases, aggregates and GROUP BY.

use crate::children::{ChildMut, visit_mut};
use crate::error::{QueryError, Span};
use crate::grouping;
use crate::syntax::{Base, Expr, Origin, Projection, Root, Score, Select, Step};

/// Resolves every alias to the number of sources between its use and its source.
pub(crate) fn resolve(select: &mut Select) -> Result<(), QueryError> {
    Resolver::default().select(select, true)?;
    // Subqueries sort values, not documents.
    if select.order_by.iter().any(|item| !item.is_score() && !is_document_path(&item.expr)) {
        let message = "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.";
        return Err(QueryError { code: Some("2206"), ..QueryError::general(message) });
    }
    Ok(())
}

#[derive(Default)]
struct Resolver {
    /// The aliases in scope, the outermost first. Subqueries without a name have `None`.
    scope: Vec<Option<String>>,
}

/// Where an expression stands.
struct Place {
    /// Whether aggregates are allowed.
    allows_aggregates: bool,
    /// The aggregate that it is the argument of.
    in_aggregate: Option<Span>,
    /// The aggregates so far.
    aggregates: usize,
}

impl Resolver {
    /// `has_container` is whether a name that is no alias stands for the container.
    fn select(&mut self, select: &mut Select, has_container: bool) -> Result<(), QueryError> {
        let outer = self.scope.len();
        for source in &mut select.sources {
            let is_first = self.scope.is_empty() && has_container;
            match &mut source.origin {
                Origin::Path { root, name, span, .. } => *root = self.root(name, *span, is_first)?,
                Origin::Query(select) => self.select(select, is_first)?,
            }
            if let Some(alias) = &source.alias
                && self.scope[outer..].iter().flatten().any(|known| known == alias)
            {
                let message = format!("The input alias '{alias}' is specified more than once in the FROM clause.");
                return Err(QueryError::general(message));
            }
            self.scope.push(source.alias.clone());
        }
        self.projection(select)?;
        if let Some(filter) = &mut select.filter {
            self.plain(filter)?;
        }
        for expr in &mut select.group_by {
            self.plain(expr)?;
        }
        for item in &mut select.order_by {
            self.plain(&mut item.expr)?;
        }
        for score in select.rank.iter_mut().flat_map(|rank| &mut rank.scores) {
            match score {
                Score::FullText { path, terms } => {
                    self.plain(path)?;
                    terms.iter_mut().try_for_each(|term| self.plain(term))?;
                }
                Score::Vector(distance) => self.plain(distance)?,
            }
        }
        self.scope.truncate(outer);
        if select.aggregates > 0 || !select.group_by.is_empty() {
            grouping::group(select)?;
        }
        Ok(())
    }

    fn projection(&mut self, select: &mut Select) -> Result<(), QueryError> {
        let mut place = Place { allows_aggregates: true, in_aggregate: None, aggregates: 0 };
        match &mut select.projection {
            Projection::Star => {
                let message = match select.sources.len() {
                    _ if !select.group_by.is_empty() => Some(("SC2041", "'SELECT *' is not allowed with GROUP BY.")),
                    0 => Some(("SC2039", "'SELECT *' is not valid if FROM clause is omitted.")),
                    1 => None,
                    _ => Some(("SC2040", "'SELECT *' is only valid with a single input set.")),
                };
                if let Some((code, message)) = message {
                    return Err(QueryError::new(code, message, select.projection_span));
                }
            }
            Projection::Value(expr) => self.expr(expr, &mut place)?,
            Projection::Items(items) => {
                for item in items {
                    self.expr(&mut item.expr, &mut place)?;
                }
            }
        }
        select.aggregates = place.aggregates;
        Ok(())
    }

    fn root(&self, name: &str, span: Span, is_first: bool) -> Result<Root, QueryError> {
        match self.hops(name) {
            Some(hops) => Ok(Root::Alias(hops)),
            None if is_first => Ok(Root::Container),
            None => Err(unresolved(name, span)),
        }
    }

    fn hops(&self, name: &str) -> Option<usize> {
        self.scope.iter().rev().position(|alias| alias.as_deref() == Some(name))
    }

    /// An expression outside the SELECT clause.
    fn plain(&mut self, expr: &mut Expr) -> Result<(), QueryError> {
        self.expr(expr, &mut Place { allows_aggregates: false, in_aggregate: None, aggregates: 0 })
    }

    fn expr(&mut self, expr: &mut Expr, place: &mut Place) -> Result<(), QueryError> {
        let outer = place.in_aggregate;
        match expr {
            Expr::Path(base, _) => {
                if let Base::Alias(alias) = &mut **base {
                    alias.hops = self.hops(&alias.name).ok_or_else(|| unresolved(&alias.name, alias.span))?;
                }
            }
            Expr::Aggregate { index, span, .. } => {
                if let Some(outer) = place.in_aggregate {
                    return Err(nested(outer));
                }
                if !place.allows_aggregates {
                    let message = "An aggregate function is allowed only in the SELECT clause.";
                    return Err(QueryError::located(message, *span));
                }
                *index = place.aggregates;
                place.aggregates += 1;
                place.in_aggregate = Some(*span);
            }
            Expr::Query(..) => {
                if let Some(outer) = place.in_aggregate {
                    return Err(nested(outer));
                }
            }
            _ => {}
        }
        let mut result = Ok(());
        visit_mut(expr, &mut |child| {
            if result.is_ok() {
                result = match child {
                    ChildMut::Expr(child) => self.expr(child, place),
                    ChildMut::Query(select) => self.select(select, false),
                };
            }
        });
        place.in_aggregate = outer;
        result
    }
}

/// Whether an expression leads to a place in a document.
fn is_document_path(expr: &Expr) -> bool {
    match expr {
        Expr::Path(base, steps) => {
            matches!(**base, Base::Alias(_))
                && steps.iter().all(|step| matches!(step, Step::Index(_)) || step.property().is_some())
        }
        _ => false,
    }
}

fn nested(aggregate: Span) -> QueryError {
    let message = "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.";
    QueryError::new("SC2101", message, aggregate)
}

fn unresolved(name: &str, span: Span) -> QueryError {
    QueryError::new("SC2001", format!("Identifier '{name}' could not be resolved."), span)
}
