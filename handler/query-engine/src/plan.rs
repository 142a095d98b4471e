//! The plan by which clients merge the results of a query over several ranges.
//!
//! The rewritten texts are those of the public plan tests of Microsoft's .NET SDK (`QueryPlanBaselineTests`).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::QueryError;
use crate::print::{expression, query, quoted};
use crate::syntax::{
    Aggregate, Alias, Base, Constant, Expr, OffsetLimit, OrderItem, Origin, Projection, Root, Select, Source,
};

/// Where clients put the filter by which they resume a sort.
const RESUME_FILTER: &str = "{documentdb-formattableorderbyquery-filter}";

/// What the service calls `queryInfo`. As JSON, it is what clients read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `None`, `Ordered` (equal rows come one after the other) or `Unordered`.
    pub distinct_type: &'static str,
    /// The rows that TOP allows.
    pub top: Option<u64>,
    /// The rows that OFFSET skips.
    pub offset: Option<u64>,
    /// The rows that LIMIT allows.
    pub limit: Option<u64>,
    /// `Ascending` or `Descending`, for each ORDER BY expression.
    pub order_by: Vec<&'static str>,
    /// The texts of the ORDER BY expressions.
    pub order_by_expressions: Vec<String>,
    /// The texts of the GROUP BY expressions.
    pub group_by_expressions: Vec<String>,
    /// The names in the SELECT list, if it has aggregates or there is GROUP BY.
    pub group_by_aliases: Vec<String>,
    /// The aggregate of SELECT VALUE.
    pub aggregates: Vec<&'static str>,
    /// The aggregate of each name in the SELECT list, or null.
    pub group_by_alias_to_aggregate_type: Map<String, Value>,
    /// The text to send to each range; empty: the query itself.
    pub rewritten_query: String,
    /// Whether it is SELECT VALUE.
    pub has_select_value: bool,
    /// Whether the order is one that ranges cannot resume.
    pub has_non_streaming_order_by: bool,
    /// For a count of distinct rows, which the client counts.
    pub d_count_info: Option<DistinctCount>,
}

impl Plan {
    /// What a client must be able to merge, in the words of the header `x-ms-cosmos-supported-query-features`. A client that does not name
    /// one of these there would merge wrongly.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let named = self.group_by_alias_to_aggregate_type.values().filter_map(Value::as_str);
        let aggregates: Vec<&str> = self.aggregates.iter().copied().chain(named).collect();
        let is_grouped = !self.group_by_expressions.is_empty();
        let uses = |names: &[&str]| aggregates.iter().any(|aggregate| names.contains(aggregate));
        let features = [
            ("Aggregate", !aggregates.is_empty()),
            ("CountIf", uses(&["CountIf"])),
            ("DCount", self.d_count_info.is_some()),
            ("Distinct", self.distinct_type != "None"),
            ("GroupBy", is_grouped),
            ("ListAndSetAggregate", uses(&["MakeList", "MakeSet"])),
            ("MultipleAggregates", aggregates.len() > 1),
            ("MultipleOrderBy", self.order_by.len() > 1),
            ("NonStreamingOrderBy", self.has_non_streaming_order_by),
            ("NonValueAggregate", !aggregates.is_empty() && !is_grouped && !self.has_select_value),
            ("OffsetAndLimit", self.offset.is_some()),
            ("OrderBy", !self.order_by.is_empty()),
            ("Top", self.top.is_some()),
        ];
        features.into_iter().filter(|(_, is_needed)| *is_needed).map(|(name, _)| name).collect()
    }
}

/// A count of distinct rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DistinctCount {
    /// The name of the count in the result; empty with SELECT VALUE.
    pub d_count_alias: String,
}

