//! Circles of imports inside a crate, between files and between folders.
//!
//! A file uses another when it names something of it: by `use`, or by a path such as `crate::a::b` or `super::b`. A name that
//! a `mod.rs` or `lib.rs` re-exports counts as a use of the file that defines it. Items for tests do not count, and neither
//! do `mod` declarations, doc links and methods.
//!
//! A use is compared at the folder that both files have in common: there it is an arrow from one file or subfolder to
//! another. Every circle of files is a circle of such arrows in exactly one folder.
//!
//! An index, which is a `mod.rs`, `lib.rs` or `main.rs`, is a file of its folder like any other. `use super::Thing` is an
//! arrow to it if it defines `Thing`. The other direction needs more than `mod child` and `pub use child::Thing`: the index
//! must use an item of the child in its own code. Both together are a circle: then move `Thing` to a file of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::rust_source::{Token, code_only, tokens, without_tests};
use crate::tree::{File, assert_none, at, crate_of, sources};

/// The names from the root of the crate to a module.
type ModulePath = Vec<String>;

struct Import {
    /// What the module calls it; `*` for everything of the path.
    name: String,
    path: Vec<String>,
    line: usize,
    is_public: bool,
}

struct Module {
    file: String,
    imports: Vec<Import>,
    /// Paths outside of `use`.
    mentions: Vec<(Vec<String>, usize)>,
    /// Identifiers outside of `use`.
    identifiers: BTreeSet<String>,
}

fn module_path(file: &str) -> ModulePath {
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    let mut path: ModulePath = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let last = path.last().map(String::as_str);
    if last == Some("mod") || (path.len() == 1 && matches!(last, Some("lib" | "main"))) {
        path.pop();
    }
    path
}

impl Module {
    fn read(file: &File) -> Self {
        let code = code_only(&without_tests(&file.text));
        let tokens = tokens(&code);
        let mut module =
            Self { file: file.path.clone(), imports: Vec::new(), mentions: Vec::new(), identifiers: BTreeSet::new() };
        let text = |at: usize| tokens.get(at).map_or("", |token: &Token<'_>| token.text);
        let mut at = 0;
        while at < tokens.len() {
            // `use<'a>` in a type is not an import.
            if text(at) == "use" && text(at + 1) != "<" {
                let is_public = at > 0 && matches!(text(at - 1), "pub" | ")");
                let first = module.imports.len();
                at += 1;
                read_use_tree(&tokens, &mut at, Vec::new(), &mut module.imports);
                for import in &mut module.imports[first..] {
                    import.is_public = is_public;
                }
                continue;
            }
            if !tokens[at].is_identifier() || (at > 0 && matches!(text(at - 1), "mod" | ".")) {
                at += 1;
                continue;
            }
            let line = tokens[at].line;
            let mut path = vec![text(at).to_owned()];
            while text(at + 1) == "::" && tokens.get(at + 2).is_some_and(Token::is_identifier) {
                at += 2;
                path.push(text(at).to_owned());
            }
            module.identifiers.insert(path[0].clone());
            if path.len() > 1 {
                module.mentions.push((path, line));
            }
            at += 1;
        }
        module
    }

    fn import(&self, name: &str) -> Option<&Import> {
        self.imports.iter().find(|import| import.name == name)
    }
}

/// Reads `a::{b, c as d, e::*}`; leaves `at` behind it.
fn read_use_tree(tokens: &[Token<'_>], at: &mut usize, mut path: Vec<String>, imports: &mut Vec<Import>) {
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.text {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    read_use_tree(tokens, at, path.clone(), imports);
                    if tokens.get(*at).is_some_and(|token| token.text == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "*" => {
                imports.push(Import { name: "*".to_owned(), path, line: token.line, is_public: false });
                return;
            }
            segment => {
                if segment != "self" || path.is_empty() {
                    path.push(segment.to_owned());
                }
                let next = |offset: usize| tokens.get(*at + offset).map_or("", |token| token.text);
                if next(0) == "::" {
                    continue;
                }
                let mut name = path.last().cloned().unwrap_or_default();
                if next(0) == "as" {
                    name = next(1).to_owned();
                    *at += 2;
                }
                imports.push(Import { name, path, line: token.line, is_public: false });
                return;
            }
        }
    }
}

/// The modules of one crate.
struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    fn read(files: &[&File]) -> Self {
        // A file named tests.rs has tests only.
        let files = files.iter().filter(|file| !file.path.ends_with("/tests.rs"));
        Self(files.map(|file| (module_path(&file.path), Module::read(file))).collect())
    }

    fn child(&self, module: &[String], name: &str) -> Option<ModulePath> {
        let mut child = module.to_vec();
        child.push(name.to_owned());
        self.0.contains_key(&child).then_some(child)
    }

    /// The module that defines what a path names; `None` where that is not in this crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (first, mut rest) = path.split_first()?;
        if depth > 20 {
            return None;
        }
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            name => match self.child(from, name) {
                Some(child) => child,
                // What the module imported under this name.
                None => {
                    let import = self.0.get(from)?.import(name)?;
                    let is_itself = import.path.len() == 1 && import.path[0] == *name;
                    return if is_itself {
                        None
                    } else {
                        self.resolve(from, &[import.path.as_slice(), rest].concat(), depth + 1)
                    };
                }
            },
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                module.pop()?;
            } else if let Some(child) = self.child(&module, name) {
                module = child;
            } else {
                // A re-export, or an item of the module itself.
                let import = self.0.get(&module).and_then(|module| module.import(name));
                let defined = import
                    .and_then(|import| self.resolve(&module, &[import.path.as_slice(), after].concat(), depth + 1));
                return Some(defined.unwrap_or(module));
            }
            rest = after;
        }
        Some(module)
    }

    /// The modules that a module uses, each with the first line that names it.
    fn used_by(&self, from: &[String], module: &Module) -> BTreeMap<ModulePath, usize> {
        let mut used = BTreeMap::new();
        let imports = module.imports.iter().map(|import| (&import.path, import.line, Some(import)));
        let mentions = module.mentions.iter().map(|(path, line)| (path, *line, None));
        for (path, line, import) in imports.chain(mentions) {
            let Some(target) = self.resolve(from, path, 0).filter(|target| target != from) else { continue };
            let only_re_exported = import.is_some_and(|import| {
                import.is_public && target.starts_with(from) && !module.identifiers.contains(&import.name)
            });
            if !only_re_exported {
                used.entry(target).or_insert(line);
            }
        }
        used
    }
}

