//! The plan of a query with ORDER BY RANK, which clients compute: full-text and hybrid search.
//!
//! A client asks every range for the statistics of the terms, puts the sums into the texts of the components, sends these to the ranges,
//! and merges the rows by their ranks in each component. The texts are those of the public tests of Microsoft's .NET SDK
//! (`QueryPlanRetrieverTests`, and `QueryPlanBaselineTests` for TOP and OFFSET LIMIT).

use serde::Serialize;

use crate::error::QueryError;
use crate::functions::find;
use crate::plan::{Plan, empty, ordered};
use crate::print::{expression, query};
use crate::syntax::{
    Constant, Direction, Expr, FULL_TEXT_SCORE, Function, OffsetLimit, OrderItem, Origin, Projection, Root, Score,
    Select,
};
use crate::vector::DistanceFunction;

/// The fewest rows that each range gives for a component.
const FEWEST_ROWS: u64 = 120;
/// The most rows of TOP and LIMIT.
const MOST_ROWS: u64 = 4_294_967_295;
/// The scores of documents that have none: such a document comes last.
const LOWEST: &str = "-1.79769e+308";
const HIGHEST: &str = "1.79769e+308";
/// The lowest score of a text is 0.
const BELOW_TEXTS: &str = "-1";

/// What the service calls `hybridSearchQueryInfo`. As JSON, it is what clients read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HybridPlan {
    /// The query for the number of documents and, for each full-text score, the number of words and the documents that have each term.
    pub global_statistics_query: String,
    /// For each score, the query for the documents with the best.
    pub component_query_infos: Vec<Plan>,
    /// Empty: the rows of the components have what the query selects.
    pub component_without_payload_query_infos: Vec<Plan>,
    /// None: the rows of the components have what the query selects.
    pub projection_query_info: Option<Plan>,
    /// The weights of the scores, without their signs; empty: all count the same.
    pub component_weights: Vec<f64>,
    /// The rows that OFFSET skips.
    pub skip: Option<u64>,
    /// The rows that TOP or LIMIT allows.
    pub take: Option<u64>,
    /// Whether the texts of the components need the statistics.
    pub requires_global_statistics: bool,
}

impl HybridPlan {
    /// What a client must be able to merge, as [`Plan::features`].
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let is_weighted = !self.component_weights.is_empty();
        if is_weighted { vec!["HybridSearch", "WeightedRankFusion"] } else { vec!["HybridSearch"] }
    }
}

/// A score, as the components have it.
struct Component {
    score: Expr,
    direction: Direction,
    is_descending: bool,
    /// The score of a document that has none.
    missing: &'static str,
}

/// The plan of a query; `None` without ORDER BY RANK.
pub(crate) fn plan(select: &Select) -> Result<Option<HybridPlan>, QueryError> {
    let Some(rank) = &select.rank else { return Ok(None) };
    if select.distinct || select.aggregates > 0 || !select.group_by.is_empty() {
        return Err(QueryError::not_supported("ORDER BY RANK with DISTINCT, GROUP BY or aggregates is not supported."));
    }
    let mut components = Vec::new();
    let mut statistics = Vec::new();
    for (index, score) in rank.scores.iter().enumerate() {
        let is_positive =
            rank.weights.as_ref().and_then(|weights| weights.get(index)).is_none_or(|weight| *weight >= 0.0);
        components.push(match score {
            Score::FullText { path, terms } => {
                let component = full_text(path, terms, statistics.len(), is_positive)?;
                statistics.push(term_statistics(path, terms));
                component
            }
            Score::Vector(distance) => vector(distance, is_positive),
        });
    }
    let (skip, take) = match select.page {
        Some(page) => (Some(page.offset), Some(page.limit)),
        None => (None, select.top),
    };
    // Of a document that has one of the best ranks in all, one of its ranks can be lower.
    let rows = take.map(|take| (2 * (take + skip.unwrap_or(0))).clamp(FEWEST_ROWS, MOST_ROWS));
    let page = select.page.and(rows).map(|limit| OffsetLimit { offset: 0, limit });
    let top = select.top.and(rows);
    let scores: Vec<String> = components
        .iter()
        .map(|component| format!("({} ?? {})", expression(&component.score), component.missing))
        .collect();
    let mut plans = Vec::new();
    for component in &components {
        let item = OrderItem { expr: component.score.clone(), direction: component.direction };
        let ranked = Select { top, order_by: vec![item], rank: None, ..select.clone() };
        plans.push(Plan {
            top,
            offset: page.map(|page| page.offset),
            limit: page.map(|page| page.limit),
            order_by: vec![if component.is_descending { "Descending" } else { "Ascending" }],
            order_by_expressions: vec![expression(&component.score)],
            rewritten_query: ordered(&ranked, page, Some(&scores))?,
            has_non_streaming_order_by: true,
            ..empty()
        });
    }
    Ok(Some(HybridPlan {
        global_statistics_query: statistics_query(select, &statistics)?,
        component_query_infos: plans,
        component_without_payload_query_infos: Vec::new(),
        projection_query_info: None,
        component_weights: rank.weights.iter().flatten().map(|weight| weight.abs()).collect(),
        skip,
        take,
        requires_global_statistics: !statistics.is_empty(),
    }))
}

