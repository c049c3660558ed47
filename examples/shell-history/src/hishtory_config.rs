//! hiSHtory's configuration: the user's secret, this device's id, and where its history is kept.

use crate::hishtory::HishtoryUser;
use crate::home::{local_error, read_text};
use crate::http::PUBLIC_SERVER;
use serde::Deserialize;
use std::path::Path;
use tidelock::{CredentialSource, Credentials, Error, ErrorKind, Options};
use zeroize::Zeroizing;

/// A configuration has some hundred bytes, or some thousand with many columns.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What hiSHtory's configuration says.
#[derive(Debug)]
pub struct HishtoryConfig {
    /// The user.
    pub user: HishtoryUser,
    /// This device's id.
    pub device: String,
    /// Where the history is.
    pub source: HishtorySource,
}

/// Where a hiSHtory history is.
#[derive(Debug)]
pub enum HishtorySource {
    /// On the server of this address.
    Server(String),
    /// In a bucket.
    Bucket(Box<Options>),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    user_secret: Zeroizing<String>,
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    backend_type: String,
    s3_config: Option<S3>,
}

#[derive(Deserialize)]
struct S3 {
    bucket: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    prefix: String,
}

impl HishtoryConfig {
    /// Reads the file `.hishtory.config`, with hiSHtory's own variables from `variable`. `folder` is where uploads would be
    /// remembered.
    ///
    /// # Errors
    /// [`ErrorKind::LocalStore`] if it can't be read, [`ErrorKind::Invalid`] if something in it is missing or wrong.
    pub fn read(path: &Path, folder: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let text = Zeroizing::new(read_text(path, CONFIG_BYTES_MAX).map_err(|error| local_error(path, &error))?);
        // Not what serde says: it might repeat a part of the secret.
        let file: File = serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("no configuration of hiSHtory: line {}", error.line()))
                .on(path.display().to_string())
                .next_step("give the path of .hishtory.config")
        })?;
        let source = match (file.backend_type.as_str(), file.s3_config) {
            ("s3", Some(s3)) => HishtorySource::Bucket(Box::new(s3.options(folder, variable)?)),
            ("" | "http", _) => {
                HishtorySource::Server(variable("HISHTORY_SERVER").unwrap_or_else(|| PUBLIC_SERVER.into()))
            }
            (other, _) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("nothing to migrate from: its backend is {other:?}"),
                )
                .on(path.display().to_string())
                .next_step("only `http` and `s3` keep a history that another program can read"));
            }
        };
        Ok(Self { user: HishtoryUser::new(&file.user_secret)?, device: file.device_id, source })
    }
}

impl S3 {
    fn options(&self, folder: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Options, Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("region", &self.region), ("endpoint", &self.endpoint)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if !self.endpoint.is_empty() {
            query.append_pair("path_style", "true");
        }
        let place = format!("{}/{}", self.bucket, self.prefix.trim_end_matches('/'));
        let mut options = Options::new(&format!("s3://{}?{}", place.trim_end_matches('/'), query.finish()), folder)?;
        let access_key = variable("HISHTORY_S3_ACCESS_KEY_ID").unwrap_or_else(|| self.access_key_id.clone());
        if let (false, Some(secret_key)) = (access_key.is_empty(), variable("HISHTORY_S3_SECRET_ACCESS_KEY")) {
            options.credentials = CredentialSource::Fixed(Credentials::new(access_key, secret_key, None)?);
        }
        Ok(options)
    }
}
