//! The body of a patch: `{"operations": […], "condition": "from c where …"}`, or the operations alone.

use serde_json::{Map, Number, Value};

use super::pointer::Pointer;

/// The most operations of a patch.
const MAX_OPERATIONS: usize = 10;
/// The properties that the service writes.
const SYSTEM_PROPERTIES: [&str; 6] = ["id", "_rid", "_ts", "_etag", "_self", "_attachments"];

/// The operations of a patch, in order, and the condition that the item must meet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patch {
    pub(super) operations: Vec<Operation>,
    condition: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operation {
    Add(Pointer, Value),
    Set(Pointer, Value),
    Replace(Pointer, Value),
    Remove(Pointer),
    Increment(Pointer, Number),
    Move { from: Pointer, path: Pointer },
}

impl Operation {
    /// The paths whose values the operation changes.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Pointer> {
        let (path, from) = match self {
            Self::Add(path, _) | Self::Set(path, _) | Self::Replace(path, _) => (path, None),
            Self::Remove(path) | Self::Increment(path, _) => (path, None),
            Self::Move { from, path } => (path, Some(from)),
        };
        std::iter::once(path).chain(from)
    }
}

impl Patch {
    /// Reads the body of a request. The error is a message for the client of a 400.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let body = serde_json::from_slice(body)
            .map_err(|problem| invalid(&format!("the body is not valid JSON: {problem}")))?;
        Self::from_json(&body)
    }

    /// Reads a patch within a batch, or a body that is decoded already. The error is a message for the client of a 400.
    pub(crate) fn from_json(body: &Value) -> Result<Self, String> {
        let (operations, condition) = match body {
            Value::Object(members) => (members.get("operations"), members.get("condition")),
            operations => (Some(operations), None),
        };
        let operations = operations.and_then(Value::as_array).ok_or_else(|| {
            invalid("the body is an array of operations, or an object with such an array in \"operations\"")
        })?;
        let condition = match condition {
            None | Some(Value::Null) => None,
            Some(Value::String(condition)) => Some(condition.clone()),
            Some(other) => return Err(invalid(&format!("the condition is {other}; it must be text"))),
        };
        match operations.len() {
            0 => return Err(invalid("there are no operations")),
            count if count > MAX_OPERATIONS => {
                return Err(format!(
                    "The number of patch operations can't exceed {MAX_OPERATIONS}; there are {count}."
                ));
            }
            _ => {}
        }
        let numbered = operations.iter().zip(1..);
        let operations = numbered.map(|(operation, number)| {
            parse_operation(operation).map_err(|problem| invalid(&format!("operation {number}: {problem}")))
        });
        let patch = Self { operations: operations.collect::<Result<_, _>>()?, condition };
        patch.check_system_properties()?;
        Ok(patch)
    }

    /// The number of operations.
    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }

    /// The condition that the item must meet, a query without its `SELECT`: `from c where c.n = 1`. If it does not, the service
    /// answers 412.
    pub(crate) fn condition(&self) -> Option<&str> {
        self.condition.as_deref()
    }

    fn check_system_properties(&self) -> Result<(), String> {
        for path in self.operations.iter().flat_map(Operation::paths) {
            if let Some(name) = SYSTEM_PROPERTIES.into_iter().find(|name| path.is_within(&[*name])) {
                return Err(format!("Invalid patch request: Cannot patch system property {name}."));
            }
        }
        Ok(())
    }
}

