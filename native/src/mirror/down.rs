//! From objects to a folder.

use super::filter::Filter;
use super::guard::{DELETIONS_MAX, Deletion};
use super::memory::Memory;
use super::merge::{Found, Sides};
use super::root::{Root, failed};
use super::run::{Done, Outcome, Run, Tally, Way, blocking};
use super::same::{self, BLAKE3, MTIME};
use super::walk::{self, LocalFile, modified_of};
use super::{Compare, MirrorEvent, MirrorOptions, MirrorReport, MirrorStep, Object, names, with_slash};
use crate::bucket::{Bucket, Download, Head, unreadable};
use crate::folder::Folder;
use crate::folder::beneath::{self, Found as There};
use crate::{Error, ErrorKind};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

pub(super) async fn down<P: FnMut(MirrorEvent<'_>) + Send>(
    bucket: &Bucket,
    prefix: &str,
    folder: &Path,
    options: &MirrorOptions,
    progress: P,
) -> Result<MirrorReport, Error> {
    let root = open(folder, options.dry_run)?;
    let prefix = with_slash(prefix);
    let mut memory = Memory::open(bucket.local(), root.path(), &bucket.store(), &prefix)?;
    let mut filter = Filter::new(&root, &options.rules, bucket.local())?;
    let walked = if root.is_missing {
        mpsc::channel(1).1
    } else {
        let drafts = if options.dry_run { String::new() } else { memory.id.clone() };
        walk::begin(root.clone(), filter.clone(), prefix.clone(), drafts)
    };
    let mut sides = Sides::new(walked, bucket, &prefix);
    let drafts = Drafts { id: memory.id.clone(), count: AtomicU64::new(0) };
    let run = Run::new(bucket, root, prefix, options, Way::Down, progress);
    let (mut tally, mut target) = (Tally::new(), Target::default());
    let mut jobs = FuturesUnordered::new();
    let mut has_more = true;
    loop {
        tokio::select! {
            biased;
            Some(outcome) = jobs.next() => tally.account(&run, &mut memory, outcome),
            found = sides.next(), if has_more && jobs.len() < bucket.concurrency() => match found? {
                None => has_more = false,
                Some(Found::Failed(error)) => tally.fail(error),
                Some(Found::Skipped(path)) => tally.step(&run, &path, MirrorStep::Skip),
                Some(Found::Local(local)) => target.lacks(options, local),
                Some(Found::Remote(object)) => {
                    if let Some(object) = run.wanted(&mut filter, &mut tally, object) {
                        target.at_source += 1;
                        jobs.push(run.bring_down(&drafts, None, object));
                    }
                }
                Some(Found::Both(local, object)) => {
                    target.at_source += 1;
                    target.at_target += 1;
                    if options.compare == Compare::Time && memory.knows(&local, &object) {
                        tally.step(&run, &local.path, MirrorStep::Skip);
                    } else {
                        jobs.push(run.bring_down(&drafts, Some(local), object));
                    }
                }
            },
            else => break,
        }
        if tally.must_stop() {
            break;
        }
    }
    drop(jobs);
    if options.delete {
        target.delete(&run, &mut tally).await?;
    }
    Ok(tally.end())
}

/// The target, made if it is missing; in a dry run it may stay so.
fn open(folder: &Path, dry_run: bool) -> Result<Root, Error> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let unwritable = |error: io::Error| {
                Error::new(ErrorKind::LocalStore, format!("the folder can't be made: {error}"))
                    .on(folder.display().to_string())
                    .next_step("make the folder above it, or connect the disk it is on")
            };
            if dry_run {
                let path = std::path::absolute(folder).map_err(unwritable)?;
                return Ok(Root { folder: Folder::at(path), follows_links: false, is_missing: true });
            }
            fs::create_dir(folder).map_err(unwritable)?;
        }
        _ => {}
    }
    Root::open(folder, false)
}

/// Names for files that are being written.
struct Drafts {
    id: String,
    count: AtomicU64,
}

