//! What a command works on: this device's folder, its store, and the vault they make.

use crate::args::Global;
use crate::config::file::File;
use crate::config::setting::{Setting, timeout};
use crate::config::{self, Settings, device};
use crate::exit::{Result, Stop};
use crate::keys;
use crate::output::Output;
use crate::progress::Progress;
use crate::signer::Signer;
use etcetera::BaseStrategy as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidelock::{CredentialSource, Error, ErrorKind, Local, Options, Vault};

/// How much longer than its `--timeout` a command may take, to say why.
const DEADLINE_GRACE: Duration = Duration::from_millis(500);

/// A command's surroundings.
#[derive(Debug)]
pub(crate) struct Context {
    /// This device's folder.
    pub(crate) local: PathBuf,
    /// What flags, environment and files set.
    pub(crate) settings: Settings,
    /// The profile that was asked for.
    pub(crate) profile: Option<String>,
    /// The user's configuration file.
    pub(crate) file: File,
    /// The signer that the command line or the environment names; an empty one is none.
    signer: Option<String>,
    signer_token_file: Option<PathBuf>,
    /// Where it speaks.
    pub(crate) output: Output,
    /// How far it is.
    pub(crate) progress: Arc<Progress>,
    /// The `--timeout` of the command line: for the whole command, too.
    deadline: Option<Duration>,
}

impl Context {
    /// Finds out where it is. A profile that `makes_profile` is to be written need not be there. What `is_endless` has no
    /// deadline.
    pub(crate) fn new(global: Global, makes_profile: bool, is_endless: bool) -> Result<Self> {
        let file = File::read(config::user_file()?)?;
        let output = Output { json: global.json, verbose: global.verbose };
        let profile = global.profile.clone();
        let known = profile.as_deref().filter(|profile| !makes_profile || file.has_profile(profile));
        let settings = Settings::find(|setting| flag(&global, setting), config::variable, &file, known)?;
        let local = match settings.text(Setting::Local) {
            Some(local) => std::path::absolute(local).map_err(|error| no_folder(&error.to_string()))?,
            None => etcetera::choose_base_strategy()
                .map_err(|error| no_folder(&error.to_string()))?
                .data_dir()
                .join("tidelock"),
        };
        let deadline = global.timeout.as_deref().filter(|_| !is_endless).map(timeout).transpose()?;
        let (signer, signer_token_file) = (global.signer, global.signer_token_file);
        let progress = Progress::new(output);
        Ok(Self { local, settings, profile, file, signer, signer_token_file, output, progress, deadline })
    }

    /// The options of a vault at `store`. If the environment named it with keys, they go with it.
    pub(crate) fn options_at(&self, store: &str) -> Result<Options> {
        let mut options = Options::new(store, &self.local)?;
        self.settings.apply(&mut options)?;
        if self.settings.text(Setting::Store) == Some(store)
            && let Some(keys) = self.settings.store_keys()
        {
            options.credentials = CredentialSource::Fixed(keys.clone());
        }
        options.presign = self.named_signer().map(|signer| signer.presign()).transpose()?;
        options.listener = Some(self.progress.listener());
        Ok(options)
    }

    /// The options of the vault that is here.
    pub(crate) fn options(&self) -> Result<Options> {
        if !has_store(&self.local)? {
            return Err(no_vault(&self.local).into());
        }
        Ok(keys::named_options(self)?.ok_or_else(no_store)?)
    }

    /// Who signs for the store that this device remembers: the one that is named, else the one that is remembered with it.
    pub(crate) fn signer(&self) -> Result<Option<Signer>> {
        match (&self.signer, device::read_signer(&self.local)?, &self.signer_token_file) {
            (None, Some(signer), Some(file)) => Ok(Some(signer.with_token_file(file))),
            (None, remembered, _) => Ok(remembered),
            (Some(_), ..) => Ok(self.named_signer()),
        }
    }