/// An arrow between two entries of a folder, and the line that makes it.
struct Arrow {
    file: String,
    line: usize,
    target: String,
}

/// The entries of a folder and the arrows between them.
type Entries = BTreeMap<String, BTreeMap<String, Arrow>>;

/// The arrows in every folder of a crate.
fn arrows(modules: &Modules) -> BTreeMap<ModulePath, Entries> {
    let mut folders: BTreeMap<ModulePath, Entries> = BTreeMap::new();
    for (from, module) in &modules.0 {
        for (target, line) in modules.used_by(from, module) {
            let common = from.iter().zip(&target).take_while(|(one, other)| one == other).count();
            let entry = |path: &[String]| path.get(common).cloned().unwrap_or_else(|| "(index)".to_owned());
            let arrow = Arrow { file: module.file.clone(), line, target: modules.0[&target].file.clone() };
            let entries = folders.entry(from[..common].to_vec()).or_default();
            entries.entry(entry(from)).or_default().entry(entry(&target)).or_insert(arrow);
        }
    }
    folders
}

/// The shortest way from an entry along the arrows to another, without the first.
fn way(entries: &Entries, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(entry) = queue.pop_front() {
        for next in entries.get(entry).into_iter().flat_map(BTreeMap::keys) {
            if came_from.contains_key(next.as_str()) {
                continue;
            }
            came_from.insert(next, entry);
            if next == to {
                let mut way = vec![to.to_owned()];
                let mut last = entry;
                while last != from {
                    way.insert(0, last.to_owned());
                    last = came_from[last];
                }
                return Some(way);
            }
            queue.push_back(next);
        }
    }
    None
}

