//! The sources that AWS's own tools know, through `aws-config`: asked in its order, each by itself, so that an error says
//! which one failed.

use super::{CredentialOrigin, http, web_identity};
use crate::{Credentials, StoreUri};
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use std::error::Error as _;
use std::time::UNIX_EPOCH;

/// The most bytes of another's words that an error repeats.
const SAID_BYTES_MAX: usize = 400;

type Found = Result<(Credentials, CredentialOrigin), String>;

/// Profile files, web identity, container role, instance role: the first that has keys. One that is set up and fails ends
/// the search.
pub(super) async fn chain(store: &StoreUri) -> Found {
    let (config, region) = config(store, None).await?;
    let mut tried = vec!["none in AWS_ACCESS_KEY_ID".to_owned(), "none saved for this store".to_owned()];

    let profile = ProfileFileCredentialsProvider::builder().configure(&config).build();
    match asked(&profile, "the profile files").await? {
        Ok(credentials) => return Ok((credentials, CredentialOrigin::Profile(profile_of_environment()))),
        Err(why) => tried.push(format!("none in the profile files ({why})")),
    }
    match web_identity::find(store, &region).await.map_err(|why| format!("web identity failed: {why}"))? {
        Some(credentials) => return Ok((credentials, CredentialOrigin::WebIdentity)),
        None => tried.push("no AWS_WEB_IDENTITY_TOKEN_FILE".to_owned()),
    }
    let container = EcsCredentialsProvider::builder().configure(&config).build();
    match asked(&container, "the container's role").await? {
        Ok(credentials) => return Ok((credentials, CredentialOrigin::Container)),
        Err(_) => tried.push("no container's role".to_owned()),
    }
    let instance = ImdsCredentialsProvider::builder().configure(&config).build();
    match asked(&instance, "the instance's role").await? {
        Ok(credentials) => return Ok((credentials, CredentialOrigin::Instance)),
        Err(_) => tried.push("no instance's role".to_owned()),
    }
    Err(tried.join(", "))
}

/// One profile of the profile files.
pub(super) async fn named_profile(store: &StoreUri, name: &str) -> Found {
    let (config, _) = config(store, Some(name)).await?;
    let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build();
    match asked(&provider, &format!("profile `{name}`")).await? {
        Ok(credentials) => Ok((credentials, CredentialOrigin::Profile(name.to_owned()))),
        Err(why) => Err(format!("profile `{name}` has none ({why})")),
    }
}

fn profile_of_environment() -> String {
    std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned())
}

/// What the providers share. The region is that of token services: the environment's, the profile's, else the store's if
/// that is AWS's own.
async fn config(store: &StoreUri, profile: Option<&str>) -> Result<(ProviderConfig, String), String> {
    let config = ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http::client()?);
    let mut of_profile = ProfileFileRegionProvider::builder().configure(&config);
    if let Some(name) = profile {
        of_profile = of_profile.profile_name(name);
    }
    let fallback = match store {
        StoreUri::S3(s3) if s3.endpoint().is_none() => s3.region().to_owned(),
        _ => "us-east-1".to_owned(),
    };
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .region()
        .await
        .unwrap_or(Region::new(fallback));
    let name = region.to_string();
    Ok((config.with_region(Some(region)), name))
}

/// Asks one provider. The inner error: it is not set up here. The outer: it is, and failed.
async fn asked(provider: &impl ProvideCredentials, name: &str) -> Result<Result<Credentials, String>, String> {
    match provider.provide_credentials().await {
        Ok(credentials) => taken(&credentials).map(Ok).map_err(|why| format!("{name}: {why}")),
        Err(error @ CredentialsError::CredentialsNotLoaded(_)) => Ok(Err(said(&error))),
        Err(error) => Err(format!("{name} failed: {}", said(&error))),
    }
}

fn taken(credentials: &aws_credential_types::Credentials) -> Result<Credentials, String> {
    let token = credentials.session_token().map(str::to_owned);
    let taken = Credentials::new(credentials.access_key_id(), credentials.secret_access_key(), token)
        .map_err(|error| error.message().to_owned())?;
    let expires_ms = credentials.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    Ok(match expires_ms {
        Some(end) => taken.expiring(u64::try_from(end.as_millis()).unwrap_or(u64::MAX)),
        None => taken,
    })
}

/// Why, in the library's words, bounded. What a process said on its stderr is left out: it may be what it was asked for.
fn said(error: &CredentialsError) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        let words = words.split("Stderr:").next().unwrap_or_default().trim();
        if !words.is_empty() && !text.contains(words) {
            text += if text.is_empty() { "" } else { ": " };
            text += words;
        }
        cause = error.source();
    }
    let mut end = text.len().min(SAID_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_is_not_repeated() {
        let error = CredentialsError::provider_error("process exited with code 3. Stderr: PLANTED");
        assert_eq!(said(&error), "process exited with code 3.");
    }

    #[test]
    fn words_are_bounded() {
        let error = CredentialsError::provider_error("é\n".repeat(1000));
        assert!(said(&error).len() <= SAID_BYTES_MAX && !said(&error).contains('\n'));
    }
}
