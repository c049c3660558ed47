//! What a command works on: this device's folder, its store, and the vault they make.

use crate::args::Global;
use crate::config;
use crate::exit::{Result, Stop};
use crate::output::Output;
use etcetera::BaseStrategy as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use tidelock::{Error, ErrorKind, Local, Options, Vault};

/// A command's surroundings.
#[derive(Debug)]
pub(crate) struct Context {
    /// This device's folder.
    pub(crate) local: PathBuf,
    /// Where it speaks.
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self> {
        let local = match global.local {
            Some(local) => std::path::absolute(&local).map_err(|error| no_folder(&error.to_string()))?,
            None => etcetera::choose_base_strategy()
                .map_err(|error| no_folder(&error.to_string()))?
                .data_dir()
                .join("tidelock"),
        };
        Ok(Self { local, output: Output { json: global.json, verbose: global.verbose } })
    }

    /// The options of the vault that is here: its store is the environment's, else the remembered one.
    pub(crate) fn options(&self) -> Result<Options> {
        if !has_store(&self.local) {
            return Err(no_vault(&self.local).into());
        }
        let store = match store_of_environment() {
            Some(store) => store,
            None => config::read_store(&self.local)?.ok_or_else(no_store)?,
        };
        Ok(Options::new(&store, &self.local)?)
    }

    /// Opens this device's side alone: no network, no thread.
    pub(crate) fn open_local(&self) -> Result<Local> {
        Ok(Local::open(&self.options()?)?)
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

    /// Runs to the end, on a runtime of its own.
    pub(crate) fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, format!("no runtime can be started: {error}")))?;
        runtime.block_on(work)
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

/// The store that the environment names.
pub(crate) fn store_of_environment() -> Option<String> {
    std::env::var("TIDELOCK_STORE").ok().filter(|store| !store.is_empty())
}

/// Whether a local store is in this folder.
pub(crate) fn has_store(local: &Path) -> bool {
    local.join("store.db").exists()
}

pub(crate) fn no_store() -> Error {
    Error::new(ErrorKind::Invalid, "no store is named").next_step(
        "name it with --store s3://BUCKET/PREFIX or --store file:///FOLDER at `init` and `join`, or in TIDELOCK_STORE",
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
