//! The bodies of batches and bulk requests, in JSON and in HybridRow.

use std::borrow::Cow;

use hybrid_row::{Operation as Row, OperationKind, OperationResult};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::checks::{id_of_body, parse_item, text_body};
use super::operation::{Conditions, Done, ItemOperation, Refused};
use crate::patch::Patch;
use crate::scripted_status::ScriptedStatus;

/// An operation of a batch.
#[derive(Debug)]
pub(crate) struct BatchOperation {
    pub operation: Result<ItemOperation, Refused>,
    pub conditions: Conditions,
    /// The partition key in the form of the request header; only in a bulk request.
    pub key: Option<String>,
    pub wants_item: bool,
}

/// The form of a batch, and of its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Json,
    HybridRow,
}

impl Form {
    pub(crate) fn of(body: &[u8]) -> Self {
        if hybrid_row::is_hybrid_row(body) { Self::HybridRow } else { Self::Json }
    }

    /// Reads the operations. The error is a message for the client.
    pub(crate) fn read(self, body: &[u8], wants_items: bool) -> Result<Vec<BatchOperation>, String> {
        match self {
            Self::Json => {
                let body = text_body(body).map_err(|error| error.to_string())?;
                let operations: Vec<JsonOperation<'_>> =
                    serde_json::from_slice(&body).map_err(|error| format!("The batch is not valid: {error}"))?;
                Ok(operations.into_iter().map(|operation| operation.read(wants_items)).collect())
            }
            Self::HybridRow => {
                let rows = hybrid_row::decode_operations(body)
                    .map_err(|error| format!("The batch is not valid HybridRow: {error}"))?;
                Ok(rows.into_iter().map(|row| read_row(row, wants_items)).collect())
            }
        }
    }

    /// Writes the results.
    pub(crate) fn write(self, results: &[BatchResult]) -> Vec<u8> {
        match self {
            Self::Json => {
                let results: Vec<JsonResult<'_>> = results.iter().map(JsonResult::of).collect();
                serde_json::to_vec(&results).unwrap_or_default()
            }
            Self::HybridRow => {
                let results: Vec<OperationResult> = results.iter().map(row).collect();
                hybrid_row::encode_results(&results).unwrap_or_else(|error| {
                    log::error!("a batch has no answer: {error}");
                    Vec::new()
                })
            }
        }
    }
}

/// The ids of the items that a batch names. Items that have to be read for their ids are read, the operations are not.
pub(crate) fn ids_of_batch(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'b> {
        id: Option<String>,
        #[serde(borrow)]
        resource_body: Option<&'b RawValue>,
    }
    match Form::of(body) {
        Form::Json => {
            let Ok(body) = text_body(body) else { return Vec::new() };
            let operations: Vec<Named<'_>> = serde_json::from_slice(&body).unwrap_or_default();
            let id = |named: Named<'_>| named.id.or_else(|| id_of_body(named.resource_body?.get().as_bytes()));
            operations.into_iter().filter_map(id).collect()
        }
        Form::HybridRow => {
            let rows = hybrid_row::decode_operations(body).unwrap_or_default();
            rows.into_iter().filter_map(|row| row.id.or_else(|| id_of_body(&row.body?))).collect()
        }
    }
}

/// The result of an operation.
#[derive(Debug, Default)]
pub(crate) struct BatchResult {
    pub status: u16,
    pub substatus: Option<Cow<'static, str>>,
    pub etag: Option<String>,
    /// The item.
    pub body: Option<Vec<u8>>,
    pub charge: f64,
    /// Why it was refused.
    pub message: Option<String>,
    /// How long the client is to wait before it sends the operation again.
    pub retry_after_milliseconds: Option<u32>,
}

impl BatchResult {
    /// The result of an operation that was not executed, because another one of its transaction failed.
    pub(crate) fn failed_dependency() -> Self {
        Self { status: 424, ..Self::default() }
    }

    /// The result of an operation that was not executed, because a test wants this status.
    pub(crate) fn scripted(scripted: ScriptedStatus) -> Self {
        Self {
            status: scripted.status,
            substatus: scripted.substatus().map(Cow::Owned),
            retry_after_milliseconds: scripted.retry_after_milliseconds(),
            ..Self::default()
        }
    }

