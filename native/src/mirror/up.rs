//! From a folder to objects.

use super::filter::Filter;
use super::guard::{DELETIONS_MAX, Deletion};
use super::memory::Memory;
use super::merge::{Found, Sides};
use super::root::Root;
use super::run::{Content, Done, Outcome, Run, Tally, Way, blocking};
use super::same::{self, BLAKE3, MTIME};
use super::walk::{self, LocalFile};
use super::{Compare, MirrorEvent, MirrorOptions, MirrorReport, MirrorStep, Object, names, with_slash};
use crate::bucket::{Bucket, Properties};
use crate::{Error, ErrorKind};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::path::Path;
use tokio::sync::Semaphore;

/// The most memory for contents, in MiB; a large file takes what its parts in flight do.
const ROOM_MIB: u32 = 48;
const LARGE_MIB: u32 = 24;

pub(super) async fn up<P: FnMut(MirrorEvent<'_>) + Send>(
    bucket: &Bucket,
    folder: &Path,
    prefix: &str,
    options: &MirrorOptions,
    progress: P,
) -> Result<MirrorReport, Error> {
    let root = Root::open(folder, options.follow_links)?;
    let prefix = with_slash(prefix);
    // It makes this device's folder, which the filter keeps back.
    let mut memory = Memory::open(bucket.local(), root.path(), &bucket.store(), &prefix)?;
    let mut filter = Filter::new(&root, &options.rules, bucket.local())?;
    let walked = walk::begin(root.clone(), filter.clone(), prefix.clone(), String::new());
    let mut sides = Sides::new(walked, bucket, &prefix);
    let run = Run::new(bucket, root, prefix, options, Way::Up, progress);
    let (mut tally, mut target) = (Tally::new(), Target::default());
    let room = Semaphore::new(ROOM_MIB as usize);
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
                Some(Found::Remote(object)) => target.lacks(&run, &mut filter, &mut tally, object),
                Some(Found::Local(local)) => {
                    target.at_source += 1;
                    jobs.push(run.bring_up(&room, local, None));
                }
                Some(Found::Both(local, object)) => {
                    target.at_source += 1;
                    target.at_target += 1;
                    if options.compare == Compare::Time && memory.knows(&local, &object) {
                        tally.step(&run, &local.path, MirrorStep::Skip);
                    } else {
                        jobs.push(run.bring_up(&room, local, Some(object)));
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

impl<P: FnMut(MirrorEvent<'_>) + Send> Run<'_, P> {
    async fn bring_up(&self, room: &Semaphore, local: LocalFile, object: Option<Object>) -> Outcome {
        let path = local.path.clone();
        let done = match &object {
            Some(object) => self.same(&local, object).await,
            None => Ok(None),
        };
        let done = match done {
            Ok(Some(same)) => Ok(same),
            Ok(None) if self.options.dry_run => Ok(Done { step: MirrorStep::Upload, bytes: 0, same: None }),
            Ok(None) => self.send(room, local).await,
            Err(error) => Err(error),
        };
        Outcome { path, done }
    }

    async fn send(&self, room: &Semaphore, local: LocalFile) -> Result<Done, Error> {
        let mib = u32::try_from(local.len >> 20).unwrap_or(u32::MAX).saturating_add(1).min(LARGE_MIB);
        // Never closed.
        let _room = room.acquire_many(mib).await;
        let (root, path) = (self.root.clone(), local.path);
        let content = blocking(move || Content::read(&root, &path, true)).await??;
        let local = content.local;
        let key = self.key(&local.path);
        let properties = Properties {
            content_type: None,
            metadata: BTreeMap::from([
                (MTIME.to_owned(), same::to_text(local.modified_ns)),
                (BLAKE3.to_owned(), content.hash.to_hex().to_string()),
            ]),
            storage_class: self.options.storage_class.clone(),
            encryption: self.options.encryption.clone(),
        };
        let moved = |bytes| self.tell(MirrorEvent::Moved(bytes));
        let put = match content.body {
            Some(body) => self.bucket.put_whole(&key, body, properties, moved).await?,
            None => {
                let path = self.root.path_of(&local.path);
                self.bucket.put_opened(&key, content.file, &path, properties, moved).await?
            }
        };
        let bytes = put.len.saturating_sub(put.resumed);
        Ok(Done { step: MirrorStep::Upload, bytes, same: Some((local, put.etag)) })
    }
}

/// What is known of both sides, and the objects that the folder has no files for.
#[derive(Default)]
struct Target {
    at_source: u64,
    at_target: u64,
    doomed: Vec<String>,
}

impl Target {
    /// An object without a file. What no path can be, and placeholders of folders, no mirror has written: they stay.
    fn lacks<P>(&mut self, run: &Run<'_, P>, filter: &mut Filter, tally: &mut Tally, object: Object)
    where
        P: FnMut(MirrorEvent<'_>) + Send,
    {
        if names::check(&run.prefix, &object.path).is_err() {
            return;
        }
        match filter.why(&object.path, false) {
            Ok(why) if !why.taken => {}
            Ok(_) => {
                self.at_target += 1;
                if run.options.delete && self.doomed.len() <= DELETIONS_MAX {
                    self.doomed.push(object.path);
                }
            }
            Err(error) => tally.fail(error.on(object.path)),
        }
    }

    async fn delete<P>(mut self, run: &Run<'_, P>, tally: &mut Tally) -> Result<(), Error>
    where
        P: FnMut(MirrorEvent<'_>) + Send,
    {
        let address = run.bucket.store().to_string();
        let deletion = Deletion {
            target: &address,
            doomed: self.doomed.len() as u64,
            at_target: self.at_target,
            at_source: self.at_source,
            max_percent: run.options.max_delete_percent,
        };
        if let Err(refused) = deletion.check(&tally.report).and_then(|()| no_vault(&self.doomed)) {
            tally.report.not_deleted = Some(refused);
            return Ok(());
        }
        // What was moved there while the walk went on stays.
        self.doomed.retain(|path| matches!(run.root.open_file(path), Ok(None)));
        if !run.options.dry_run {
            let keys: Vec<String> = self.doomed.iter().map(|path| run.key(path)).collect();
            for error in run.bucket.delete_many(&keys).await? {
                let kept = error.object().and_then(|key| key.strip_prefix(&run.prefix)).map(str::to_owned);
                self.doomed.retain(|path| Some(path) != kept.as_ref());
                tally.fail(match kept {
                    Some(path) => error.on(path),
                    None => error,
                });
            }
        }
        self.doomed.iter().for_each(|path| tally.step(run, path, MirrorStep::Delete));
        Ok(())
    }
}

/// A vault is no copy of anything: whoever names its prefix mistook it.
fn no_vault(doomed: &[String]) -> Result<(), Error> {
    let headers = doomed.iter().filter_map(|path| path.strip_suffix("tidelock"));
    for base in headers.filter(|base| base.is_empty() || base.ends_with('/')) {
        let spaces = format!("{base}spaces/");
        let at = doomed.partition_point(|path| *path < spaces);
        if doomed.get(at).is_some_and(|path| path.starts_with(&spaces)) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "nothing was deleted: there is a vault among the objects that would go",
            )
            .on(format!("{base}tidelock"))
            .next_step("name another prefix"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_known_by_its_header_and_spaces() {
        let doomed = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        for (paths, is_vault) in [
            (&["notes/spaces/x/y", "notes/tidelock"][..], true),
            (&["spaces/x", "tidelock"], true),
            (&["bin/tidelock", "spaces/x"], false),
            (&["notes/spaces/x"], false),
            (&["spaces/x", "xtidelock"], false),
            (&[], false),
        ] {
            assert_eq!(no_vault(&doomed(paths)).is_err(), is_vault, "{paths:?}");
        }
    }
}
