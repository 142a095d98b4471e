//! Short ids of versions: shown in tables, and accepted wherever a version is named.

use local_cosmos::LoggedKind;
use serde_json::Value;

use crate::read_costs::{FIRST_SECOND, costs, store_versions};
use crate::support::{CommandLine, World};

/// The document whose versions have a second each.
const D0: [&str; 4] = ["--id", "d0", "--pk", "a"];
/// The document whose versions have one second.
const D1: [&str; 4] = ["--id", "d1", "--pk", "a"];

async fn world() -> World {
    let world = World::new().await;
    store_versions(&world, "d0", 20, false).await;
    store_versions(&world, "d1", 12, true).await;
    world
}

fn of(command: &[&str], document: [&str; 4]) -> Vec<String> {
    command.iter().chain(&document).map(|argument| (*argument).to_owned()).collect()
}

async fn text(command_line: &CommandLine, arguments: Vec<String>) -> (i32, String) {
    command_line.text(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn tables_have_short_ids_and_json_has_whole_ones() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    let (_, table) = text(&command_line, of(&["history", "versions"], D0)).await;
    let (short, whole) = (format!("{}", FIRST_SECOND + 3), format!("{}-d0-00003", FIRST_SECOND + 3));
    assert!(table.contains(&short) && !table.contains(&whole), "{table}");
    for arguments in [of(&["history", "versions", "--wide"], D0), of(&["history", "versions", "--output", "json"], D0)]
    {
        assert!(text(&command_line, arguments.clone()).await.1.contains(&whole), "{arguments:?}");
    }
    // Versions of one second have as much of their ids as distinguishes them.
    let (_, table) = text(&command_line, of(&["history", "versions"], D1)).await;
    let row = table.lines().find(|line| line.contains("-d1-00007")).unwrap_or_else(|| panic!("{table}"));
    assert!(row.contains(&format!("{FIRST_SECOND}-d1-00007")), "{row}");
    // The same ids among the versions of all documents.
    let from = FIRST_SECOND.to_string();
    let (_, changes) = command_line.text(&["history", "changes", "--since", &from, "--until", &short]).await;
    assert!(changes.contains(&short) && !changes.contains(&whole), "{changes}");
    assert!(changes.contains(&format!("{from}-d0")) && changes.contains("-d1-00011"), "{changes}");
}

#[tokio::test]
async fn every_command_accepts_the_beginning_of_an_id() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    let (third, fifth) = (format!("{}", FIRST_SECOND + 3), format!("{}-d0", FIRST_SECOND + 5));
    let (code, shown) = text(&command_line, of(&["history", "show", &third], D0)).await;
    assert!(code == 0 && shown.contains("\"n\": 3") && shown.contains("-d0-00003"), "{shown}");
    let difference = of(&["history", "diff", "--from", &third, "--to", &fifth, "--output", "json"], D0);
    let (_, difference) = text(&command_line, difference).await;
    let difference: Value = serde_json::from_str(&difference).expect("JSON");
    assert_eq!(
        (&difference["from"], &difference["to"]),
        (&format!("{third}-d0-00003").into(), &format!("{fifth}-00005").into())
    );
    let (code, live) = text(&command_line, of(&["history", "diff", "--from", &third, "--to", "live"], D0)).await;
    assert!(code == 0 && live.contains("the whole document"), "{live}");
    let restore = of(&["restore", "run", "--version", &third, "--dry-run", "--output", "json"], D0);
    let (code, plan) = text(&command_line, restore).await;
    assert!(code == 0 && plan.contains(&format!("\"version\":\"{third}-d0-00003\"")), "{plan}");
    let restored = text(&command_line, of(&["restore", "run", "--version", &third, "--yes"], D0)).await;
    assert!(restored.0 == 0 && restored.1.contains("1 created"), "{restored:?}");
}

#[tokio::test]
async fn an_ambiguous_beginning_names_candidates_and_an_unknown_one_says_so() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    for arguments in [
        of(&["history", "show", "1700"], D1),
        of(&["history", "diff", "--from", "1700000000"], D1),
        of(&["restore", "run", "--version", "1700000000-d1", "--dry-run"], D1),
    ] {
        let (code, refused) = text(&command_line, arguments).await;
        assert_eq!(code, 2, "{refused}");
        assert!(refused.contains("several versions of document d1 have ids that begin with 1700"), "{refused}");
        assert!(
            refused.contains("1700000000-d1-0000") && refused.contains("(write of 2023-11-14T22:13:20Z)"),
            "{refused}"
        );
        assert!(refused.contains(" and more; give more of the id"), "{refused}");
    }
    let (_, few) = text(&command_line, of(&["history", "show", "1700000000-d1-0001"], D1)).await;
    assert!(
        few.contains("1700000000-d1-00010 (") && few.contains("1700000000-d1-00011 (") && !few.contains("more;"),
        "{few}"
    );
    let (code, unknown) = text(&command_line, of(&["history", "show", "1800"], D0)).await;
    assert!(code == 1 && unknown.contains("document d0 has no version whose id begins with 1800"), "{unknown}");
    let (code, wrong) = text(&command_line, of(&["history", "show", "../d0"], D0)).await;
    assert!(code == 2 && wrong.contains("invalid id"), "{wrong}");
}

#[tokio::test]
async fn an_id_is_found_with_one_query_whatever_the_length_of_the_history() {
    let world = World::new().await;
    for count in [20, 1000] {
        store_versions(&world, "d0", count, false).await;
        let history = world.changefeed(|_| ()).history;
        let document =
            changefeed_cosmos::DocumentName { id: "d0".to_owned(), partition_key: changefeed_cosmos::Key::text("a") };
        for (beginning, items) in [("1700000003", 1), ("1700000003-d0-00003", 1), ("17", 11), ("16", 0)] {
            costs(&world);
            let found = history.find_version(&document, beginning).await;
            assert_eq!(found.is_ok(), items == 1, "{found:?}");
            let costs = costs(&world);
            let changes: Vec<_> = costs.iter().filter(|((_, container), _)| container == "changes").collect();
            assert_eq!(changes, [(&(LoggedKind::Query, "changes".to_owned()), &(1, items))], "{beginning}: {costs:?}");
        }
    }
}