impl Drafts {
    fn name(&self) -> String {
        names::draft(&self.id, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

impl<P: FnMut(MirrorEvent<'_>) + Send> Run<'_, P> {
    /// An object that is to be a file. A placeholder makes its folder; what no path can be, and what is left out, is none.
    fn wanted(&self, filter: &mut Filter, tally: &mut Tally, object: Object) -> Option<Object> {
        let (path, is_folder) = match object.path.strip_suffix('/') {
            Some(folder) if object.size == 0 => (folder, true),
            _ => (object.path.as_str(), false),
        };
        if object.path.is_empty() {
            // The prefix itself has a placeholder.
            return None;
        }
        let judged = names::check(&self.prefix, path).and_then(|()| filter.why(path, is_folder));
        match judged {
            Ok(why) if !why.taken => None,
            Ok(_) if is_folder => {
                let made = match self.options.dry_run {
                    true => Ok(()),
                    // What is made are the folders before a name.
                    false => self.root.folder.make_parent(Path::new(&format!("{path}/x"))).map(drop),
                };
                if let Err(fault) = made {
                    tally.fail(failed(fault, path));
                }
                None
            }
            Ok(_) => Some(object),
            Err(error) => {
                tally.fail(error.on(object.path));
                None
            }
        }
    }

    async fn bring_down(&self, drafts: &Drafts, local: Option<LocalFile>, object: Object) -> Outcome {
        let path = object.path.clone();
        let done = match &local {
            Some(local) => self.same(local, &object).await,
            None => Ok(None),
        };
        let done = match done {
            Ok(Some(same)) => Ok(same),
            Ok(None) if self.options.dry_run => Ok(Done { step: MirrorStep::Download, bytes: 0, same: None }),
            Ok(None) => self.fetch(drafts, local, &path).await,
            Err(error) => Err(error),
        };
        Outcome { path, done }
    }

    /// Fetches an object into a file beside its place, and puts it there when it is whole.
    async fn fetch(&self, drafts: &Drafts, expected: Option<LocalFile>, path: &str) -> Result<Done, Error> {
        let (root, at, name) = (self.root.clone(), path.to_owned(), drafts.name());
        let mut draft = blocking(move || Draft::new(&root, at, name, expected)).await??;
        let download = self.bucket.get(&self.key(path), u64::MAX).await?;
        let mut download = download.ok_or_else(|| {
            Error::new(ErrorKind::Busy, "the object went away meanwhile").next_step("run it again").retryable()
        })?;
        let mut hasher = blake3::Hasher::new();
        let bytes = self.receive(&mut download, &mut draft, &mut hasher).await?;
        let head = download.head().clone();
        let expected = head.properties.metadata.get(BLAKE3).filter(|_| self.options.compare == Compare::Checksum);
        if expected.is_some_and(|expected| hasher.finalize().to_hex().as_str() != expected) {
            return Err(Error::new(ErrorKind::HashMismatch, "the content is not the one that Tidelock wrote there")
                .next_step("compare the object with where it came from; without --checksum it is fetched as it is"));
        }
        let modified_ns = modified_ns_of(&head);
        let local = blocking(move || draft.place(modified_ns)).await??;
        Ok(Done { step: MirrorStep::Download, bytes, same: Some((local, head.etag)) })
    }

    async fn receive(
        &self,
        download: &mut Download,
        draft: &mut Draft,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, Error> {
        let mut bytes = 0;
        while let Some(chunk) = download.chunk().await? {
            draft.file.write_all(&chunk).map_err(|error| unwritable(error, &draft.path))?;
            hasher.update(&chunk);
            bytes += chunk.len() as u64;
            self.tell(MirrorEvent::Moved(chunk.len() as u64));
        }
        Ok(bytes)
    }
}

/// The time that the file had, else that of the object.
fn modified_ns_of(head: &Head) -> Option<i64> {
    let kept = head.properties.metadata.get(MTIME).and_then(|text| same::from_text(text));
    kept.or_else(|| head.last_modified.as_deref().and_then(same::last_modified_ns))
}

/// A file that is being written, beside its place; gone unless it is put there.
struct Draft {
    file: File,
    directory: Dir,
    name: String,
    path: String,
    /// What the walk found there. Whatever else is there stays.
    expected: Option<LocalFile>,
}

impl Draft {
    fn new(root: &Root, path: String, name: String, expected: Option<LocalFile>) -> Result<Self, Error> {
        let directory = root.folder.make_parent(Path::new(&path)).map_err(|fault| failed(fault, &path))?;
        // Before anything is fetched.
        look(&directory, &path, expected.as_ref())?;
        let opened = directory.open_with(&name, OpenOptions::new().write(true).create_new(true));
        let file = opened.map_err(|error| unwritable(error, &path))?.into_std();
        Ok(Self { file, directory, name, path, expected })
    }

    /// Puts it in its place, durably.
    fn place(mut self, modified_ns: Option<i64>) -> Result<LocalFile, Error> {
        let failed = |error| unwritable(error, &self.path);
        if let Some(modified_ns) = modified_ns {
            self.file.set_modified(same::system_time(modified_ns)).map_err(failed)?;
        }
        self.file.sync_all().map_err(failed)?;
        let found = self.file.metadata().map_err(failed)?;
        let modified_ns = same::modified_ns(&found).map_err(failed)?;
        let local = LocalFile { path: self.path.clone(), len: found.len(), modified_ns };
        if let Some(there) = look(&self.directory, &self.path, self.expected.as_ref())? {
            keep_mode(&self.file, &there).map_err(failed)?;
        }
        let name = std::mem::take(&mut self.name);
        let renamed = self.directory.rename(&name, &self.directory, beneath::name(Path::new(&self.path)));
        if let Err(error) = renamed {
            self.name = name;
            return Err(unwritable(error, &self.path));
        }
        Ok(local)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = self.directory.remove_file(&self.name);
        }
    }
}

/// What stands where a file is to be: what the walk found there, or nothing. A name that the walk did not find and the file
/// system does is another one to the person, and the same to it.
fn look(directory: &Dir, path: &str, expected: Option<&LocalFile>) -> Result<Option<Metadata>, Error> {
    let found = beneath::look(directory, beneath::name(Path::new(path))).map_err(|fault| failed(fault, path))?;
    let Some(found) = found else { return Ok(None) };
    let why = match expected {
        _ if found.is_symlink() => "a link is in its place",
        _ if found.is_dir() => "a folder is in its place",
        None => "a file is in its place that this file system takes for the same name, or that was just made",
        Some(local) => {
            let modified_ns = modified_of(&found).map_err(|error| unreadable(&error, path))?;
            if found.is_file() && found.len() == local.len && modified_ns == local.modified_ns {
                return Ok(Some(found));
            }
            "the file in its place changed meanwhile"
        }
    };
    Err(Error::new(ErrorKind::Busy, format!("it was not fetched: {why}"))
        .on(path)
        .next_step("look at what is there, and move it away if it may go; or leave the key out with --exclude"))
}

/// Who may read a file may read the one that replaces it, and nobody else.
#[cfg(unix)]
fn keep_mode(file: &File, there: &Metadata) -> io::Result<()> {
    use cap_std::fs::PermissionsExt as _;
    let mode = there.permissions().mode() & 0o777;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_mode(_file: &File, _there: &Metadata) -> io::Result<()> {
    Ok(())
}

fn unwritable(error: io::Error, path: &str) -> Error {
    failed(error.into(), path)
}

/// What is known of both sides, and the files that no object is there for.
#[derive(Default)]
struct Target {
    at_source: u64,
    at_target: u64,
    doomed: Vec<LocalFile>,
}

impl Target {
    fn lacks(&mut self, options: &MirrorOptions, local: LocalFile) {
        self.at_target += 1;
        if options.delete && self.doomed.len() <= DELETIONS_MAX {
            self.doomed.push(local);
        }
    }

    async fn delete<P>(self, run: &Run<'_, P>, tally: &mut Tally) -> Result<(), Error>
    where
        P: FnMut(MirrorEvent<'_>) + Send,
    {
        let folder = run.root.path().display().to_string();
        let deletion = Deletion {
            target: &folder,
            doomed: self.doomed.len() as u64,
            at_target: self.at_target,
            at_source: self.at_source,
            max_percent: run.options.max_delete_percent,
        };
        if let Err(refused) = deletion.check(&tally.report) {
            tally.report.not_deleted = Some(refused);
            return Ok(());
        }
        for local in self.doomed {
            let (root, path) = (run.root.folder.clone(), local.path.clone());
            let removed = match run.options.dry_run {
                true => Ok(true),
                false => blocking(move || remove(&root, &local)).await?,
            };
            match removed {
                Ok(true) => tally.step(run, &path, MirrorStep::Delete),
                Ok(false) => {}
                Err(error) => tally.fail(error),
            }
        }
        Ok(())
    }
}

/// Removes a file that is as the walk found it, and the folders that it leaves empty; `false`: it is another one by now, and
/// stays.
fn remove(root: &Folder, local: &LocalFile) -> Result<bool, Error> {
    let path = Path::new(&local.path);
    let unremovable = |fault| failed(fault, &local.path);
    let There::Directory(directory) = root.find_parent(path).map_err(unremovable)? else { return Ok(false) };
    let Some(found) = beneath::look(&directory, beneath::name(path)).map_err(unremovable)? else { return Ok(false) };
    let modified_ns = modified_of(&found).map_err(|error| unreadable(&error, &local.path))?;
    if !found.is_file() || found.len() != local.len || modified_ns != local.modified_ns {
        return Ok(false);
    }
    directory.remove_file(beneath::name(path)).map_err(|error| unwritable(error, &local.path))?;
    for emptied in path.ancestors().skip(1).take_while(|emptied| !emptied.as_os_str().is_empty()) {
        let Ok(There::Directory(parent)) = root.find_parent(emptied) else { break };
        if parent.remove_dir(beneath::name(emptied)).is_err() {
            break;
        }
    }
    Ok(true)
}