    pub(crate) fn of(result: &Result<Done, Refused>, wants_item: bool) -> Self {
        match result {
            Ok(done) => Self {
                status: done.status,
                etag: done.entry.as_ref().map(|entry| entry.etag.to_string()),
                body: done.entry.as_ref().filter(|_| wants_item && done.status != 304).map(|entry| entry.body.to_vec()),
                charge: done.charge,
                ..Self::default()
            },
            Err(refused) => Self {
                status: refused.status,
                substatus: refused.substatus.map(Cow::Borrowed),
                charge: refused.charge,
                message: Some(refused.message.clone()),
                ..Self::default()
            },
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status < 400
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonOperation<'b> {
    operation_type: String,
    id: Option<String>,
    /// The JSON array of the values, as text.
    partition_key: Option<String>,
    #[serde(borrow)]
    resource_body: Option<&'b RawValue>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    minimal_return_preference: Option<bool>,
}

impl JsonOperation<'_> {
    fn read(self, wants_items: bool) -> BatchOperation {
        let kind = match self.operation_type.as_str() {
            "Create" => Ok(OperationKind::Create),
            "Upsert" => Ok(OperationKind::Upsert),
            "Replace" => Ok(OperationKind::Replace),
            "Patch" => Ok(OperationKind::Patch),
            "Delete" => Ok(OperationKind::Delete),
            "Read" => Ok(OperationKind::Read),
            other => Err(Refused::bad_request(format!(
                "Unknown operation \"{other}\"; use Create, Upsert, Replace, Patch, Delete or Read."
            ))),
        };
        let body = self.resource_body.map(|body| body.get().as_bytes()).unwrap_or_default();
        BatchOperation {
            operation: kind.and_then(|kind| operation(kind, self.id, body)),
            conditions: Conditions { if_match: self.if_match, if_none_match: self.if_none_match },
            key: self.partition_key,
            wants_item: kind_wants_item(&self.operation_type)
                || wants_items && self.minimal_return_preference != Some(true),
        }
    }
}

fn kind_wants_item(kind: &str) -> bool {
    kind == "Read"
}

fn read_row(row: Row, wants_items: bool) -> BatchOperation {
    let is_read = row.kind == OperationKind::Read;
    BatchOperation {
        operation: operation(row.kind, row.id, &row.body.unwrap_or_default()),
        conditions: Conditions { if_match: row.if_match, if_none_match: row.if_none_match },
        key: row.partition_key,
        wants_item: is_read || wants_items && !row.minimal_return,
    }
}

fn operation(kind: OperationKind, id: Option<String>, body: &[u8]) -> Result<ItemOperation, Refused> {
    let id = || id.ok_or_else(|| Refused::bad_request("An operation of the batch has no id."));
    let item = || parse_item(body);
    Ok(match kind {
        OperationKind::Create => ItemOperation::Create(item()?),
        OperationKind::Upsert => ItemOperation::Upsert(item()?),
        OperationKind::Replace => ItemOperation::Replace(id()?, item()?),
        OperationKind::Patch => {
            let body = text_body(body)?;
            ItemOperation::Patch(id()?, Patch::parse(&body).map_err(Refused::bad_request)?)
        }
        OperationKind::Read => ItemOperation::Read(id()?),
        OperationKind::Delete => ItemOperation::Delete(id()?),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonResult<'r> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_status_code: Option<u32>,
    request_charge: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_milliseconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e_tag: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_body: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'r str>,
}

impl<'r> JsonResult<'r> {
    fn of(result: &'r BatchResult) -> Self {
        Self {
            status_code: result.status,
            sub_status_code: result.substatus.as_deref().and_then(|substatus| substatus.parse().ok()),
            request_charge: result.charge,
            retry_after_milliseconds: result.retry_after_milliseconds,
            e_tag: result.etag.as_deref(),
            resource_body: result.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()),
            message: result.message.as_deref(),
        }
    }
}

fn row(result: &BatchResult) -> OperationResult {
    OperationResult {
        status: i32::from(result.status),
        substatus: result.substatus.as_deref().and_then(|substatus| substatus.parse().ok()),
        etag: result.etag.clone(),
        body: result.body.clone(),
        retry_after_milliseconds: result.retry_after_milliseconds,
        request_charge: Some(result.charge),
    }
}