/// The plan of a query.
pub(crate) fn plan(select: &Select) -> Result<Plan, QueryError> {
    if select.rank.is_some() {
        return Err(QueryError::general("A query with ORDER BY RANK has a plan of another kind."));
    }
    if let Some(plan) = distinct_count(select) {
        return Ok(plan);
    }
    let has_groups = !select.group_by.is_empty();
    let mut plan = Plan {
        distinct_type: distinct_type(select),
        top: select.top,
        offset: select.page.map(|page| page.offset),
        limit: select.page.map(|page| page.limit),
        group_by_expressions: select.group_by.iter().map(expression).collect(),
        has_select_value: matches!(select.projection, Projection::Value(_)),
        ..empty()
    };
    if let Some(Source { origin: Origin::Query(inner), .. }) = select.sources.first()
        && !is_merged_by_union(inner)
    {
        return Err(QueryError::not_supported(
            "A subquery in FROM with DISTINCT, TOP, OFFSET LIMIT, ORDER BY, GROUP BY or aggregates is not supported over several partitions, except a count of distinct rows.",
        ));
    }
    if has_groups || select.aggregates > 0 {
        let payload = payload(select, &mut plan)?;
        let projection = match (has_groups, &select.projection) {
            (true, _) => format!("{} AS groupByItems, {payload} AS payload", items(select.group_by.iter())),
            (false, Projection::Value(_)) => format!("VALUE {payload}"),
            (false, _) => format!("{payload} AS payload"),
        };
        let rest = Select { projection: Projection::Star, top: None, page: None, distinct: false, ..select.clone() };
        plan.rewritten_query = format!("SELECT {projection}{}", clauses(&rest));
        return Ok(plan);
    }
    let whole = select.page.map(|page| OffsetLimit { offset: 0, limit: page.offset + page.limit });
    if !select.order_by.is_empty() {
        plan.order_by = select.order_by.iter().map(direction).collect();
        plan.order_by_expressions = select.order_by.iter().map(|item| expression(&item.expr)).collect();
        plan.has_non_streaming_order_by = select.order_by.iter().any(OrderItem::is_score);
        plan.rewritten_query = ordered(select, whole, None)?;
    } else if select.distinct && (select.top.is_some() || select.page.is_some()) {
        plan.rewritten_query = query(&Select { top: None, page: None, ..select.clone() });
    } else if select.page.is_some() {
        plan.rewritten_query = query(&Select { page: whole, ..select.clone() });
    }
    Ok(plan)
}

/// The plan of a query without anything to merge.
pub(crate) fn empty() -> Plan {
    Plan {
        distinct_type: "None",
        top: None,
        offset: None,
        limit: None,
        order_by: Vec::new(),
        order_by_expressions: Vec::new(),
        group_by_expressions: Vec::new(),
        group_by_aliases: Vec::new(),
        aggregates: Vec::new(),
        group_by_alias_to_aggregate_type: Map::new(),
        rewritten_query: String::new(),
        has_select_value: false,
        has_non_streaming_order_by: false,
        d_count_info: None,
    }
}

fn direction(item: &OrderItem) -> &'static str {
    if item.is_descending() { "Descending" } else { "Ascending" }
}

/// `SELECT COUNT(1) FROM (SELECT DISTINCT …)`
fn distinct_count(select: &Select) -> Option<Plan> {
    let [Source { origin: Origin::Query(inner), .. }] = select.sources.as_slice() else { return None };
    let is_plain = select.filter.is_none() && select.group_by.is_empty() && select.order_by.is_empty();
    if !is_plain || !inner.distinct || !is_merged_by_union(&Select { distinct: false, ..(**inner).clone() }) {
        return None;
    }
    let (expr, alias) = match &select.projection {
        Projection::Value(expr) => (&**expr, ""),
        Projection::Items(items) => match items.as_slice() {
            [item] => (&item.expr, item.name.as_str()),
            _ => return None,
        },
        Projection::Star => return None,
    };
    let Expr::Aggregate { aggregate: Aggregate::Count, argument, .. } = expr else { return None };
    let counts_all = match &**argument {
        Expr::Constant(Constant { value, .. }) => value.is_some(),
        Expr::Path(base, steps) => matches!(**base, Base::Alias(_)) && steps.is_empty(),
        _ => false,
    };
    counts_all.then(|| Plan {
        distinct_type: "Unordered",
        top: select.top,
        offset: select.page.map(|page| page.offset),
        limit: select.page.map(|page| page.limit),
        rewritten_query: query(inner),
        has_select_value: alias.is_empty(),
        d_count_info: Some(DistinctCount { d_count_alias: alias.to_owned() }),
        ..empty()
    })
}