fn parse_operation(operation: &Value) -> Result<Operation, String> {
    let members = operation.as_object().ok_or_else(|| format!("{operation} is not an object"))?;
    let kind = text(members, "op")?;
    let path = Pointer::parse(text(members, "path")?)?;
    let value = || members.get("value").cloned().ok_or_else(|| format!("\"{kind}\" needs a \"value\""));
    Ok(match kind {
        "add" => Operation::Add(path, value()?),
        "set" => Operation::Set(path, value()?),
        "replace" => Operation::Replace(path, value()?),
        "remove" => Operation::Remove(path),
        "incr" | "increment" => match value()? {
            Value::Number(number) => Operation::Increment(path, number),
            other => return Err(format!("the value {other} of \"{kind}\" is not a number")),
        },
        "move" => {
            let from = Pointer::parse(text(members, "from")?)?;
            if from.is_ancestor_of(&path) {
                return Err(format!("the path {} is within the path {} to move from", path.as_str(), from.as_str()));
            }
            Operation::Move { from, path }
        }
        _ => return Err(format!("unknown op \"{kind}\"; use add, set, replace, remove, incr or move")),
    })
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, String> {
    members.get(name).and_then(Value::as_str).ok_or_else(|| format!("\"{name}\" is missing or not text"))
}

fn invalid(problem: &str) -> String {
    format!("Invalid patch request: check syntax of patch specification: {problem}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_come_alone_or_with_a_condition() {
        let operations = json!([{"op": "set", "path": "/a", "value": 1}, {"op": "move", "from": "/a", "path": "/b"}]);
        let alone = Patch::from_json(&operations).expect("a patch");
        assert_eq!(alone.condition(), None);
        assert_eq!(Patch::from_json(&json!({"operations": operations})), Ok(alone.clone()));
        let body = json!({"operations": operations, "condition": "FROM c WHERE c.n = 5"}).to_string();
        let conditional = Patch::parse(body.as_bytes()).expect("a patch");
        assert_eq!(conditional.condition(), Some("FROM c WHERE c.n = 5"));
        assert_eq!(conditional.operations, alone.operations);
    }

    #[test]
    fn what_is_no_patch_is_refused_with_what_was_found() {
        let set = json!({"op": "set", "path": "/a", "value": 1});
        for (body, part) in [
            (json!({}), "array of operations"),
            (json!("a"), "array of operations"),
            (json!([]), "no operations"),
            (json!({"operations": [set], "condition": 1}), "condition is 1"),
            (json!([1]), "operation 1: 1 is not an object"),
            (json!([set, {"op": "copy", "path": "/a", "from": "/b"}]), "operation 2: unknown op \"copy\""),
            (json!([{"op": "test", "path": "/a", "value": 1}]), "unknown op"),
            (json!([{"path": "/a", "value": 1}]), "\"op\" is missing"),
            (json!([{"op": "set", "value": 1}]), "\"path\" is missing"),
            (json!([{"op": "set", "path": "/a"}]), "needs a \"value\""),
            (json!([{"op": "set", "path": "a", "value": 1}]), "does not start with /"),
            (json!([{"op": "incr", "path": "/a", "value": "1"}]), "not a number"),
            (json!([{"op": "move", "path": "/a"}]), "\"from\" is missing"),
            (json!([{"op": "move", "from": "/a", "path": "/a/b"}]), "is within"),
            (json!(vec![set.clone(); 11]), "can't exceed 10; there are 11"),
        ] {
            let message = Patch::from_json(&body).expect_err("refused");
            assert!(message.contains(part), "{body}: {message}");
        }
        Patch::from_json(&json!(vec![set; 10])).expect("allowed");
        let message = Patch::parse(b"[").expect_err("refused");
        assert!(message.contains("not valid JSON"), "{message}");
    }

    #[test]
    fn system_properties_cannot_be_patched() {
        for name in ["id", "_rid", "_ts", "_etag", "_self", "_attachments"] {
            let path = format!("/{name}");
            for operation in [
                json!({"op": "set", "path": path, "value": "b"}),
                json!({"op": "remove", "path": path}),
                json!({"op": "move", "path": "/a", "from": path}),
                json!({"op": "move", "path": path, "from": "/a"}),
                json!({"op": "add", "path": format!("{path}/a"), "value": 1}),
            ] {
                let message = Patch::from_json(&json!([operation])).expect_err("refused");
                assert!(message.contains(&format!("Cannot patch system property {name}.")), "{message}");
            }
        }
        for path in ["/a/id", "/_lsn", "/ttl", "/identity"] {
            Patch::from_json(&json!([{"op": "set", "path": path, "value": 1}])).expect("allowed");
        }
    }
}
