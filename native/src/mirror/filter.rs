//! Which files a mirror takes: lines as `.gitignore` has them, from options and from `.tidelockignore` in each folder.

use super::names;
use super::root::Root;
use crate::{Error, ErrorKind};
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};
use ignore::{Match, gitignore};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file with lines for the folder it is in, and all below.
pub const IGNORE_FILE: &str = ".tidelockignore";

/// The most bytes of a file with lines.
const LINES_BYTES_MAX: u64 = 1 << 20;

/// What is left out, and what is taken nevertheless. Of the lines that fit a path, the options' come before those of
/// files, a deeper file's before a higher one's, and in each the last one counts. What is below a folder that is left out can't be
/// taken.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Lines, as in a `.gitignore`: `*.tmp`, `/build/`, `!keep.tmp`.
    pub exclude: Vec<String>,
    /// Lines for what is taken nevertheless: `keep.tmp`. They come after those of `exclude`.
    pub include: Vec<String>,
    /// Files of lines, at most 1 MiB each. They come before those of `exclude`.
    pub exclude_from: Vec<PathBuf>,
    /// Whether files and folders whose name begins with a dot are taken, which no line is about.
    pub hidden: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { exclude: vec![], include: vec![], exclude_from: vec![], hidden: true }
    }
}

/// Why a path is taken or left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Whether it is taken.
    pub taken: bool,
    /// The path that decided: the one asked for, or a folder above it.
    pub path: String,
    /// The line that fits; `None` where none does.
    pub line: Option<String>,
    /// Where that stands: the path of a file, or an option's name.
    pub source: Option<String>,
}

/// The rules, and of the folders on the way to the last path what their files say.
#[derive(Clone)]
pub(super) struct Filter {
    root: Root,
    options: Arc<Gitignore>,
    hidden: bool,
    /// This device's own folder, if it lies in the mirror's: its keys and records stay here.
    own: Option<String>,
    levels: Vec<Level>,
}

#[derive(Clone)]
struct Level {
    /// The empty path is the root.
    directory: String,
    lines: Option<Arc<Gitignore>>,
}

const OWN: &str = "this device's own folder";
const DRAFTS: &str = "files that a mirror was writing";

impl Filter {
    pub(super) fn new(root: &Root, rules: &Rules, local: &Path) -> Result<Self, Error> {
        let mut lines = GitignoreBuilder::new("");
        for path in &rules.exclude_from {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(|error| crate::bucket::unreadable(&error, &shown))?;
            add(&mut lines, &shown, &read(file, &shown)?)?;
        }
        rules.exclude.iter().try_for_each(|line| add(&mut lines, "--exclude", line))?;
        for line in rules.include.iter().flat_map(|lines| lines.lines()) {
            add(&mut lines, "--include", &format!("!{line}"))?;
        }
        let options = Arc::new(built(&lines, "--exclude")?);
        let own = match local.canonicalize() {
            Ok(local) if root.path().starts_with(&local) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "the folder is inside this device's own, which holds its keys",
                )
                .on(root.path().display().to_string())
                .next_step("mirror another folder, or name another with --local PATH"));
            }
            Ok(local) => local.strip_prefix(root.path()).ok().map(slashed),
            // It is not there yet.
            Err(_) => None,
        };
        Ok(Self { root: root.clone(), options, hidden: rules.hidden, own, levels: vec![] })
    }

    /// Whether a path is taken, by all folders above it too.
    ///
    /// # Errors
    /// What keeps the file with lines of a folder above from being read: nobody knows then what is to stay.
    pub(super) fn why(&mut self, path: &str, is_directory: bool) -> Result<Why, Error> {
        for (at, _) in path.match_indices('/') {
            let why = self.why_alone(&path[..at], true)?;
            if !why.taken {
                return Ok(why);
            }
        }
        self.why_alone(path, is_directory)
    }

    /// The same, of a path whose folder is taken.
    pub(super) fn why_alone(&mut self, path: &str, is_directory: bool) -> Result<Why, Error> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.enter(directory)?;
        let because = |taken, line: Option<&str>, source: Option<&str>| Why {
            taken,
            path: path.to_owned(),
            line: line.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        if self.own.as_deref() == Some(path) {
            return Ok(because(false, None, Some(OWN)));
        }
        if names::is_draft(name, "") {
            return Ok(because(false, None, Some(DRAFTS)));
        }
        let decided = |glob: &Glob, taken| {
            let source = glob.from().map(|from| from.display().to_string());
            because(taken, Some(glob.original()), source.as_deref())
        };
        let options = self.options.matched(path, is_directory);
        let files = self.levels.iter().rev().filter_map(|level| level.lines.as_ref());
        let mut files = files.map(|lines| lines.matched(path, is_directory)).filter(|found| !found.is_none());
        let (found, is_hidden) = match options {
            Match::None if !self.hidden && name.starts_with('.') => (Match::None, true),
            Match::None => (files.next().unwrap_or(Match::None), false),
            found => (found, false),
        };
        Ok(match found {
            Match::Ignore(glob) => decided(glob, false),
            Match::Whitelist(glob) => decided(glob, true),
            Match::None => because(!is_hidden, None, is_hidden.then_some("--hidden false")),
        })
    }

    /// Has the lines of a directory and all above it.
    fn enter(&mut self, directory: &str) -> Result<(), Error> {
        let is_above = |above: &str| {
            above.is_empty()
                || directory.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        while self.levels.last().is_some_and(|level| !is_above(&level.directory)) {
            self.levels.pop();
        }
        let ends = std::iter::once(0).chain(directory.match_indices('/').map(|(at, _)| at)).chain([directory.len()]);
        let mut wanted: Vec<&str> = ends.map(|end| &directory[..end]).collect();
        wanted.dedup();
        for directory in wanted.into_iter().skip(self.levels.len()) {
            let lines = self.lines_of(directory)?;
            self.levels.push(Level { directory: directory.to_owned(), lines });
        }
        Ok(())
    }

    fn lines_of(&self, directory: &str) -> Result<Option<Arc<Gitignore>>, Error> {
        let path = if directory.is_empty() { IGNORE_FILE.to_owned() } else { format!("{directory}/{IGNORE_FILE}") };
        let Some(file) = self.root.open_file(&path)? else { return Ok(None) };
        let mut lines = GitignoreBuilder::new(directory);
        add(&mut lines, &path, &read(file, &path)?)?;
        built(&lines, &path).map(|lines| Some(Arc::new(lines)))
    }
}

fn read(file: File, name: &str) -> Result<String, Error> {
    let mut text = String::new();
    let read = file.take(LINES_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| crate::bucket::unreadable(&error, name))?;
    if text.len() as u64 > LINES_BYTES_MAX {
        return Err(refused("it has more than 1 MiB", name));
    }
    Ok(text)
}

fn add(lines: &mut GitignoreBuilder, name: &str, text: &str) -> Result<(), Error> {
    for line in text.trim_start_matches('\u{feff}').lines() {
        let added = lines.add_line(Some(PathBuf::from(name)), line);
        added.map_err(|error| refused(&format!("`{line}` is no pattern: {error}"), name))?;
    }
    Ok(())
}

fn built(lines: &GitignoreBuilder, name: &str) -> Result<gitignore::Gitignore, Error> {
    lines.build().map_err(|error| refused(&error.to_string(), name))
}

fn refused(why: &str, name: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("what is to be left out can't be read: {why}"))
        .on(name)
        .next_step("write a pattern a line, as in a .gitignore")
}

/// A path with slashes, as keys have them.
fn slashed(path: &Path) -> String {
    path.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/")
}