/// Whether the rows of a query are those of all ranges.
fn is_merged_by_union(select: &Select) -> bool {
    let inner = match select.sources.first() {
        Some(Source { origin: Origin::Query(inner), .. }) => is_merged_by_union(inner),
        _ => true,
    };
    inner
        && !select.distinct
        && select.top.is_none()
        && select.page.is_none()
        && select.order_by.is_empty()
        && select.group_by.is_empty()
        && select.aggregates == 0
}

/// Whether equal rows come one after the other: whether the order is by what is selected.
fn distinct_type(select: &Select) -> &'static str {
    let mut selected: Vec<String> = match &select.projection {
        _ if !select.distinct => return "None",
        Projection::Star => return "Unordered",
        Projection::Value(expr) => vec![expression(expr)],
        Projection::Items(items) => items.iter().map(|item| expression(&item.expr)).collect(),
    };
    let mut order: Vec<String> = select.order_by.iter().map(|item| expression(&item.expr)).collect();
    selected.sort();
    order.sort();
    if selected == order { "Ordered" } else { "Unordered" }
}

/// `[{"item": a}, {"item": b}]`
fn items<'a>(exprs: impl Iterator<Item = &'a Expr>) -> String {
    let items: Vec<String> = exprs.map(|expr| format!("{{\"item\": {}}}", expression(expr))).collect();
    format!("[{}]", items.join(", "))
}

/// What a query with aggregates or GROUP BY selects from each range.
fn payload(select: &Select, plan: &mut Plan) -> Result<String, QueryError> {
    match &select.projection {
        Projection::Star => Err(composition()),
        Projection::Value(expr) => match &**expr {
            Expr::Aggregate { aggregate, argument, written, .. } => {
                plan.aggregates.push(aggregate.plan_name());
                Ok(format!("[{}]", partial(*aggregate, written, argument)))
            }
            _ if select.aggregates > 0 => Err(composition()),
            expr => Ok(expression(expr)),
        },
        Projection::Items(list) => {
            let mut properties = Vec::new();
            let mut found = 0;
            for item in list {
                let (kind, text) = match &item.expr {
                    Expr::Aggregate { aggregate, argument, written, .. } => {
                        found += 1;
                        (Value::from(aggregate.plan_name()), partial(*aggregate, written, argument))
                    }
                    expr => (Value::Null, expression(expr)),
                };
                plan.group_by_aliases.push(item.name.clone());
                plan.group_by_alias_to_aggregate_type.insert(item.name.clone(), kind);
                properties.push(format!("{}: {text}", quoted(&item.name)));
            }
            if found < select.aggregates {
                return Err(composition());
            }
            Ok(format!("{{{}}}", properties.join(", ")))
        }
    }
}

fn composition() -> QueryError {
    QueryError::general("Compositions of aggregates and other expressions are not allowed.")
}

/// What a range computes for an aggregate, so that the client can merge it.
fn partial(aggregate: Aggregate, written: &str, argument: &Expr) -> String {
    let argument = expression(argument);
    match aggregate {
        Aggregate::Average => format!("{{\"item\": {{\"sum\": SUM({argument}), \"count\": COUNT({argument})}}}}"),
        Aggregate::Min | Aggregate::Max => {
            let name = aggregate.function().to_ascii_lowercase();
            format!(
                "{{\"item\": {written}({argument}), \"item2\": {{\"{name}\": {written}({argument}), \"count\": COUNT({argument})}}}}"
            )
        }
        _ => format!("{{\"item\": {written}({argument})}}"),
    }
}

/// What follows the SELECT clause.
fn clauses(select: &Select) -> String {
    let text = query(select);
    text.find('\n').map_or_else(String::new, |start| text[start..].to_owned())
}

