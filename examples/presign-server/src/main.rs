//! The server as a program: settings from its environment, until it is told to stop. It looks first whether the store keeps to
//! what it signs; with `--check` it does nothing else.

use std::process::ExitCode;
use tidelock_presign_server::{Settings, check, router};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let (address, settings) = (Settings::listen(variable)?, Settings::from_variables(variable)?);
    let only_checks = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(_) => return Err("usage: tidelock-presign-server [--check]".into()),
    };
    if only_checks || variable("PRESIGN_CHECK").as_deref() != Some("off") {
        must_keep_to_what_is_signed(&settings).await?;
    }
    if only_checks {
        eprintln!("the store keeps to what is signed");
        return Ok(());
    }
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(settings)).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

async fn must_keep_to_what_is_signed(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let holes = check(settings).await?;
    for hole in &holes {
        eprintln!("{hole}");
    }
    match holes.is_empty() {
        true => Ok(()),
        false => {
            Err("nothing is signed for this store: give its keys the policy of the README's \"The keys' policy\""
                .into())
        }
    }
}

/// Ends on ctrl-c, and where there is one on the signal that container runtimes send.
async fn stopped() {
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}
