//! What is known of each provider: how to recognise it, what to expect of it, and what its users paste where.
//!
//! [`crate::doctor`] finds out what a server does; a profile says whether that is this provider's usual way, and gives
//! the words for mending it. Nothing else depends on a profile. Sources in full: `docs/providers`.

use super::uri::StoreUri;

/// What a server does with conditions on PUTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalWrites {
    /// It keeps them: a new key is made once, a right ETag gets in and a wrong one doesn't.
    Enforced,
    /// It keeps them, and takes ETags without quotes only.
    QuoteSensitive,
    /// It keeps writers out whatever their ETag, the right one too.
    MatchesNone,
    /// It keeps them, unless several writers come at once: then more than one gets in.
    Racy,
    /// It writes whatever the condition.
    Ignored,
    /// It refuses requests that have one.
    Refused,
}

impl ConditionalWrites {
    /// Whether a vault makes use of them. Ones that need another form than HTTP's are left out: nothing depends on any.
    pub fn are_used(self) -> bool {
        self == Self::Enforced
    }

    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::QuoteSensitive => "quote-sensitive",
            Self::MatchesNone => "matches-none",
            Self::Racy => "racy",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
        }
    }
}

/// Which requests list keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListVersion {
    /// ListObjectsV2.
    V2,
    /// ListObjects alone.
    V1,
}

/// What requests are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionRule {
    /// The bucket's own region, which the server names when asked for another.
    Named,
    /// What stands in the host's name between these two.
    InHost(&'static str, &'static str),
    /// This one, unless the server is set up otherwise.
    Usually(&'static str),
}

/// How keys are let in. In texts, `{bucket}` and `{prefix}` stand for the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// An IAM policy of the user.
    UserPolicy,
    /// A policy of the bucket, whose statements name the user like this.
    BucketPolicy(&'static str),
    /// The same without conditions, and with the bucket's own name for deletes of many.
    PlainBucketPolicy(&'static str),
    /// Neither: the provider's own way.
    Own(&'static str),
}

/// How web pages are let in. In texts, `{bucket}` and `{origin}` stand for the store's and the page's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsSetup {
    /// PutBucketCors.
    Api,
    /// The same rules, pasted into the provider's console, here.
    Console(&'static str),
    /// The provider's own way.
    Own(&'static str),
}

/// A provider. `None` is what nobody verified.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// What people call it.
    pub name: &'static str,
    /// Its page in `docs/providers`.
    pub page: &'static str,
    /// How the endpoint's host ends.
    hosts: &'static [&'static str],
    /// How its `Server` header begins, in lower case.
    servers: &'static [&'static str],
    /// What requests are signed for.
    pub region: RegionRule,
    /// Whether addresses want `path_style=true`.
    pub path_style: bool,
    /// What it does with conditional PUTs.
    pub conditional_writes: Option<ConditionalWrites>,
    /// How it lists.
    pub listing: Option<ListVersion>,
    /// Whether it deletes many at once.
    pub delete_many: Option<bool>,
    /// Writes of one key that it takes in a second.
    pub key_writes_a_second: Option<u32>,
    /// How keys are let in.
    pub permissions: Permissions,
    /// How web pages are let in.
    pub cors: CorsSetup,
}

impl Profile {
    /// The provider of a store, by its host, else by what its server calls itself (the `Server` header, or
    /// [`server_by_request_id`]).
    pub fn of(store: &StoreUri, server: Option<&str>) -> &'static Self {
        let StoreUri::S3(s3) = store else { return &FOLDER };
        let Some(endpoint) = s3.endpoint() else { return &AWS };
        let host = endpoint.host();
        let ends =
            |suffix: &&str| host == *suffix || host.strip_suffix(*suffix).is_some_and(|rest| rest.ends_with('.'));
        if let Some(known) = PROFILES.iter().find(|profile| profile.hosts.iter().any(ends)) {
            return known;
        }
        let server = server.unwrap_or_default().to_ascii_lowercase();
        let known = PROFILES.iter().find(|profile| profile.servers.iter().any(|begin| server.starts_with(begin)));
        match known {
            Some(known) => known,
            // Garage says nothing of itself; its documentation's region does.
            None if s3.region() == "garage" => &GARAGE,
            None => &GENERIC,
        }
    }

    /// Whether it is no provider in particular.
    pub fn is_generic(&self) -> bool {
        self.name == GENERIC.name
    }

    /// The region that the host's name has, where that is the provider's rule.
    pub fn region_of_host(&self, store: &StoreUri) -> Option<String> {
        let (RegionRule::InHost(before, after), StoreUri::S3(s3)) = (self.region, store) else { return None };
        let host = s3.endpoint()?.host();
        let region = host.strip_suffix(after)?.strip_prefix(before)?;
        (!region.is_empty() && !region.contains('.')).then(|| region.to_owned())
    }
}