/// The text of a query with ORDER BY: rows with their values of ORDER BY. With the texts of the scores of a ranked query, the rows have
/// them too.
pub(crate) fn ordered(
    select: &Select,
    page: Option<OffsetLimit>,
    scores: Option<&[String]>,
) -> Result<String, QueryError> {
    let mut select = select.clone();
    let root = root(&mut select)?;
    let payload = match &select.projection {
        Projection::Star => select.sources.last().and_then(|source| source.alias.clone()).unwrap_or_default(),
        Projection::Value(expr) => expression(expr),
        Projection::Items(list) => {
            let property = |name: &str, expr: &Expr| format!("{}: {}", quoted(name), expression(expr));
            let properties: Vec<String> = list.iter().map(|item| property(&item.name, &item.expr)).collect();
            format!("{{{}}}", properties.join(", "))
        }
    };
    let order = items(select.order_by.iter().map(|item| &item.expr));
    let filter = match &select.filter {
        None => format!("({RESUME_FILTER})"),
        Some(filter) => format!("({} AND ({RESUME_FILTER}))", expression(filter)),
    };
    let filter = match select.projection {
        Projection::Value(_) => format!("({filter} AND IS_DEFINED({payload}))"),
        _ => filter,
    };
    let payload = match scores {
        None => payload,
        Some(scores) => format!("{{\"payload\": {payload}, \"componentScores\": [{}]}}", scores.join(", ")),
    };
    // Duplicates count only after the ranges are merged.
    let top = match select.top {
        Some(top) if !select.distinct => format!("TOP {top} "),
        _ => String::new(),
    };
    let page = page.filter(|_| !select.distinct);
    let sources = clauses(&Select {
        projection: Projection::Star,
        filter: None,
        order_by: Vec::new(),
        page: None,
        ..select.clone()
    });
    let order_by = clauses(&Select { projection: Projection::Star, sources: Vec::new(), filter: None, page, ..select });
    Ok(format!(
        "SELECT {top}{root}._rid, {order} AS orderByItems, {payload} AS payload{sources}\nWHERE {filter}{order_by}"
    ))
}

/// The alias of the container. A query without one gets one.
fn root(select: &mut Select) -> Result<String, QueryError> {
    let aliases: Vec<String> = select.sources.iter().filter_map(|source| source.alias.clone()).collect();
    let Some(first) = select.sources.first_mut() else {
        return Err(QueryError::not_supported("ORDER BY without FROM is not supported over several partitions."));
    };
    let Origin::Path { root: Root::Container, name, steps, span } = &first.origin else {
        return Err(QueryError::not_supported(
            "ORDER BY over a subquery in FROM is not supported over several partitions.",
        ));
    };
    if steps.is_empty() && !first.iterates {
        return Ok(first.alias.clone().unwrap_or_else(|| name.clone()));
    }
    let free = [name.as_str(), "root", "container"].into_iter().find(|free| !aliases.iter().any(|alias| alias == free));
    let Some(free) = free.map(str::to_owned) else {
        return Err(QueryError::not_supported("The FROM clause has no alias for the container."));
    };
    let (steps, span) = (steps.clone(), *span);
    let container = Origin::Path { root: Root::Container, name: name.clone(), span, steps: Vec::new() };
    let is_named = *name != free;
    if first.iterates {
        first.origin = Origin::Path { root: Root::Alias(0), name: free.clone(), span, steps };
    } else {
        // A part of the document that is not iterated over is joined as a subquery of one row.
        let alias = Alias { name: free.clone(), span, path: span, hops: 0 };
        let value = Expr::Path(Box::new(Base::Alias(alias)), steps);
        let projection = Projection::Value(Box::new(value));
        first.origin = Origin::Query(Box::new(Select { projection, ..Select::default() }));
        first.is_named = true;
    }
    select.sources.insert(0, Source { alias: Some(free.clone()), is_named, iterates: false, origin: container });
    Ok(free)
}
