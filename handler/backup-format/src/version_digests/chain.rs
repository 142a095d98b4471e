//! Checks that the files of a chain are all there, unchanged and in their order.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt, stream};

use super::file::{ChainLink, DigestFile, RemovedVersion, digest_file_name, digest_file_names, read_digest_file};
use crate::digest::Digest;
use crate::error::Error;
use crate::location::BackupLocation;

/// Files that are read at the same time.
const CONCURRENCY: usize = 8;

/// A file of a checked chain that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFile {
    /// Its name.
    pub name: String,
    /// The start of its period, in seconds since 1970.
    pub from: i64,
    /// The end of its period.
    pub to: i64,
    /// The number of versions in it.
    pub versions: u64,
}

/// What is wrong with a file of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFlaw {
    /// The name of the file.
    pub name: String,
    /// What is wrong.
    pub message: String,
}

/// A chain whose files were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedChain {
    /// The files that can be read, by their period.
    pub files: Vec<ChainFile>,
    /// What is wrong, one for each file.
    pub flaws: Vec<ChainFlaw>,
}

impl CheckedChain {
    /// The end of the last period, in seconds since 1970.
    pub fn end(&self) -> i64 {
        self.files.iter().map(|file| file.to).max().unwrap_or_default()
    }
}

/// Reads every file of a chain. `last` is the file that was written last, as another place remembers it. `on_removal` receives every
/// removal in the files.
///
/// # Errors
/// When the location cannot be read.
pub async fn check_digest_chain(
    location: &BackupLocation,
    last: Option<&ChainLink>,
    mut on_removal: impl FnMut(RemovedVersion),
) -> Result<CheckedChain, Error> {
    let mut check = Check::default();
    let names = digest_file_names(location).await?;
    let mut files = stream::iter(names)
        .map(|name| async {
            let read = read_digest_file(location, &name).await?;
            Ok::<_, Error>((name, read))
        })
        .buffered(CONCURRENCY);
    while let Some((name, read)) = files.try_next().await? {
        match read {
            // It was deleted since the listing.
            None => {}
            Some(Err(message)) => check.flaw(&name, format!("the file is damaged: {message}")),
            Some(Ok((mut file, digest))) => {
                file.removals.drain(..).for_each(&mut on_removal);
                check.add(name, file, digest);
            }
        }
    }
    Ok(check.finish(last))
}

#[derive(Default)]
struct Check {
    read: Vec<(ChainFile, Option<ChainLink>)>,
    digests: HashMap<String, Digest>,
    flaws: BTreeMap<String, String>,
}

impl Check {
    /// The first flaw of a file is reported: others may follow from it.
    fn flaw(&mut self, name: &str, message: impl Into<String>) {
        self.flaws.entry(name.to_owned()).or_insert_with(|| message.into());
    }

    fn add(&mut self, name: String, file: DigestFile, digest: Digest) {
        if digest_file_name(file.from) != name {
            self.flaw(&name, format!("the file has the content of {}", digest_file_name(file.from)));
        }
        self.digests.insert(name.clone(), digest);
        let versions = file.versions.len() as u64;
        self.read.push((ChainFile { name, from: file.from, to: file.to, versions }, file.previous));
    }

    fn finish(mut self, last: Option<&ChainLink>) -> CheckedChain {
        let mut read = std::mem::take(&mut self.read);
        read.sort_by_key(|(file, _)| (file.from, file.to));
        let mut end = 0;
        for (file, previous) in &read {
            match previous {
                Some(previous) => self.check_link(previous),
                None if file.from == 0 => {}
                None => self.flaw(&file.name, "the file says that it is the first one, and it starts later"),
            }
            if file.from < end {
                self.flaw(&file.name, "the file covers a time that the file before it covers too");
            }
            end = end.max(file.to);
        }
        if let Some(last) = last {
            self.check_link(last);
        }
        let flaws = self.flaws.into_iter().map(|(name, message)| ChainFlaw { name, message }).collect();
        CheckedChain { files: read.into_iter().map(|(file, _)| file).collect(), flaws }
    }

    /// Checks a file that another file or the record of the last one names.
    fn check_link(&mut self, link: &ChainLink) {
        match self.digests.get(&link.name) {
            Some(digest) if *digest == link.sha256 => {}
            Some(_) => self.flaw(&link.name, "the file was changed or replaced"),
            None => self.flaw(&link.name, "the file is missing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of files with the periods between these seconds.
    fn chain(bounds: &[i64]) -> Vec<(String, DigestFile, Digest)> {
        let mut previous: Option<ChainLink> = None;
        let mut files = Vec::new();
        for period in bounds.windows(2) {
            let file = DigestFile {
                history: None,
                from: period[0],
                to: period[1],
                previous: previous.clone(),
                versions: Vec::new(),
                removals: Vec::new(),
            };
            let (name, sha256) = (digest_file_name(file.from), Digest::of(format!("{file:?}").as_bytes()));
            previous = Some(ChainLink { name: name.clone(), sha256 });
            files.push((name, file, sha256));
        }
        files
    }

    fn flaws(files: Vec<(String, DigestFile, Digest)>, last: Option<&ChainLink>) -> Vec<(String, String)> {
        let mut check = Check::default();
        files.into_iter().for_each(|(name, file, digest)| check.add(name, file, digest));
        check.finish(last).flaws.into_iter().map(|flaw| (flaw.name, flaw.message)).collect()
    }

    #[test]
    fn a_missing_a_changed_and_a_swapped_file_are_named() {
        let bounds = [0, 3600, 7200, 10_800, 14_400];
        let name = |from: i64| digest_file_name(from);
        let last = |files: &[(String, DigestFile, Digest)]| {
            files.last().map(|(name, _, sha256)| ChainLink { name: name.clone(), sha256: *sha256 })
        };
        let whole = chain(&bounds);
        assert_eq!(flaws(whole.clone(), last(&whole).as_ref()), []);

        for (missing, from) in bounds[..4].iter().enumerate() {
            let mut files = whole.clone();
            files.remove(missing);
            let expected = vec![(name(*from), "the file is missing".to_owned())];
            assert_eq!(flaws(files, last(&whole).as_ref()), expected, "{missing}");
        }
        let mut changed = whole.clone();
        changed[1].2 = Digest::of(b"another text");
        assert_eq!(flaws(changed, None), [(name(3600), "the file was changed or replaced".to_owned())]);

        let mut swapped = whole.clone();
        (swapped[1].0, swapped[2].0) = (swapped[2].0.clone(), swapped[1].0.clone());
        let named: Vec<String> = flaws(swapped, last(&whole).as_ref()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, [name(3600), name(7200)]);

        let mut second = whole.clone();
        second.push((name(5000), DigestFile { from: 5000, ..whole[1].1.clone() }, Digest::of(b"inserted")));
        let message = "the file covers a time that the file before it covers too".to_owned();
        assert_eq!(flaws(second, last(&whole).as_ref()), [(name(5000), message)]);
    }
}