/// What a server that has no `Server` header is called, by the form of its `x-amz-request-id`. Ceph's is its transaction, time,
/// instance and zone: `tx000007a3907cd837c2f83-006b0615af-1007-default`; Swift's ends with the time.
pub fn server_by_request_id(id: &str) -> Option<&'static str> {
    let mut parts = id.strip_prefix("tx")?.splitn(4, '-');
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_numbers = (0..3).all(|_| parts.next().is_some_and(is_hex));
    let has_zone = parts.next().is_some_and(|zone| !zone.is_empty());
    (has_numbers && has_zone).then_some(CEPH_NAME)
}

const CEPH_NAME: &str = "Ceph Object Gateway";

/// All that are recognised, by host first.
static PROFILES: [&Profile; 10] = [&AWS, &R2, &B2, &WASABI, &SPACES, &GCS, &MINIO, &VERSITYGW, &GARAGE, &CEPH];

static AWS: Profile = Profile {
    name: "AWS",
    page: "aws.md",
    // https://docs.aws.amazon.com/general/latest/gr/s3.html
    hosts: &["amazonaws.com", "amazonaws.com.cn"],
    // It says `AmazonS3`, and so do others that do as it does: rclone, for one.
    servers: &[],
    // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: AuthorizationHeaderMalformed, PermanentRedirect
    region: RegionRule::Named,
    path_style: false,
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    conditional_writes: Some(ConditionalWrites::Enforced),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    listing: Some(ListVersion::V2),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    delete_many: Some(true),
    key_writes_a_second: None,
    permissions: Permissions::UserPolicy,
    cors: CorsSetup::Api,
};

static R2: Profile = Profile {
    name: "Cloudflare R2",
    page: "r2.md",
    // https://developers.cloudflare.com/r2/api/tokens/
    hosts: &["r2.cloudflarestorage.com"],
    servers: &[],
    // https://developers.cloudflare.com/r2/api/s3/api/
    region: RegionRule::Usually("auto"),
    path_style: true,
    // https://developers.cloudflare.com/r2/api/s3/conditional-operations/
    conditional_writes: Some(ConditionalWrites::Enforced),
    // https://developers.cloudflare.com/r2/api/s3/api/
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    // https://developers.cloudflare.com/r2/platform/limits/
    key_writes_a_second: Some(1),
    // https://developers.cloudflare.com/r2/api/tokens/#permissions
    permissions: Permissions::Own("R2 → Manage API tokens → Object Read & Write, for the bucket {bucket}"),
    // https://developers.cloudflare.com/r2/buckets/cors/
    cors: CorsSetup::Console("the bucket → Settings → CORS policy, the list inside CORSRules"),
};

static B2: Profile = Profile {
    name: "Backblaze B2",
    page: "b2.md",
    // https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
    hosts: &["backblazeb2.com"],
    servers: &[],
    region: RegionRule::InHost("s3.", ".backblazeb2.com"),
    path_style: true,
    // docs/providers/b2.md: 501, NotImplemented
    conditional_writes: Some(ConditionalWrites::Refused),
    // docs/providers/b2.md: version 1 can't go beyond 1,000 keys
    listing: Some(ListVersion::V2),
    // https://www.backblaze.com/apidocs/s3-delete-objects
    delete_many: Some(true),
    key_writes_a_second: None,
    // https://www.backblaze.com/docs/cloud-storage-s3-compatible-app-keys
    permissions: Permissions::Own(
        "b2 key create --bucket {bucket} --name-prefix {prefix} tidelock listFiles,readFiles,writeFiles",
    ),
    cors: CorsSetup::Api,
};

static WASABI: Profile = Profile {
    name: "Wasabi",
    page: "wasabi.md",
    // https://docs.wasabi.com/docs/service-urls-for-wasabis-storage-regions-2
    hosts: &["wasabisys.com"],
    // As recorded in support threads: `Server: WasabiS3/7.20.…`.
    servers: &["wasabis3"],
    region: RegionRule::InHost("s3.", ".wasabisys.com"),
    path_style: true,
    conditional_writes: None,
    listing: None,
    delete_many: None,
    key_writes_a_second: None,
    // https://docs.wasabi.com/v1/docs/policies-1
    permissions: Permissions::UserPolicy,
    // https://docs.wasabi.com/docs/cross-origin-resource-sharing-cors
    cors: CorsSetup::Console("the bucket → Settings → Permissions → CORS, the list inside CORSRules"),
};

