//! Keys for an identity's token, by this crate's own call: `aws-config` refuses answers of token services other than AWS's,
//! such as MinIO's, whose assumed role has no ARN.

use crate::transport::Transport;
use crate::{Credentials, StoreUri};
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;
use tidelock_core::engine::{Request, RequestId};
use tidelock_core::s3::{AssumeRoleWithWebIdentity, Endpoint, Retry, Role};
use zeroize::Zeroizing;

/// One byte more than a token may have.
const TOKEN_BYTES_MAX: u64 = 20_001;
const DURATION_S: u32 = 3600;
/// A service that is busy is asked again, a second later.
const TRIES: u32 = 3;

/// The keys, if role and token file are in the environment.
pub(super) async fn find(store: &StoreUri, region: &str) -> Result<Option<Credentials>, String> {
    let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(arn), Some(file)) = (get("AWS_ROLE_ARN"), get("AWS_WEB_IDENTITY_TOKEN_FILE")) else { return Ok(None) };
    let mut token = Zeroizing::new(String::with_capacity(TOKEN_BYTES_MAX as usize));
    File::open(&file)
        .and_then(|opened| opened.take(TOKEN_BYTES_MAX).read_to_string(&mut token))
        .map_err(|error| format!("AWS_WEB_IDENTITY_TOKEN_FILE can't be read: {error}"))?;
    let session_name = get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "tidelock".to_owned());
    let role = Role { arn: Some(arn), session_name, duration_s: DURATION_S, policy: None };
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    let endpoint = get("AWS_ENDPOINT_URL_STS").or_else(|| get("AWS_ENDPOINT_URL"));
    let endpoint = endpoint.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com{country}"));
    let endpoint: Endpoint = endpoint.trim_end_matches('/').parse().map_err(words)?;
    let action = AssumeRoleWithWebIdentity::new(role, token.trim()).map_err(words)?;
    let transport = Transport::new(store, super::LIMIT).map_err(words)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let request = action.request(&endpoint).map_err(words)?;
        let request = Request {
            id: RequestId(0),
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            max_response_bytes: request.max_response_bytes,
        };
        let answer = transport.send(request).await;
        let answer = answer.map_err(|failure| format!("the token service can't be reached: {failure:?}"))?;
        match action.interpret(answer) {
            Ok(keys) => return Ok(Some(keys.credentials.expiring(keys.expires_unix_ms))),
            Err(failure) if tries < TRIES && matches!(failure.retry, Retry::Backoff { .. }) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(failure) => return Err(words(failure.error)),
        }
    }
}

fn words(error: crate::Error) -> String {
    error.message().to_owned()
}
