//! One-way copies of a folder and a bucket's plain objects: what goes up is what any S3 tool reads. Nothing here is sealed.
//!
//! ```no_run
//! # async fn example() -> Result<(), tidelock::Error> {
//! use tidelock::mirror::MirrorOptions;
//! use tidelock::{Bucket, Options};
//!
//! let options = Options::new("s3://my-bucket?region=eu-central-1", "/home/me/.local/share/tidelock")?;
//! let bucket = Bucket::new(options)?;
//! let report = bucket.mirror_up("/home/me/photos".as_ref(), "photos", &MirrorOptions::default(), |_| ()).await?;
//! println!("{} files went up, {} were there", report.uploaded, report.skipped);
//! # Ok(()) }
//! ```

mod down;
mod filter;
mod guard;
mod memory;
mod merge;
mod names;
mod root;
mod run;
mod same;
mod up;
mod walk;

pub use filter::{IGNORE_FILE, Rules, Why};

use crate::bucket::{Bucket, Encryption};
use crate::{Error, ErrorKind};
use filter::Filter;
use root::Root;
use std::path::Path;
use std::time::Duration;
use tidelock_core::s3::ETag;

/// How a mirror is made.
#[derive(Clone, Debug)]
pub struct MirrorOptions {
    /// What is left out, on both sides: it is neither copied nor deleted.
    pub rules: Rules,
    /// How a file and an object are told to be the same.
    pub compare: Compare,
    /// Whether the target's files that the source has not are deleted, after all else went well.
    pub delete: bool,
    /// The most of the target's files that may be deleted, in percent of them; 25 by default.
    pub max_delete_percent: u8,
    /// Whether nothing is written, only told.
    pub dry_run: bool,
    /// Whether links in the folder are followed, also out of it; going up only. Without, they are skipped.
    pub follow_links: bool,
    /// The storage class of what goes up, such as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// How the store encrypts at rest what goes up.
    pub encryption: Option<Encryption>,
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            compare: Compare::Time,
            delete: false,
            max_delete_percent: 25,
            dry_run: false,
            follow_links: false,
            storage_class: None,
            encryption: None,
        }
    }
}

/// How a file and an object are told to be the same. Their sizes must always be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// By this device's memory of the last run; else by the time in the object's metadata `mtime`; else the copy must not be
    /// older than what it is of.
    #[default]
    Time,
    /// By their sizes alone.
    Size,
    /// By the BLAKE3 in the object's metadata, which only Tidelock writes. Going down, what is fetched must match it too.
    Checksum,
}

/// What a mirror did; in a dry run, what it would have done.
#[derive(Debug, Default)]
pub struct MirrorReport {
    /// Files that were sent.
    pub uploaded: u64,
    /// Objects that were fetched.
    pub downloaded: u64,
    /// Files or objects that were deleted.
    pub deleted: u64,
    /// Files that were the same already; and links, devices and sockets.
    pub skipped: u64,
    /// Bytes of content that were sent or fetched.
    pub bytes_transferred: u64,
    /// How long it took.
    pub duration: Duration,
    /// What failed, each on its path: the first thousand.
    pub errors: Vec<Error>,
    /// How many failed.
    pub failed: u64,
    /// Why nothing was deleted although that was asked for.
    pub not_deleted: Option<Error>,
}

/// What happens in a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorEvent<'a> {
    /// So many more bytes have moved.
    Moved(u64),
    /// A file is done, or in a dry run would be.
    Done {
        /// Below the folder, with slashes. Whoever may write to the bucket or the folder chose it.
        path: &'a str,
        /// What was done.
        step: MirrorStep,
    },
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorStep {
    /// It is sent.
    Upload,
    /// It is fetched.
    Download,
    /// It is deleted at the target.
    Delete,
    /// It stays as it is.
    Skip,
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    /// Below the prefix. Whoever may write to the bucket chose it.
    path: String,
    size: u64,
    etag: Option<ETag>,
    last_modified: Option<String>,
}

impl Bucket {
    /// Sends what a folder has to objects at `prefix/path`: new files, and those that changed. Each file is read whole or in
    /// parts as by [`put`](Self::put), several at once, in at most 48 MiB of memory; large ones are resumed. A file that
    /// fails keeps none of the others, but after ten failures of the store in a row the run ends.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such folder, [`ErrorKind::Busy`] if another process mirrors the two,
    /// [`ErrorKind::Invalid`] for rules that can't be read, what the store says of its listing. What fails on a single file is in the report.
    pub async fn mirror_up(
        &self,
        folder: &Path,
        prefix: &str,
        options: &MirrorOptions,
        progress: impl FnMut(MirrorEvent<'_>) + Send,
    ) -> Result<MirrorReport, Error> {
        up::up(self, folder, prefix, options, progress).await
    }

    /// Fetches the objects at `prefix/path` into a folder, which is made if it is missing: new ones, and those that changed. Each
    /// appears whole, over what is there, with the time it had. Keys that no path can be are refused one by one. Links in the folder are
    /// not followed.
    ///
    /// # Errors
    /// As [`mirror_up`](Self::mirror_up).
    pub async fn mirror_down(
        &self,
        prefix: &str,
        folder: &Path,
        options: &MirrorOptions,
        progress: impl FnMut(MirrorEvent<'_>) + Send,
    ) -> Result<MirrorReport, Error> {
        if options.follow_links {
            return Err(Error::new(ErrorKind::Unsupported, "links in the target folder are never followed")
                .on(folder.display().to_string())
                .next_step("leave that option away"));
        }
        down::down(self, prefix, folder, options, progress).await
    }

    /// Why a mirror of a folder takes a path, below it and with slashes, or leaves it out. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for rules that can't be read.
    pub fn explain_mirror(&self, folder: &Path, path: &str, options: &MirrorOptions) -> Result<Why, Error> {
        let root = Root::open(folder, options.follow_links)?;
        let is_directory = path.ends_with('/') || root.path_of(path).is_dir();
        let path = path.trim_end_matches('/');
        names::check("", path)?;
        Filter::new(&root, &options.rules, self.local())?.why(path, is_directory)
    }
}

/// What keys have before the paths: nothing, or the prefix and one slash.
fn with_slash(prefix: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}
