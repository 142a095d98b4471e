//! The id of a new database or container, which is its name.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The most characters of a name. Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.
const MAX_CHARACTERS: usize = 255;
/// The characters that the paths of resources do not allow.
const NOT_ALLOWED: [char; 4] = ['/', '\\', '?', '#'];

/// Reads the id in the body of a request that creates or replaces a resource.
pub(crate) fn read(body: &Map<String, Value>) -> Result<String, Refusal> {
    let refuse = |found: String| {
        // The tests of SDKs look for the second sentence.
        let allowed = "Ensure to provide a unique non-empty string less than '255' characters.";
        Err(Refusal::bad_request(format!("The input name is invalid: {found}. {allowed}")))
    };
    let name = match body.get("id") {
        Some(Value::String(name)) => name,
        None | Some(Value::Null) => return refuse("the id is missing".into()),
        Some(other) => return refuse(format!("the id is {other}, which is not a string")),
    };
    if name.trim().is_empty() {
        return refuse(format!("the id is \"{name}\", which is empty"));
    }
    let length = name.chars().count();
    if length > MAX_CHARACTERS {
        return refuse(format!("the id has {length} characters"));
    }
    if let Some(found) = name.chars().find(|character| NOT_ALLOWED.contains(character) || character.is_control()) {
        return refuse(format!(
            "the id {name:?} has {found:?}; the characters / \\ ? # and control characters are not allowed"
        ));
    }
    if name.ends_with(char::is_whitespace) {
        return refuse(format!("the id {name:?} ends with a space"));
    }
    Ok(name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(id: Value) -> Result<String, Refusal> {
        read(json!({"id": id}).as_object().expect("an object"))
    }

    #[test]
    fn names_that_paths_can_have_are_accepted() {
        for name in ["a", "my dä+b", "a.b:c@d", " a", "%41", &"ä".repeat(255), "lypXAA=="] {
            assert_eq!(check(json!(name)), Ok(name.to_owned()));
        }
    }

    #[test]
    fn other_names_are_refused() {
        let long = "a".repeat(256);
        for id in
            [json!(""), json!("  "), json!("a/b"), json!("a\\b"), json!("a?"), json!("#"), json!("a "), json!("a\n")]
        {
            assert_eq!(check(id.clone()).expect_err("refused").status, 400, "{id}");
        }
        for id in [json!(long), json!(7), json!(null), json!(["a"])] {
            let refusal = check(id.clone()).expect_err("refused");
            assert!(refusal.message.contains("Ensure to provide a unique non-empty string"), "{}", refusal.message);
        }
        assert!(read(&Map::new()).expect_err("refused").message.contains("the id is missing"));
    }
}
