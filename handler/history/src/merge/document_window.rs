//! The versions of one document around a time window, and the decision what undoing the window does with the document.

use std::borrow::Cow;

use changefeed_cosmos::FieldPath;

use super::replay::{Replayed, replay};
use super::states::{NoStates, States};
use super::undo::{LaterChanges, Undo, UndoAction, UndoOptions};
use super::window_version::{Base, WindowVersion};
use crate::changed_paths::changed_paths;
use crate::field_selection::FieldSelection;
use crate::untracked_fields::UntrackedFields;
use crate::version::Version;

/// The paths that a reason names.
const NAMED_PATHS: usize = 3;

/// The versions of one document from a time window to now.
#[derive(Clone, Copy, Debug)]
pub struct DocumentWindow<'a> {
    /// The state before the first of the versions.
    pub base: Base<'a>,
    /// All versions up to the newest, oldest first; see [`Version::order`]. Versions before the first selected one may be left out.
    pub versions: &'a [WindowVersion<'a>],
    /// The live document, read after the versions.
    pub live: Option<&'a Version>,
    /// The fields that the undo is for; `None` for all. It decides which kept paths count.
    pub fields: Option<&'a FieldSelection>,
}

impl<'a> DocumentWindow<'a> {
    /// What undoing the selected versions does with the document.
    ///
    /// A merge has the result of this model: start from the state before the first selected version, and make the changes of the versions
    /// that are not selected, path by path. A change of a value that the selected versions had made something else, or of a value inside
    /// or around it, sets that value as the version has it, and the path is kept. What the selected versions changed and changed back
    /// before another version is no change.
    pub fn undo(&self, options: &UndoOptions, untracked: &UntrackedFields) -> Undo<'a> {
        let states = match States::new(self.base, self.versions, self.live) {
            Ok(states) => states,
            Err(NoStates::NothingSelected) => return Undo::of(UndoAction::Unchanged),
            Err(NoStates::LiveIsStale) => {
                return Undo::of(UndoAction::Conflict).because("it changed while the plan was made; plan again");
            }
        };
        let has_later = states.later().next().is_some();
        match options.later_changes {
            LaterChanges::Conflict if has_later => Undo::of(UndoAction::Conflict).because(later_message(&states)),
            LaterChanges::Keep if has_later => Undo::of(UndoAction::Kept).because(later_message(&states)),
            _ if states.base == Base::Unknown => Undo::of(UndoAction::Unknown)
                .because("its state before the window is not known: the history does not reach back that far"),
            LaterChanges::Merge if has_later => merge(&states, options, self.fields, untracked),
            _ => return_to_base(&states, options, untracked),
        }
    }
}

/// Takes a document back to its state before the first selected version.
fn return_to_base<'a>(states: &States<'a>, options: &UndoOptions, untracked: &UntrackedFields) -> Undo<'a> {
    let base = states.base.document();
    let undo = match (base, states.live) {
        (Some(base), None) => Undo::of(UndoAction::Create(Cow::Borrowed(base))),
        (Some(base), Some(live)) if changed_paths(Some(live), Some(base), untracked).is_empty() => {
            return Undo::of(UndoAction::Unchanged);
        }
        (Some(base), Some(_)) => Undo::of(UndoAction::Replace(Cow::Borrowed(base))),
        (None, Some(_)) => return delete_created(options),
        (None, None) => return Undo::of(UndoAction::Unchanged),
    };
    let is_merge = options.later_changes == LaterChanges::Merge;
    let selected = states.changes.iter().filter(|change| is_merge && change.is_selected);
    let is_inexact = matches!(states.base, Base::Document { exact: false, .. })
        || selected.into_iter().any(|change| !change.is_exact);
    let restored = changed_paths(states.live, base, untracked);
    with_doubt(Undo { restored, ..undo }, is_inexact, options)
}

/// Takes back what the selected versions changed.
fn merge<'a>(
    states: &States<'a>,
    options: &UndoOptions,
    fields: Option<&FieldSelection>,
    untracked: &UntrackedFields,
) -> Undo<'a> {
    let is_inexact = matches!(states.base, Base::Document { exact: false, .. })
        || states.changes.iter().any(|change| !change.is_exact);
    let Replayed { tree, mut kept_paths } = replay(states, untracked);
    kept_paths.retain(|path| fields.is_none_or(|fields| fields.concerns(path)));
    let undo = match (tree, states.live) {
        (Some(tree), Some(live)) => {
            let document = tree.written_over(live, untracked);
            let restored = changed_paths(Some(live), Some(&document), untracked);
            match restored.is_empty() {
                false => Undo { restored, ..Undo::of(UndoAction::Merge(document)) },
                true if is_creation_kept(states, &kept_paths) => {
                    Undo::of(UndoAction::Kept).because("the window created it, and it was changed later")
                }
                true => Undo::of(UndoAction::Unchanged),
            }
        }
        (Some(tree), None) => {
            let restored = vec![FieldPath::default()];
            Undo { restored, ..Undo::of(UndoAction::Create(Cow::Owned(tree.to_value().into_owned()))) }
        }
        (None, Some(_)) => delete_created(options),
        (None, None) => Undo::of(UndoAction::Unchanged),
    };
    let undo = Undo { kept_paths, ..undo };
    if options.strict && !undo.kept_paths.is_empty() {
        let message = format!("later versions changed what the window changed: {}", named(&undo.kept_paths));
        return as_conflict(undo).because(message);
    }
    with_doubt(undo, is_inexact, options)
}

/// Whether the selected versions created the document, which stays because a later version changed it.
fn is_creation_kept(states: &States<'_>, kept_paths: &[FieldPath]) -> bool {
    let creation = states.changes.iter().rev().find(|change| change.before.is_none() && change.after.is_some());
    creation.is_some_and(|creation| creation.is_selected) && kept_paths.contains(&FieldPath::default())
}

/// A document that the selected versions created, and that no later version changed.
fn delete_created<'a>(options: &UndoOptions) -> Undo<'a> {
    if options.delete_created_after {
        return Undo { restored: vec![FieldPath::default()], ..Undo::of(UndoAction::Delete) };
    }
    Undo::of(UndoAction::Kept).because("the window created it; it is deleted only with deleteCreatedAfter")
}

/// A document whose versions may have been rewritten is only written with `force`.
fn with_doubt<'a>(undo: Undo<'a>, is_inexact: bool, options: &UndoOptions) -> Undo<'a> {
    if !is_inexact {
        return undo;
    }
    let message = "date-time strings of its versions may have been rewritten by the Functions host";
    if options.force {
        return if undo.is_write() { undo.because(message) } else { undo };
    }
    as_conflict(undo).because(format!("{message}; it is changed only with force"))
}

fn as_conflict(undo: Undo<'_>) -> Undo<'_> {
    Undo { kept_paths: undo.kept_paths, ..Undo::of(UndoAction::Conflict) }
}

fn later_message(states: &States<'_>) -> String {
    let first = states.later().find_map(|change| change.id);
    match (states.later().count(), first) {
        (_, None) => "it no longer exists, and no delete is recorded".to_owned(),
        (1, Some(id)) => format!("it was changed later, by version {id}"),
        (count, Some(id)) => format!("it was changed {count} times later, first by version {id}"),
    }
}

/// The first of the paths, and the number of the others.
fn named(paths: &[FieldPath]) -> String {
    let name = |path: &FieldPath| match path.segments() {
        [] => "the whole document".to_owned(),
        _ => path.to_string(),
    };
    let first: Vec<String> = paths.iter().take(NAMED_PATHS).map(name).collect();
    match paths.len().saturating_sub(NAMED_PATHS) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
