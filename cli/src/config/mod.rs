//! Settings, from the first that has them: flag, environment, profile, the user's file, what this device remembers, default.

pub(crate) mod device;
pub(crate) mod file;
pub(crate) mod setting;

use crate::exit::{Result, Stop};
use etcetera::BaseStrategy as _;
use file::File;
use setting::{SETTINGS, Setting};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tidelock::{Credentials, Error, ErrorKind, Options, take_keys};
use zeroize::Zeroizing;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag,
    /// This variable.
    Environment(&'static str),
    /// This profile of the user's file.
    Profile(String),
    /// The user's file.
    File,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Profile(profile) => write!(f, "profile {profile}"),
            Self::File => f.write_str("configuration file"),
        }
    }
}

/// What is set, each with where it came from. All values have been checked.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    found: BTreeMap<Setting, (String, Source)>,
    /// What stood in the environment's address of the store.
    store_keys: Option<Credentials>,
}

impl Settings {
    /// Finds what is set. `flag` and `environment` give what the command line and the environment have.
    pub(crate) fn find(
        flag: impl Fn(Setting) -> Option<String>,
        environment: impl Fn(&str) -> Option<String>,
        file: &File,
        profile: Option<&str>,
    ) -> Result<Self> {
        if let Some(profile) = profile.filter(|profile| !file.has_profile(profile)) {
            return Err(no_profile(file, profile).into());
        }
        let (mut found, mut store_keys) = (BTreeMap::new(), None);
        for setting in SETTINGS {
            let variable = setting.variables().iter().find_map(|name| Some((*name, environment(name)?)));
            let place = flag(setting)
                .map(|text| (text, Source::Flag))
                .or_else(|| variable.map(|(name, text)| (text, Source::Environment(name))))
                .or_else(|| Some((file.get(setting, profile)?, Source::Profile(profile?.to_owned()))))
                .or_else(|| Some((file.get(setting, None)?, Source::File)));
            let Some((mut text, source)) = place else { continue };
            if setting == Setting::Store && matches!(source, Source::Environment(_)) {
                let (address, keys) = take_keys(&Zeroizing::new(text))?;
                (text, store_keys) = (address.to_string(), keys);
            }
            match &source {
                Source::Flag => setting.check(&text).map_err(|error| error.on(format!("--{}", setting.name())))?,
                Source::Environment(name) => setting.check(&text).map_err(|error| error.on(*name))?,
                // Checked when it was read.
                Source::Profile(_) | Source::File => {}
            }
            found.insert(setting, (text, source));
        }
        Ok(Self { found, store_keys })
    }

    /// What a setting is, and from where.
    pub(crate) fn get(&self, setting: Setting) -> Option<(&str, &Source)> {
        self.found.get(&setting).map(|(text, source)| (text.as_str(), source))
    }

    /// The keys that came with the environment's address of the store.
    pub(crate) fn store_keys(&self) -> Option<&Credentials> {
        self.store_keys.as_ref()
    }

    /// The value alone.
    pub(crate) fn text(&self, setting: Setting) -> Option<&str> {
        self.get(setting).map(|(text, _)| text)
    }

    /// Changes the limits of a request to what is set.
    pub(crate) fn apply(&self, options: &mut Options) -> Result {
        if let Some(text) = self.text(Setting::Timeout) {
            options.timeout = setting::timeout(text)?;
        }
        if let Some(text) = self.text(Setting::Retries) {
            options.retries = setting::retries(text)?;
        }
        if let Some(text) = self.text(Setting::Concurrency) {
            options.concurrency = setting::concurrency(text)?;
        }
        if let Some(text) = self.text(Setting::Compression) {
            options.compression = setting::switch(text)?;
        }
        Ok(())
    }
}

/// The user's file: `TIDELOCK_CONFIG`, else tidelock/config.toml in the user's configuration folder.
pub(crate) fn user_file() -> Result<PathBuf> {
    if let Some(path) = variable("TIDELOCK_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let folders = etcetera::choose_base_strategy().map_err(|error| {
        let error = Error::new(ErrorKind::LocalStore, format!("the configuration's folder is not known: {error}"));
        Stop::from(error.next_step("name a file in TIDELOCK_CONFIG"))
    })?;
    Ok(folders.config_dir().join("tidelock/config.toml"))
}

/// A variable of the environment; an empty one is none.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn no_profile(file: &File, profile: &str) -> Error {
    let step = match file.profiles()[..] {
        [] => format!("`tidelock --profile {profile} config set store URI` makes it"),
        ref profiles => format!("the profiles are {}", profiles.join(", ")),
    };
    Error::new(ErrorKind::Invalid, format!("no profile `{profile}` is in the configuration file"))
        .on(file.path().display().to_string())
        .next_step(step)
}

/// Writes a file for its owner alone; a crash leaves the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    private_folder(folder)?;
    let mut new = tempfile::Builder::new().prefix(".config").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

/// Makes a folder for its owner alone.
fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The retries, and where they came from, with everything set up to this place in the order.
    fn retries(flag: bool, variables: &[(&str, &str)], profile: Option<&str>) -> (String, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "retries = 1\n[profiles.work]\nretries = 2\n[profiles.home]\n").unwrap();
        let environment =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        let flag = |setting| (flag && setting == Setting::Retries).then(|| "5".to_owned());
        let settings = Settings::find(flag, environment, &File::read(path).unwrap(), profile).unwrap();
        let (text, source) = settings.get(Setting::Retries).unwrap();
        (text.to_owned(), source.clone())
    }

    #[test]
    fn the_first_place_that_has_a_setting_counts() {
        let both = [("HX_SYNC_MAX_RETRIES", "3"), ("TIDELOCK_RETRIES", "4")];
        assert_eq!(retries(true, &both, Some("work")), ("5".into(), Source::Flag));
        assert_eq!(retries(false, &both, Some("work")), ("4".into(), Source::Environment("TIDELOCK_RETRIES")));
        assert_eq!(retries(false, &both[..1], Some("work")), ("3".into(), Source::Environment("HX_SYNC_MAX_RETRIES")));
        assert_eq!(retries(false, &[], Some("work")), ("2".into(), Source::Profile("work".into())));
        assert_eq!(retries(false, &[], Some("home")), ("1".into(), Source::File));
        assert_eq!(retries(false, &[], None), ("1".into(), Source::File));
    }

    #[test]
    fn what_is_wrong_names_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::read(folder.path().join("none.toml")).unwrap();
        let find = |flag: bool, profile| {
            let flag = move |setting| (flag && setting == Setting::Timeout).then(|| "soon".to_owned());
            let environment = |name: &str| (name == "HX_SYNC_TIMEOUT").then(|| "later".to_owned());
            match Settings::find(flag, environment, &file, profile) {
                Err(Stop::Error(error)) => error.object().unwrap().to_owned(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(find(true, None), "--timeout");
        assert_eq!(find(false, None), "HX_SYNC_TIMEOUT");
        assert!(find(false, Some("work")).ends_with("none.toml"));
    }
}
