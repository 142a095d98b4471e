//! Executes a patch on an item.

use serde_json::{Map, Number, Value};

use super::operation::{Operation, Patch};
use super::pointer::{Place, Pointer, child, place};
use crate::partition_key::KeyDefinition;

/// Why a patch cannot be executed. The text is a message for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatchError {
    /// The item has no such path, or not such a value there: status 400.
    Operation(String),
    /// The patch would change the item's partition key: status 400, sub-status 1001.
    PartitionKey(String),
}

impl std::fmt::Display for PatchError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operation(message) | Self::PartitionKey(message) => formatter.write_str(message),
        }
    }
}

impl Patch {
    /// Changes the item, or reports why an operation is impossible; then the item may be changed in part and must be discarded. The
    /// caller checks what any written item must satisfy.
    pub(crate) fn apply(&self, item: &mut Value, definition: &KeyDefinition) -> Result<(), PatchError> {
        let key = definition.values_of(item).ok();
        for (operation, number) in self.operations.iter().zip(1..) {
            check_key_paths(operation, definition)?;
            execute(item, operation).map_err(|problem| {
                PatchError::Operation(format!(
                    "For Operation({number}): {problem} Learn more: https://aka.ms/cosmosdbpatchdocs"
                ))
            })?;
        }
        // An operation on a parent of the key's path can change the key as well.
        match definition.values_of(item).ok() == key {
            true => Ok(()),
            false => Err(PatchError::PartitionKey(
                "PartitionKey extracted from document doesn't match the one specified in the header: the patch changes it."
                    .to_owned(),
            )),
        }
    }
}

fn check_key_paths(operation: &Operation, definition: &KeyDefinition) -> Result<(), PatchError> {
    for path in operation.paths() {
        if let Some(key) = definition.paths.iter().find(|key| path.is_within(key.segments())) {
            return Err(PatchError::PartitionKey(format!(
                "Invalid patch request: Cannot patch partition key path {}. To change it, delete the item and create another.",
                key.as_str()
            )));
        }
    }
    Ok(())
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Add,
    Set,
    Replace,
}

fn execute(item: &mut Value, operation: &Operation) -> Result<(), String> {
    match operation {
        Operation::Add(path, value) => write(item, path, value.clone(), Mode::Add),
        Operation::Set(path, value) => write(item, path, value.clone(), Mode::Set),
        Operation::Replace(path, value) => write(item, path, value.clone(), Mode::Replace),
        Operation::Remove(path) => remove(item, path, "removed").map(drop),
        Operation::Increment(path, number) => increment(item, path, number),
        Operation::Move { from, path } if from == path => existing(item, from).map(drop),
        Operation::Move { from, path } => {
            let value = remove(item, from, "moved")?;
            write(item, path, value, Mode::Add)
        }
    }
}

fn write(item: &mut Value, path: &Pointer, value: Value, mode: Mode) -> Result<(), String> {
    let (parent, name) = match (parent(item, path, mode), mode) {
        (Err(_), Mode::Replace) => return Err(absent(path, "replaced")),
        (parent, _) => (parent?, path.split_last().1),
    };
    match parent {
        Parent::Object(members) => {
            if mode == Mode::Replace && !members.contains_key(name) {
                return Err(absent(path, "replaced"));
            }
            members.insert(name.to_owned(), value);
        }
        Parent::Array(elements) => match (place(name), mode) {
            (Place::At(index), Mode::Add) if index <= elements.len() => elements.insert(index, value),
            (Place::At(index), Mode::Set | Mode::Replace) if index < elements.len() => elements[index] = value,
            (Place::At(index), Mode::Set) if index == elements.len() => elements.push(value),
            (Place::End, Mode::Add | Mode::Set) => elements.push(value),
            (Place::NotANumber, _) => return Err(not_an_index(name, path)),
            _ => return Err(out_of_bounds(name, elements.len())),
        },
    }
    Ok(())
}