static SPACES: Profile = Profile {
    name: "DigitalOcean Spaces",
    page: "spaces.md",
    // https://docs.digitalocean.com/reference/api/spaces/
    hosts: &["digitaloceanspaces.com"],
    servers: &[],
    region: RegionRule::InHost("", ".digitaloceanspaces.com"),
    // https://docs.digitalocean.com/products/spaces/details/limits/
    path_style: true,
    // https://github.com/slatedb/slatedb/issues/1818
    conditional_writes: Some(ConditionalWrites::QuoteSensitive),
    listing: Some(ListVersion::V2),
    delete_many: None,
    key_writes_a_second: None,
    // https://docs.digitalocean.com/products/spaces/how-to/manage-access/
    permissions: Permissions::Own("Spaces → Access Keys → limited access: read and write for the bucket {bucket}"),
    // https://docs.digitalocean.com/products/spaces/reference/s3-compatibility/
    cors: CorsSetup::Api,
};

static GCS: Profile = Profile {
    name: "Google Cloud Storage",
    page: "gcs.md",
    // https://cloud.google.com/storage/docs/aws-simple-migration
    hosts: &["storage.googleapis.com"],
    servers: &[],
    region: RegionRule::Usually("auto"),
    path_style: false,
    // https://cloud.google.com/storage/docs/request-preconditions says none for writes, and not what comes of them.
    conditional_writes: None,
    // https://cloud.google.com/storage/docs/xml-api/get-bucket-list
    listing: Some(ListVersion::V2),
    // https://cloud.google.com/storage/docs/xml-api/post-bucket; not before: https://github.com/supabase/storage/issues/898
    delete_many: None,
    // https://cloud.google.com/storage/quotas
    key_writes_a_second: Some(1),
    // https://cloud.google.com/storage/docs/access-control/iam-roles
    permissions: Permissions::Own(
        "gcloud storage buckets add-iam-policy-binding gs://{bucket} --role=roles/storage.objectUser \
         --member=serviceAccount:ACCOUNT",
    ),
    // https://cloud.google.com/storage/docs/cross-origin
    cors: CorsSetup::Own(GCS_CORS),
};

const GCS_CORS: &str = r#"cat > gcs-cors.json <<'EOF'
[{
  "origin": ["{origin}"],
  "method": ["GET", "HEAD", "PUT", "POST", "DELETE"],
  "responseHeader": ["authorization", "content-md5", "content-type", "if-match", "if-none-match", "range", "x-amz-content-sha256", "x-amz-date", "ETag", "Date", "Retry-After", "Content-Range"],
  "maxAgeSeconds": 3600
}]
EOF
gcloud storage buckets update gs://{bucket} --cors-file=gcs-cors.json"#;

static MINIO: Profile = Profile {
    name: "MinIO",
    page: "minio.md",
    hosts: &[],
    // As it answers in the conformance suite; all of this profile is tried there.
    servers: &["minio"],
    region: RegionRule::Usually("us-east-1"),
    path_style: true,
    conditional_writes: Some(ConditionalWrites::Enforced),
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    key_writes_a_second: None,
    permissions: Permissions::UserPolicy,
    // https://docs.min.io/aistor/administration/cors-configuration/
    cors: CorsSetup::Own("MINIO_API_CORS_ALLOW_ORIGIN={origin} in the server's environment, then start it again"),
};

static VERSITYGW: Profile = Profile {
    name: "versitygw",
    page: "versitygw.md",
    hosts: &[],
    // As it answers in the conformance suite; all of this profile is tried there.
    servers: &["versitygw"],
    region: RegionRule::Usually("us-east-1"),
    path_style: true,
    conditional_writes: Some(ConditionalWrites::Enforced),
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    key_writes_a_second: None,
    // https://github.com/versity/versitygw/wiki/Bucket-Policies
    permissions: Permissions::BucketPolicy("\"USER\""),
    cors: CorsSetup::Api,
};

static GARAGE: Profile = Profile {
    name: "Garage",
    page: "garage.md",
    hosts: &[],
    servers: &[],
    // https://garagehq.deuxfleurs.fr/documentation/connect/
    region: RegionRule::Usually("garage"),
    path_style: true,
    // `put.rs` of https://docs.rs/crate/garage_api_s3
    conditional_writes: Some(ConditionalWrites::Ignored),
    // https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    key_writes_a_second: None,
    // https://garagehq.deuxfleurs.fr/documentation/quick-start/
    permissions: Permissions::Own("garage bucket allow --read --write {bucket} --key KEY"),
    cors: CorsSetup::Api,
};

static CEPH: Profile = Profile {
    name: CEPH_NAME,
    page: "ceph.md",
    hosts: &[],
    // As its answers are shown in many guides: `Server: Ceph Object Gateway (squid)`.
    servers: &["ceph object gateway"],
    region: RegionRule::Usually("default"),
    path_style: true,
    // https://github.com/block/buzz/issues/3002
    conditional_writes: Some(ConditionalWrites::QuoteSensitive),
    // https://docs.ceph.com/en/latest/radosgw/s3/
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    key_writes_a_second: None,
    // https://docs.ceph.com/en/latest/radosgw/bucketpolicy/
    // A condition on the prefix makes what is missing 403, and DeleteObjects is asked of the bucket: as 16.2 answered.
    permissions: Permissions::PlainBucketPolicy("{ \"AWS\": [\"arn:aws:iam:::user/USER\"] }"),
    cors: CorsSetup::Api,
};

