//! The user's configuration file: settings for everything, and profiles with settings of their own.
//!
//! ```toml
//! timeout = "60s"
//!
//! [profiles.work]
//! store = "s3://my-bucket/work?region=eu-central-1"
//! local = "/home/me/.local/share/tidelock-work"
//! ```

use super::replace;
use super::setting::Setting;
use crate::exit::Result;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use tidelock::{Error, ErrorKind};
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

/// Of a file that a person writes.
const BYTES_MAX: u64 = 1 << 20;
const PROFILES: &str = "profiles";

/// The file, as it was read: what changes it keeps its comments and its order.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    document: DocumentMut,
}

impl File {
    /// Reads it; none is an empty one.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let mut text = String::new();
        match fs::File::open(&path).and_then(|opened| opened.take(BYTES_MAX + 1).read_to_string(&mut text)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path, &format!("can't be read: {error}")).into());
            }
            _ if text.len() as u64 > BYTES_MAX => return Err(failed(&path, "is longer than 1 MiB").into()),
            _ => {}
        }
        let document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| failed(&path, &format!("is no TOML: {}", error.message())))?;
        let file = Self { path, document };
        file.check()?;
        Ok(file)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of a setting: in a profile, or for everything.
    pub(crate) fn get(&self, setting: Setting, profile: Option<&str>) -> Option<String> {
        text(self.table(profile)?.get(setting.name())?)
    }

    /// Whether it has this profile.
    pub(crate) fn has_profile(&self, profile: &str) -> bool {
        self.table(Some(profile)).is_some()
    }

    /// The names of its profiles.
    pub(crate) fn profiles(&self) -> Vec<&str> {
        let profiles = self.document.get(PROFILES).and_then(Item::as_table_like);
        profiles.map_or_else(Vec::new, |profiles| profiles.iter().map(|(name, _)| name).collect())
    }

    /// Sets it, and writes the file.
    pub(crate) fn set(&mut self, setting: Setting, profile: Option<&str>, text: &str) -> Result {
        let table: &mut dyn TableLike = match profile {
            None => self.document.as_table_mut(),
            Some(profile) => {
                let mut parent = Table::new();
                parent.set_implicit(true);
                let profiles = self.document.entry(PROFILES).or_insert(Item::Table(parent));
                let own =
                    profiles.as_table_like_mut().map(|profiles| profiles.entry(profile).or_insert(toml_edit::table()));
                own.and_then(Item::as_table_like_mut)
                    .ok_or_else(|| failed(&self.path, "has a profile that is no table"))?
            }
        };
        table.insert(setting.name(), value(text));
        self.write()
    }

    /// Takes it out, and writes the file; whether it was there.
    pub(crate) fn unset(&mut self, setting: Setting, profile: Option<&str>) -> Result<bool> {
        let table: Option<&mut dyn TableLike> = match profile {
            None => Some(self.document.as_table_mut()),
            Some(profile) => self
                .document
                .get_mut(PROFILES)
                .and_then(Item::as_table_like_mut)
                .and_then(|profiles| profiles.get_mut(profile)?.as_table_like_mut()),
        };
        let was_there = table.and_then(|table| table.remove(setting.name())).is_some();
        if was_there {
            self.write()?;
        }
        Ok(was_there)
    }

    fn write(&self) -> Result {
        replace(&self.path, &self.document.to_string()).map_err(|error| {
            failed(&self.path, &format!("can't be written: {error}"))
                .next_step("make its folder writable, or name another file in TIDELOCK_CONFIG")
                .into()
        })
    }

    fn table(&self, profile: Option<&str>) -> Option<&dyn TableLike> {
        match profile {
            None => Some(self.document.as_table()),
            Some(profile) => self.document.get(PROFILES)?.as_table_like()?.get(profile)?.as_table_like(),
        }
    }

    /// Refuses what it does not know, and values that are none: a misspelt setting is not to be passed over.
    fn check(&self) -> Result {
        self.check_table(self.document.as_table(), "")?;
        let Some(profiles) = self.document.get(PROFILES) else { return Ok(()) };
        let profiles =
            profiles.as_table_like().ok_or_else(|| failed(&self.path, "has `profiles` that are no tables"))?;
        for (name, profile) in profiles.iter() {
            let profile =
                profile.as_table_like().ok_or_else(|| failed(&self.path, "has a profile that is no table"))?;
            self.check_table(profile, &format!("profiles.{name}."))?;
        }
        Ok(())
    }

    fn check_table(&self, table: &dyn TableLike, within: &str) -> Result {
        for (name, item) in table.iter().filter(|(name, _)| !within.is_empty() || *name != PROFILES) {
            let at = || format!("{}: {within}{name}", self.path.display());
            let setting = Setting::named(name).map_err(|stop| stop.on(at()))?;
            let text = text(item).ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "a setting is neither text nor a number nor a switch").on(at())
            })?;
            setting.check(&text).map_err(|error| error.on(at()))?;
            if setting == Setting::Local && !Path::new(&text).is_absolute() {
                let error = Error::new(ErrorKind::Invalid, "a folder in the configuration is no absolute path");
                return Err(error
                    .on(at())
                    .next_step("write it from the root on: it must be the same wherever you are")
                    .into());
            }
        }
        Ok(())
    }
}