/// Removes and returns the value; `purpose` completes the message if there is none.
fn remove(item: &mut Value, path: &Pointer, purpose: &str) -> Result<Value, String> {
    let absent = || absent(path, purpose);
    let name = path.split_last().1;
    match parent(item, path, Mode::Set).map_err(|_| absent())? {
        // The order of the other properties stays.
        Parent::Object(members) => members.shift_remove(name).ok_or_else(absent),
        Parent::Array(elements) => match place(name) {
            Place::At(index) if index < elements.len() => Ok(elements.remove(index)),
            Place::NotANumber => Err(not_an_index(name, path)),
            Place::At(_) | Place::End => Err(out_of_bounds(name, elements.len())),
        },
    }
}

fn increment(item: &mut Value, path: &Pointer, by: &Number) -> Result<(), String> {
    match existing(item, path) {
        Ok(Value::Number(number)) => {
            let sum = sum(number, by)
                .ok_or_else(|| format!("Node({}) plus {by} is too large for a number.", path.as_str()))?;
            *number = sum;
            Ok(())
        }
        Ok(_) => Err(format!("Node({}) is not a number.", path.as_str())),
        Err(_) => write(item, path, Value::Number(by.clone()), Mode::Set),
    }
}

/// Whole numbers stay whole as long as 64 bits hold them.
fn sum(left: &Number, right: &Number) -> Option<Number> {
    let whole = left.as_i64().zip(right.as_i64()).and_then(|(left, right)| left.checked_add(right));
    match whole {
        Some(sum) => Some(sum.into()),
        None => Number::from_f64(left.as_f64()? + right.as_f64()?),
    }
}

fn existing<'v>(item: &'v mut Value, path: &Pointer) -> Result<&'v mut Value, String> {
    let (parents, name) = path.split_last();
    let mut value = item;
    for token in parents.iter().map(String::as_str).chain([name]) {
        value = child(value, token).ok_or_else(|| absent(path, "moved"))?;
    }
    Ok(value)
}

enum Parent<'v> {
    Object(&'v mut Map<String, Value>),
    Array(&'v mut Vec<Value>),
}

/// The object or array that has the path's last name or place.
fn parent<'v>(item: &'v mut Value, path: &Pointer, mode: Mode) -> Result<Parent<'v>, String> {
    let (parents, _) = path.split_last();
    let not_found = |token: &str| {
        let operation = if mode == Mode::Add { "Add" } else { "Given" };
        format!(
            "{operation} Operation can only create a child object of an existing node(array or object) and cannot create path \
             recursively, no path found beyond: '{token}'."
        )
    };
    let mut value = item;
    for token in parents {
        if let Value::Array(elements) = value
            && let Place::At(index) = place(token)
            && index >= elements.len()
        {
            return Err(out_of_bounds(token, elements.len()));
        }
        value = child(value, token).ok_or_else(|| not_found(token))?;
    }
    match value {
        Value::Object(members) => Ok(Parent::Object(members)),
        Value::Array(elements) => Ok(Parent::Array(elements)),
        _ => Err(not_found(parents.last().map_or("", String::as_str))),
    }
}

fn absent(path: &Pointer, purpose: &str) -> String {
    let path = path.as_str();
    format!("Node({path}) to be {purpose} is absent. Note: it may also have been removed earlier in the transaction.")
}

fn out_of_bounds(token: &str, length: usize) -> String {
    format!("Index({token}) to operate on is out of array bounds; the array has {length} elements.")
}