/// A server that nobody has described.
static GENERIC: Profile = Profile {
    name: "another S3 server",
    page: "README.md",
    hosts: &[],
    servers: &[],
    region: RegionRule::Named,
    path_style: true,
    conditional_writes: None,
    listing: None,
    delete_many: None,
    key_writes_a_second: None,
    permissions: Permissions::UserPolicy,
    cors: CorsSetup::Api,
};

/// No server at all.
static FOLDER: Profile = Profile {
    name: "a folder",
    page: "README.md",
    hosts: &[],
    servers: &[],
    region: RegionRule::Named,
    path_style: true,
    conditional_writes: Some(ConditionalWrites::Enforced),
    listing: Some(ListVersion::V2),
    delete_many: Some(true),
    key_writes_a_second: None,
    permissions: Permissions::Own("chmod u+rwX on the folder"),
    cors: CorsSetup::Own("no web page reaches a folder"),
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(uri: &str, server: Option<&str>) -> &'static str {
        Profile::of(&uri.parse().unwrap(), server).name
    }

    #[test]
    fn hosts_and_servers_are_recognised() {
        for (uri, server, name) in [
            ("s3://b-b/p", None, "AWS"),
            ("s3://b-b?endpoint=https://s3.eu-west-1.amazonaws.com", None, "AWS"),
            ("s3://b-b?endpoint=https://notamazonaws.com", None, "another S3 server"),
            ("s3://b-b?endpoint=https://0a.eu.r2.cloudflarestorage.com", Some("cloudflare"), "Cloudflare R2"),
            ("s3://b-b?endpoint=https://s3.us-west-004.backblazeb2.com", Some("nginx"), "Backblaze B2"),
            ("s3://b-b?endpoint=https://s3.wasabisys.com", None, "Wasabi"),
            ("s3://b-b?endpoint=https://fra1.digitaloceanspaces.com", None, "DigitalOcean Spaces"),
            ("s3://b-b?endpoint=https://storage.googleapis.com", Some("UploadServer"), "Google Cloud Storage"),
            ("s3://b-b?endpoint=http://127.0.0.1:9000", Some("MinIO"), "MinIO"),
            ("s3://b-b?endpoint=http://127.0.0.1:7070", Some("VERSITYGW"), "versitygw"),
            ("s3://b-b?endpoint=http://10.0.0.1", Some("Ceph Object Gateway (squid)"), "Ceph Object Gateway"),
            ("s3://b-b?endpoint=http://10.0.0.1:3900&region=garage", None, "Garage"),
            ("s3://b-b?endpoint=http://10.0.0.1", Some("\u{130}"), "another S3 server"),
            ("file:///vault", Some("MinIO"), "a folder"),
        ] {
            assert_eq!(of(uri, server), name, "{uri}");
        }
    }

    #[test]
    fn ceph_is_known_by_its_request_ids() {
        for (id, is_ceph) in [
            ("tx000007a3907cd837c2f83-006b0615af-1007-default", true),
            ("tx0000000000000000000a1-0065f0c0a1-4f2a-eu-west", true),
            // Swift's.
            ("txb36ea4bd4b2341e5b4a3c-0053f4a5d1", false),
            ("txb36ea4bd4b2341e5b4a3c-0053f4a5d1-1-", false),
            ("4442587FB7D0A2F9", false),
            ("", false),
        ] {
            assert_eq!(server_by_request_id(id).is_some(), is_ceph, "{id}");
        }
        let store = "s3://b-b?endpoint=http://10.0.0.1";
        assert_eq!(of(store, server_by_request_id("tx1-2-3-z")), "Ceph Object Gateway");
    }

    #[test]
    fn the_region_is_in_some_hosts() {
        for (uri, region) in [
            ("s3://b-b?endpoint=https://s3.us-west-004.backblazeb2.com", Some("us-west-004")),
            ("s3://b-b?endpoint=https://s3.eu-central-1.wasabisys.com", Some("eu-central-1")),
            ("s3://b-b?endpoint=https://fra1.digitaloceanspaces.com", Some("fra1")),
            ("s3://b-b?endpoint=https://s3.wasabisys.com", None),
            ("s3://b-b?endpoint=https://fra1.cdn.digitaloceanspaces.com", None),
            ("s3://b-b", None),
        ] {
            let store: StoreUri = uri.parse().unwrap();
            assert_eq!(Profile::of(&store, None).region_of_host(&store).as_deref(), region, "{uri}");
        }
    }
}