    /// Who signs by the command line or the environment; an empty URL is nobody.
    pub(crate) fn named_signer(&self) -> Option<Signer> {
        let signer = Signer::new(self.signer.as_deref().filter(|url| !url.is_empty())?);
        Some(match &self.signer_token_file {
            Some(file) => signer.with_token_file(file),
            None => signer,
        })
    }

    /// Opens this device's side alone: no network, no thread. A revoked device is told so by whatever it does.
    pub(crate) fn open_local(&self) -> Result<Local> {
        let local = Local::open(&self.options()?)?;
        if let Some(revoked) = local.revoked()? {
            self.output.warn(&revoked);
        }
        Ok(local)
    }

    /// Opens the vault for as long as `work` takes; ctrl-c cancels it.
    pub(crate) fn with_vault<T>(&self, work: impl AsyncFnOnce(&Vault) -> Result<T>) -> Result<T> {
        let options = self.options()?;
        self.run(async {
            let vault = Vault::open(options).await?;
            let result = until_interrupted(work(&vault)).await;
            vault.close().await;
            result
        })
    }

    fn out_of_time(&self, deadline: Duration) -> Stop {
        self.progress.end();
        Error::new(ErrorKind::Timeout, format!("the command did not end within {} s", deadline.as_secs_f64()))
            .next_step("give it a longer --timeout, or run it again: it goes on where it stopped")
            .retryable()
            .into()
    }

    /// Runs to the end, on a runtime of its own.
    pub(crate) fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, format!("no runtime can be started: {error}")))?;
        let result = runtime.block_on(async {
            match self.deadline {
                // A request that fails by its own deadline says more, and gets the chance to.
                Some(deadline) => match tokio::time::timeout(deadline + DEADLINE_GRACE, work).await {
                    Ok(result) => result,
                    Err(_) => Err(self.out_of_time(deadline)),
                },
                None => work.await,
            }
        });
        // A read of stdin that nobody ends must not hold up the end.
        runtime.shutdown_background();
        result
    }
}

/// Runs until it ends or the user presses ctrl-c.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => {
            let error = Error::new(ErrorKind::Cancelled, "interrupted");
            Err(error.next_step("run it again: it goes on where it stopped").into())
        }
    }
}

/// What the command line has of a setting. The store is an argument of the commands that take it.
fn flag(global: &Global, setting: Setting) -> Option<String> {
    match setting {
        Setting::Store => None,
        Setting::Local => global.local.as_ref().map(|local| local.to_string_lossy().into_owned()),
        Setting::Timeout => global.timeout.clone(),
        Setting::Retries => global.retries.clone(),
        Setting::Concurrency => global.concurrency.clone(),
        Setting::Compression => global.compression.clone(),
    }
}

/// Whether a local store is in this folder. A folder that can't be read is not an empty one.
pub(crate) fn has_store(local: &Path) -> Result<bool> {
    let store = local.join("store.db");
    store.try_exists().map_err(|error| {
        Error::new(ErrorKind::LocalStore, format!("this device's folder can't be read: {error}"))
            .on(local.display().to_string())
            .next_step("check that it is a folder, and that you may read it; or name another with --local")
            .into()
    })
}

pub(crate) fn no_store() -> Error {
    Error::new(ErrorKind::Invalid, "no store is named").next_step(
        "name it with --store s3://BUCKET/PREFIX or --store file:///FOLDER at `init` and `join`, in TIDELOCK_STORE, \
         or once for all with `tidelock config set store URI`",
    )
}

fn no_vault(local: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "this device has no vault here").on(local.display().to_string()).next_step(
        "`tidelock init --store URI` makes one, `tidelock join --store URI` joins another device's, \
         --local names another folder",
    )
}

fn no_folder(why: &str) -> Stop {
    Error::new(ErrorKind::LocalStore, format!("this device's folder is not known: {why}"))
        .next_step("name it with --local PATH or in TIDELOCK_LOCAL")
        .into()
}
