//! The header `x-ms-documentdb-query-metrics`, sent if the request has `x-ms-documentdb-populatequerymetrics: true`.
//!
//! Source: "Tune query performance with Azure Cosmos DB" and `ServerSideMetricsTests` of the .NET SDK.

use std::fmt;
use std::time::Duration;

/// What the execution of a page of a query did. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QueryMetrics {
    /// The whole execution.
    pub total: Duration,
    /// Reading the query's text.
    pub compilation: Duration,
    /// Reading documents from the store.
    pub loading: Duration,
    /// Evaluating the query.
    pub execution: Duration,
    /// Writing rows.
    pub writing: Duration,
    pub retrieved_documents: usize,
    pub retrieved_bytes: usize,
    pub output_documents: usize,
    pub output_bytes: usize,
    /// The part of the retrieved documents that the query's filters matched, from 0 to 1.
    pub index_utilization: f64,
}

impl fmt::Display for QueryMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        for (name, duration) in [
            ("totalExecutionTimeInMs", self.total),
            ("queryCompileTimeInMs", self.compilation),
            ("queryLogicalPlanBuildTimeInMs", Duration::ZERO),
            ("queryPhysicalPlanBuildTimeInMs", Duration::ZERO),
            ("queryOptimizationTimeInMs", Duration::ZERO),
            ("VMExecutionTimeInMs", self.execution),
            ("indexLookupTimeInMs", Duration::ZERO),
            ("documentLoadTimeInMs", self.loading),
            ("systemFunctionExecuteTimeInMs", Duration::ZERO),
            ("userFunctionExecuteTimeInMs", Duration::ZERO),
        ] {
            write!(formatter, "{name}={:.2};", milliseconds(duration))?;
        }
        write!(
            formatter,
            "retrievedDocumentCount={};retrievedDocumentSize={};outputDocumentCount={};outputDocumentSize={};\
             writeOutputTimeInMs={:.2};indexUtilizationRatio={:.2}",
            self.retrieved_documents,
            self.retrieved_bytes,
            self.output_documents,
            self.output_bytes,
            milliseconds(self.writing),
            self.index_utilization
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Tune query performance with Azure Cosmos DB", with the size that newer versions send.
    #[test]
    fn the_metrics_have_the_form_of_the_documentation() {
        let metrics = QueryMetrics {
            total: Duration::from_micros(33_670),
            compilation: Duration::from_micros(60),
            loading: Duration::from_micros(9_580),
            execution: Duration::from_micros(32_560),
            writing: Duration::from_micros(18_100),
            retrieved_documents: 2000,
            retrieved_bytes: 1_125_600,
            output_documents: 2000,
            output_bytes: 1_125_600,
            index_utilization: 1.0,
        };
        assert_eq!(
            metrics.to_string(),
            "totalExecutionTimeInMs=33.67;queryCompileTimeInMs=0.06;queryLogicalPlanBuildTimeInMs=0.00;\
             queryPhysicalPlanBuildTimeInMs=0.00;queryOptimizationTimeInMs=0.00;VMExecutionTimeInMs=32.56;\
             indexLookupTimeInMs=0.00;documentLoadTimeInMs=9.58;systemFunctionExecuteTimeInMs=0.00;\
             userFunctionExecuteTimeInMs=0.00;retrievedDocumentCount=2000;retrievedDocumentSize=1125600;\
             outputDocumentCount=2000;outputDocumentSize=1125600;writeOutputTimeInMs=18.10;indexUtilizationRatio=1.00"
        );
        assert!(QueryMetrics::default().to_string().ends_with("writeOutputTimeInMs=0.00;indexUtilizationRatio=0.00"));
    }
}