/// The circles of the crates that these files belong to.
fn circles(files: &[File]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in files {
        crates.entry(crate_of(&file.path).expect("a source file")).or_default().push(file);
    }
    let mut found = Vec::new();
    for (name, files) in crates {
        for (folder, entries) in arrows(&Modules::read(&files)) {
            let folder = format!("handler/{name}/src/{}", folder.join("/")).trim_end_matches('/').to_owned();
            let mut done = BTreeSet::new();
            for entry in entries.keys() {
                let Some(circle) = way(&entries, entry, entry).filter(|_| !done.contains(&entry)) else { continue };
                let reaches_back =
                    |other: &&String| way(&entries, entry, other).is_some() && way(&entries, other, entry).is_some();
                let members: Vec<&String> = entries.keys().filter(reaches_back).collect();
                done.extend(members.iter().copied());
                found.push(describe(&folder, &entries, entry, &circle, &members));
            }
        }
    }
    found
}

fn describe(folder: &str, entries: &Entries, first: &str, circle: &[String], members: &[&String]) -> String {
    let mut text = format!("{folder}: circle {first} -> {}", circle.join(" -> "));
    if members.len() > circle.len() {
        let members: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
        text += &format!("; more circles join it: {}", members.join(", "));
    }
    let mut from = first;
    for to in circle {
        let arrow = &entries[from][to];
        text += &format!("\n  {}", at(&arrow.file, arrow.line, format!("uses {}", arrow.target)));
        from = to;
    }
    text
}

#[test]
fn files_and_folders_use_each_other_without_circles() {
    assert_none(&circles(&sources()));
}

fn planted(files: &[(&str, &str)]) -> Vec<File> {
    files.iter().map(|(path, text)| File::new(&format!("handler/jobs/src/{path}"), text)).collect()
}

#[test]
fn a_circle_of_files_is_reported_with_its_lines() {
    let files = planted(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\npub type Shared = u8;\n"),
        ("a.rs", "//! [`B`](crate::b::B)\nuse crate::Shared;\nuse crate::{b::B, c};\n"),
        ("b.rs", "fn b() -> super::c::C {}\n"),
        (
            "c.rs",
            "// use crate::nothing;\npub struct C;\nfn c(a: crate::A) {}\n#[cfg(test)]\nmod tests { use crate::b::B; }\n",
        ),
    ]);
    assert_eq!(
        circles(&files),
        ["handler/jobs/src: circle a -> c -> a; more circles join it: a, b, c\
          \n  handler/jobs/src/a.rs:3: uses handler/jobs/src/c.rs\
          \n  handler/jobs/src/c.rs:3: uses handler/jobs/src/a.rs"]
    );
}

#[test]
fn a_circle_of_folders_is_reported_even_if_no_file_is_in_one() {
    let files = planted(&[
        ("lib.rs", "mod backup;\nmod restore;\n"),
        ("backup/mod.rs", "mod convert;\nmod work;\npub use convert::key;\n"),
        ("backup/convert.rs", "pub fn key() {}\n"),
        ("backup/work.rs", "\nuse crate::restore::plan;\n"),
        ("restore/mod.rs", "pub mod plan;\nmod lines;\n"),
        ("restore/plan.rs", ""),
        ("restore/lines.rs", "use crate::backup;\nfn f() { backup::key() }\n"),
    ]);
    assert_eq!(
        circles(&files),
        ["handler/jobs/src: circle backup -> restore -> backup\
          \n  handler/jobs/src/backup/work.rs:2: uses handler/jobs/src/restore/plan.rs\
          \n  handler/jobs/src/restore/lines.rs:1: uses handler/jobs/src/backup/mod.rs"]
    );
}

#[test]
fn an_index_is_in_a_circle_only_if_it_uses_its_child() {
    let child = ("read/list.rs", "use super::Reader;\npub struct List;\n");
    let with_index = |index| circles(&planted(&[("lib.rs", "mod read;\n"), ("read/mod.rs", index), child]));
    assert_none(&with_index("mod list;\npub(crate) use list::List;\npub struct Reader;\n"));
    for index in [
        "mod list;\nuse list::List;\npub struct Reader(List);\n",
        "mod list;\npub use list::List;\npub struct Reader(List);\n",
        "mod list;\n\npub struct Reader(list::List);\n",
    ] {
        let found = with_index(index);
        assert_eq!(found.len(), 1, "{index}");
        assert!(found[0].starts_with("handler/jobs/src/read: circle (index) -> list -> (index)"), "{}", found[0]);
        assert!(
            found[0].contains("handler/jobs/src/read/list.rs:1: uses handler/jobs/src/read/mod.rs"),
            "{}",
            found[0]
        );
    }
}