fn text(item: &Item) -> Option<String> {
    item.as_str()
        .map(str::to_owned)
        .or_else(|| item.as_integer().map(|number| number.to_string()))
        .or_else(|| item.as_bool().map(|on| on.to_string()))
}

fn failed(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the configuration file {what}"))
        .on(path.display().to_string())
        .next_step("mend the file, or name another in TIDELOCK_CONFIG")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Result<File>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        (folder, File::read(path))
    }

    #[test]
    fn what_is_set_is_read_again_and_comments_stay() {
        let (_folder, read) = file("# mine\ntimeout = 60 # seconds\n");
        let mut file = read.unwrap();
        assert_eq!(file.get(Setting::Timeout, None).as_deref(), Some("60"));
        file.set(Setting::Store, Some("work"), "s3://work-bucket").unwrap();
        file.set(Setting::Retries, None, "3").unwrap();
        let again = File::read(file.path().to_owned()).unwrap();
        assert_eq!(again.get(Setting::Store, Some("work")).as_deref(), Some("s3://work-bucket"));
        assert_eq!((again.profiles(), again.has_profile("home")), (vec!["work"], false));
        assert_eq!(again.get(Setting::Retries, None).as_deref(), Some("3"));
        assert!(fs::read_to_string(again.path()).unwrap().starts_with("# mine\ntimeout = 60 # seconds\n"));
        assert!(file.unset(Setting::Retries, None).unwrap());
        assert!(!file.unset(Setting::Retries, None).unwrap());
        assert!(!file.unset(Setting::Retries, Some("home")).unwrap());
    }

    #[test]
    fn a_file_that_is_not_understood_is_refused_with_its_place() {
        for (text, place) in [
            ("timeout = ", "config.toml"),
            ("colour = 'red'", "colour"),
            ("secret_key = 'hidden'", "secret_key"),
            ("timeout = 'soon'", "timeout"),
            ("retries = [1]", "retries"),
            ("profiles = 3", "config.toml"),
            ("[profiles]\nwork = 3", "config.toml"),
            ("[profiles.work]\nretries = 1000", "profiles.work.retries"),
            ("[profiles.work]\nlocal = 'here'", "profiles.work.local"),
        ] {
            let (_folder, read) = file(text);
            let Err(crate::exit::Stop::Error(error)) = read else { panic!("{text} was taken") };
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.object().unwrap().ends_with(place), "{text}: {error:?}");
            assert!(!error.message().contains("hidden"), "a value is not repeated");
        }
    }
}
