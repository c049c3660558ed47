//! What a person pastes: policies, CORS rules, addresses.

use super::cors::{HEADERS, METHODS};
use crate::engine::HEADER;
use crate::s3::{CorsSetup, Permissions, Profile, S3Store, StoreUri};

/// What lets keys do what a vault needs.
pub(super) fn permissions(profile: &Profile, store: &S3Store) -> String {
    match profile.permissions {
        Permissions::UserPolicy => policy(store, "", true),
        Permissions::BucketPolicy(principal) => policy(store, &format!(" \"Principal\": {principal},"), true),
        Permissions::PlainBucketPolicy(principal) => policy(store, &format!(" \"Principal\": {principal},"), false),
        Permissions::Own(text) => filled(text, store, ""),
    }
}

/// The policy of docs/providers/policy.json, for this store; without conditions where those do harm, and deletes of many are
/// asked of the bucket there.
fn policy(store: &S3Store, principal: &str, with_condition: bool) -> String {
    let bucket = store.bucket();
    let (mut objects, mut condition) = match json_text(store.prefix()) {
        prefix if prefix.is_empty() => (format!("\"arn:aws:s3:::{bucket}/*\""), String::new()),
        prefix => (
            format!("\"arn:aws:s3:::{bucket}/{prefix}/*\""),
            format!(",\n      \"Condition\": {{ \"StringLike\": {{ \"s3:prefix\": \"{prefix}/*\" }} }}"),
        ),
    };
    if !with_condition {
        condition = String::new();
        objects = format!("[\"arn:aws:s3:::{bucket}\", {objects}]");
    }
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [
    {{
      "Sid": "ReadWriteDelete",
      "Effect": "Allow",{principal}
      "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      "Resource": {objects}
    }},
    {{
      "Sid": "List",
      "Effect": "Allow",{principal}
      "Action": "s3:ListBucket",
      "Resource": "arn:aws:s3:::{bucket}"{condition}
    }}
  ]
}}"#
    )
}

/// What takes the mark away that a delete left of a vault's header.
pub(super) fn delete_marker(store: &S3Store) -> String {
    let endpoint = store.endpoint().map(|endpoint| format!(" --endpoint-url {endpoint}")).unwrap_or_default();
    filled(
        &format!("aws s3api delete-object{endpoint} --bucket {{bucket}} --key {{prefix}}{HEADER} --version-id null"),
        store,
        "",
    )
}

/// What lets a page of this origin in.
pub(super) fn cors(profile: &Profile, store: &S3Store, origin: &str) -> String {
    let rules = cors_rules(origin);
    match profile.cors {
        CorsSetup::Own(text) => filled(text, store, origin),
        CorsSetup::Console(place) => format!("# {place}\n{rules}"),
        CorsSetup::Api => {
            let endpoint = store.endpoint().map(|endpoint| format!(" --endpoint-url {endpoint}")).unwrap_or_default();
            let (bucket, region) = (store.bucket(), store.region());
            format!(
                "cat > cors.json <<'EOF'\n{rules}\nEOF\n\
                 aws s3api put-bucket-cors --region {region}{endpoint} --bucket {bucket} --cors-configuration file://cors.json"
            )
        }
    }
}

/// The rules of docs/providers/cors.json, for this origin. Header names are written out: not every server takes `x-amz-*`.
fn cors_rules(origin: &str) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let (methods, headers) = (list(&METHODS), list(&HEADERS));
    format!(
        r#"{{
  "CORSRules": [
    {{
      "AllowedOrigins": ["{origin}"],
      "AllowedMethods": [{methods}],
      "AllowedHeaders": [{headers}],
      "ExposeHeaders": ["ETag", "Date", "Retry-After", "Content-Range", "x-amz-request-id", "x-amz-bucket-region"],
      "MaxAgeSeconds": 3600
    }}
  ]
}}"#
    )
}

/// The store's address, with `path_style=true`.
pub(super) fn with_path_style(store: &StoreUri) -> String {
    let text = store.to_string().replace("&path_style=false", "").replace("?path_style=false", "");
    let separator = if text.contains('?') { '&' } else { '?' };
    format!("{text}{separator}path_style=true")
}

fn filled(text: &str, store: &S3Store, origin: &str) -> String {
    let prefix = match store.prefix() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    text.replace("{bucket}", store.bucket()).replace("{prefix}", &quoted(&prefix)).replace("{origin}", origin)
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Prefixes have no control characters.
fn json_text(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}