fn not_an_index(token: &str, path: &Pointer) -> String {
    format!("Index({token}) of the path {} is not a number; the node before it is an array.", path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(item: &Value, operations: Value) -> Result<Value, PatchError> {
        let definition =
            KeyDefinition::from_json(&json!({"paths": ["/pk", "/deep/key"], "kind": "MultiHash", "version": 2}));
        let mut item = item.clone();
        let patch = Patch::from_json(&operations).expect("a patch");
        patch.apply(&mut item, &definition).map(|()| item)
    }

    /// The example of "Partial document update in Azure Cosmos DB".
    #[test]
    fn the_example_of_the_documentation() {
        let item = json!({
            "id": "e379aea5", "name": "R-410 Road Bicycle", "price": 455.95, "inventory": {"quantity": 15}, "used": false,
            "categoryId": "road-bikes", "tags": ["r-series"],
        });
        let patched = apply(
            &item,
            json!([
                {"op": "add", "path": "/color", "value": "silver"},
                {"op": "remove", "path": "/used"},
                {"op": "set", "path": "/price", "value": 355.45},
                {"op": "incr", "path": "/inventory/quantity", "value": 10},
                {"op": "add", "path": "/tags/-", "value": "featured-bikes"},
                {"op": "move", "from": "/color", "path": "/inventory/color"},
            ]),
        );
        let expected = json!({
            "id": "e379aea5", "name": "R-410 Road Bicycle", "price": 355.45, "inventory": {"quantity": 25, "color": "silver"},
            "categoryId": "road-bikes", "tags": ["r-series", "featured-bikes"],
        });
        assert_eq!(patched.as_ref(), Ok(&expected));
        // Without the order of the properties, the service's item would differ from ours.
        assert_eq!(patched.expect("patched").to_string(), expected.to_string());
    }

    /// The table of operations in "Partial document update in Azure Cosmos DB".
    #[test]
    fn each_operation_at_each_kind_of_path() {
        let item = json!({"n": 1, "f": 1.5, "t": "a", "o": {"a": 1}, "l": [1, 2, 3], "a/b": 1});
        let with = |path: &str, value: Value| {
            let mut item = item.clone();
            *item.pointer_mut(path).expect("a path") = value;
            item
        };
        let added = |name: &str, value: Value| {
            let mut item = item.clone();
            item[name] = value;
            item
        };
        let op = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
        let list = |value: Value| with("/l", value);
        for (operations, expected) in [
            (op("add", "/new", json!(null)), added("new", json!(null))),
            (op("add", "/t", json!(2)), with("/t", json!(2))),
            (op("add", "/o/new", json!([])), with("/o", json!({"a": 1, "new": []}))),
            (op("add", "/l/1", json!(9)), list(json!([1, 9, 2, 3]))),
            (op("add", "/l/3", json!(9)), list(json!([1, 2, 3, 9]))),
            (op("add", "/l/-", json!(9)), list(json!([1, 2, 3, 9]))),
            (op("set", "/new", json!(1)), added("new", json!(1))),
            (op("set", "/l/1", json!(9)), list(json!([1, 9, 3]))),
            (op("set", "/l/-", json!(9)), list(json!([1, 2, 3, 9]))),
            (op("set", "/a~1b", json!(2)), added("a/b", json!(2))),
            (op("replace", "/o", json!(1)), with("/o", json!(1))),
            (op("replace", "/l/0", json!(9)), list(json!([9, 2, 3]))),
            (op("remove", "/l/0", json!(null)), list(json!([2, 3]))),
            (op("incr", "/n", json!(-3)), with("/n", json!(-2))),
            (op("increment", "/n", json!(0.5)), with("/n", json!(1.5))),
            (op("incr", "/f", json!(1)), with("/f", json!(2.5))),
            (op("incr", "/new", json!(5)), added("new", json!(5))),
            (op("incr", "/o/new", json!(5)), with("/o", json!({"a": 1, "new": 5}))),
            (op("incr", "/l/2", json!(5)), list(json!([1, 2, 8]))),
            (json!([{"op": "move", "from": "/l/0", "path": "/l/-"}]), list(json!([2, 3, 1]))),
            (json!([{"op": "move", "from": "/n", "path": "/n"}]), item.clone()),
        ] {
            assert_eq!(apply(&item, operations.clone()), Ok(expected), "{operations}");
        }
        let moved = apply(&item, json!([{"op": "move", "from": "/o", "path": "/t"}])).expect("patched");
        assert_eq!(moved, json!({"n": 1, "f": 1.5, "t": {"a": 1}, "l": [1, 2, 3], "a/b": 1}));
    }

    /// The messages of "Get started with Azure Cosmos DB partial document update" and of the .NET SDK's `ItemPatchFailureTest`.
    #[test]
    fn impossible_operations_are_refused_with_their_number() {
        let item = json!({"n": 1, "t": "a", "o": {"a": 1}, "l": [1, 2]});
        let op = |op: &str, path: &str| json!([{"op": op, "path": path, "value": 1}]);
        for (operations, part) in [
            (
                op("add", "/nonExistentParent/Child"),
                "For Operation(1): Add Operation can only create a child object of an existing node(array or object) and \
                 cannot create path recursively, no path found beyond: 'nonExistentParent'. Learn more: \
                 https://aka.ms/cosmosdbpatchdocs",
            ),
            (op("set", "/o/b/c/d"), "Given Operation can only create"),
            (op("set", "/o/b/c/d"), "no path found beyond: 'b'"),
            (op("set", "/t/x"), "no path found beyond: 't'"),
            (op("incr", "/x/y"), "no path found beyond: 'x'"),
            (op("add", "/l/3"), "Index(3) to operate on is out of array bounds"),
            (op("set", "/l/3"), "Index(3) to operate on is out of array bounds"),
            (op("replace", "/l/2"), "Index(2) to operate on is out of array bounds"),
            (op("remove", "/l/2"), "Index(2) to operate on is out of array bounds"),
            (op("remove", "/l/-"), "Index(-) to operate on is out of array bounds"),
            (op("set", "/l/99999999999999999999999"), "out of array bounds"),
            (op("set", "/l/5/x"), "Index(5) to operate on is out of array bounds"),
            (op("add", "/l/x"), "Index(x) of the path /l/x is not a number"),
            (op("add", "/l/01"), "is not a number"),
            (op("replace", "/x"), "Node(/x) to be replaced is absent"),
            (op("replace", "/x/y"), "Node(/x/y) to be replaced is absent"),
            (op("remove", "/x"), "Node(/x) to be removed is absent"),
            (op("remove", "/x/y"), "Node(/x/y) to be removed is absent"),
            (op("incr", "/t"), "Node(/t) is not a number"),
            (json!([{"op": "move", "from": "/x", "path": "/y"}]), "Node(/x) to be moved is absent"),
            (json!([{"op": "move", "from": "/x", "path": "/x"}]), "Node(/x) to be moved is absent"),
            (
                json!([{"op": "incr", "path": "/n", "value": 1e308}, {"op": "incr", "path": "/n", "value": 1.7e308}]),
                "Operation(2)",
            ),
            (json!([{"op": "remove", "path": "/n"}, {"op": "replace", "path": "/n", "value": 1}]), "For Operation(2)"),
        ] {
            match apply(&item, operations.clone()) {
                Err(PatchError::Operation(message)) => assert!(message.contains(part), "{operations}: {message}"),
                other => panic!("{operations}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_partition_key_cannot_be_patched() {
        let item = json!({"pk": "a", "deep": {"key": 1, "other": 1}, "b": 1});
        for operation in [
            json!({"op": "set", "path": "/pk", "value": "b"}),
            json!({"op": "remove", "path": "/pk"}),
            json!({"op": "move", "from": "/pk", "path": "/b"}),
            json!({"op": "add", "path": "/pk/a", "value": 1}),
            json!({"op": "incr", "path": "/deep/key", "value": 1}),
            json!({"op": "set", "path": "/deep", "value": {"key": 2}}),
            json!({"op": "remove", "path": "/deep"}),
        ] {
            match apply(&item, json!([operation])) {
                Err(error @ PatchError::PartitionKey(_)) => {
                    assert!(error.to_string().to_lowercase().contains("partition"))
                }
                other => panic!("{operation}: {other:?}"),
            }
        }
        apply(&item, json!([{"op": "set", "path": "/deep", "value": {"key": 1.0}}])).expect("the key is the same");
        apply(&item, json!([{"op": "set", "path": "/deep/other", "value": 2}])).expect("not the key");
    }
}