/// A text that is written into a query as it is.
fn placeholder(text: String) -> Expr {
    Expr::Constant(Constant { value: None, parameter: Some(text) })
}

fn full_text(path: &Expr, terms: &[Expr], number: usize, is_positive: bool) -> Result<Component, QueryError> {
    let Some(builtin) = find(FULL_TEXT_SCORE) else {
        return Err(QueryError::not_supported("FullTextScore is not supported."));
    };
    let arguments = vec![
        path.clone(),
        Expr::Array(terms.to_vec()),
        placeholder("{documentdb-formattablehybridsearchquery-totaldocumentcount}".to_owned()),
        placeholder(format!("{{documentdb-formattablehybridsearchquery-totalwordcount-{number}}}")),
        placeholder(format!("{{documentdb-formattablehybridsearchquery-hitcountsarray-{number}}}")),
    ];
    Ok(Component {
        score: Expr::Call { function: Function::Builtin(builtin), written: "_FullTextScore".to_owned(), arguments },
        direction: if is_positive { Direction::Descending } else { Direction::Ascending },
        is_descending: is_positive,
        missing: if is_positive { BELOW_TEXTS } else { HIGHEST },
    })
}

fn vector(distance: &Expr, is_positive: bool) -> Component {
    let mut score = distance.clone();
    if let Expr::Call { written, .. } = &mut score {
        *written = "_VectorScore".to_owned();
    }
    let is_descending = (score.vector_distance() != Some(DistanceFunction::Euclidean)) == is_positive;
    let direction = match (is_positive, is_descending) {
        (true, _) => Direction::Default,
        (false, true) => Direction::Descending,
        (false, false) => Direction::Ascending,
    };
    Component { score, direction, is_descending, missing: if is_descending { LOWEST } else { HIGHEST } }
}

fn term_statistics(path: &Expr, terms: &[Expr]) -> String {
    let path = expression(path);
    let hits: Vec<String> =
        terms.iter().map(|term| format!("COUNTIF(FullTextContains({path}, {}))", expression(term))).collect();
    format!("{{\"totalWordCount\": SUM(_FullTextWordCount({path})), \"hitCounts\": [{}]}}", hits.join(", "))
}

/// The statistics are of all documents, also of those that the filter leaves out.
fn statistics_query(select: &Select, statistics: &[String]) -> Result<String, QueryError> {
    let [source] = select.sources.as_slice() else { return Err(one_source()) };
    let is_container = matches!(&source.origin, Origin::Path { root: Root::Container, steps, .. } if steps.is_empty());
    if source.iterates || !is_container {
        return Err(one_source());
    }
    let sources = Select { projection: Projection::Star, sources: vec![source.clone()], ..Select::default() };
    let from = query(&sources).replacen("SELECT *", "", 1);
    Ok(format!("SELECT COUNT(1) AS documentCount, [{}] AS fullTextStatistics{from}", statistics.join(", ")))
}

fn one_source() -> QueryError {
    QueryError::not_supported("ORDER BY RANK with JOIN, or over a part of the documents, is not supported.")
}
