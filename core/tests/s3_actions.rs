//! Requests of the actions for plain objects, uploads, buckets and temporary keys. The expected signatures were computed
//! by botocore 1.44.5 (`S3SigV4Auth`, `SigV4Auth`), the checksum by Python's hashlib.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    AbortMultipartUpload, Action, AssumeRole, AssumeRoleWithWebIdentity, CompleteMultipartUpload, Condition,
    CopyObject, CorsRule, CreateMultipartUpload, Credentials, DeleteObject, DeleteObjects, ETag, Encryption,
    EtagQuoting, GetBucketCors, GetBucketLocation, GetObject, HeadObject, HttpRequest, ListBuckets,
    ListMultipartUploads, ListParts, Method, Part, Properties, PutBucketCors, PutObject, RequestKind, Role, Server,
    StoreUri, UploadId, UploadMarker, UploadPart,
};

/// 2024-02-29T23:59:59Z.
const UNIX_MS: u64 = 1_709_251_199_000;
const LOCAL: &str = "s3://my-bucket/a%20vault?region=eu-west-1&endpoint=127.0.0.1:9000";
const BASE: &str = "http://127.0.0.1:9000/my-bucket/";

fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None).unwrap()
}

fn etag(text: &str) -> ETag {
    ETag::new(text).unwrap()
}

fn upload() -> UploadId {
    UploadId::new("up/load=").unwrap()
}

fn properties() -> Properties {
    Properties {
        content_type: Some("text/plain; charset=utf-8".into()),
        metadata: BTreeMap::from([("author".into(), "A  B".into())]),
        storage_class: Some("STANDARD_IA".into()),
        encryption: Some(Encryption::Kms { key_id: Some("arn:aws:kms:eu-west-1:123456789012:key/1a".into()) }),
    }
}

fn put(properties: Properties, condition: Condition) -> PutObject {
    PutObject { key: "k".into(), body: Bytes::from_static(b"hello"), condition, properties }
}

fn complete(parts: &[(u32, &str)], condition: Condition) -> CompleteMultipartUpload {
    let parts = parts.iter().map(|(number, text)| Part { number: *number, etag: etag(text) }).collect();
    CompleteMultipartUpload { key: "k".into(), upload: upload(), parts, condition }
}

fn part(number: u32) -> UploadPart {
    UploadPart { key: "k".into(), upload: upload(), number, body: Bytes::from_static(b"part") }
}

/// The request, and what the action says of itself.
fn unsigned<A: Action>(action: &A) -> (RequestKind, Method, String, Vec<(String, String)>, Bytes) {
    let request = action.unsigned(&LOCAL.parse().unwrap(), EtagQuoting::Quoted).unwrap();
    let url = request.url.strip_prefix(BASE).unwrap().to_owned();
    (action.billing_kind(), request.method, url, request.headers, request.body)
}

fn is<A: Action>(
    action: &A,
    kind: RequestKind,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(unsigned(action), (kind, method, url.to_owned(), headers, Bytes::from_static(body.as_bytes())));
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    &request.headers.iter().find(|(other, _)| other == name).unwrap().1
}

fn refused<A: Action>(action: &A) {
    let error = action.unsigned(&LOCAL.parse().unwrap(), EtagQuoting::Quoted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn plain_objects() {
    is(
        &put(properties(), Condition::IfAbsent),
        RequestKind::Put,
        Method::Put,
        "a%20vault/k",
        &[
            ("content-type", "text/plain; charset=utf-8"),
            ("x-amz-meta-author", "A  B"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:123456789012:key/1a"),
            ("if-none-match", "*"),
        ],
        "hello",
    );
    is(&put(Properties::default(), Condition::Always), RequestKind::Put, Method::Put, "a%20vault/k", &[], "hello");
    let store_keys = Properties { encryption: Some(Encryption::Store), ..Properties::default() };
    is(
        &put(store_keys, Condition::IfMatch(etag("W/\"e\""))),
        RequestKind::Put,
        Method::Put,
        "a%20vault/k",
        &[("x-amz-server-side-encryption", "AES256"), ("if-match", "\"e\"")],
        "hello",
    );
    is(
        &GetObject { key: "k".into(), if_match: Some(etag("e")), range: Some((8, 15)), body_max: 8 },
        RequestKind::Get,
        Method::Get,
        "a%20vault/k",
        &[("if-match", "\"e\""), ("range", "bytes=8-15")],
        "",
    );
    is(&HeadObject { key: "k".into() }, RequestKind::Head, Method::Head, "a%20vault/k", &[], "");
}

#[test]
fn copies() {
    let copy = |properties| CopyObject {
        source: "é/+ x".into(),
        if_source_matches: Some(etag("\"e\"")),
        key: "k".into(),
        properties,
    };
    let source = ("x-amz-copy-source", "my-bucket/a%20vault/%C3%A9/%2B%20x");
    let matches = ("x-amz-copy-source-if-match", "\"e\"");
    is(&copy(None), RequestKind::Put, Method::Put, "a%20vault/k", &[source, matches], "");
    let class = Properties { storage_class: Some("GLACIER_IR".into()), ..Properties::default() };
    is(
        &copy(Some(class)),
        RequestKind::Put,
        Method::Put,
        "a%20vault/k",
        &[source, matches, ("x-amz-metadata-directive", "REPLACE"), ("x-amz-storage-class", "GLACIER_IR")],
        "",
    );
    let folder = "file:///vault".parse().unwrap();
    let error = copy(None).unsigned(&folder, EtagQuoting::Quoted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn multipart_uploads() {
    let class = Properties { storage_class: Some("STANDARD".into()), ..Properties::default() };
    is(
        &CreateMultipartUpload { key: "k".into(), properties: class },
        RequestKind::Post,
        Method::Post,
        "a%20vault/k?uploads=",
        &[("x-amz-storage-class", "STANDARD")],
        "",
    );
    let url = "a%20vault/k?partNumber=10000&uploadId=up%2Fload%3D";
    is(&part(10_000), RequestKind::Put, Method::Put, url, &[], "part");
    is(
        &complete(&[(1, "\"a\""), (3, "b&")], Condition::IfAbsent),
        RequestKind::Post,
        Method::Post,
        "a%20vault/k?uploadId=up%2Fload%3D",
        &[("content-type", "application/xml"), ("if-none-match", "*")],
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>\
         <Part><PartNumber>3</PartNumber><ETag>b&amp;</ETag></Part></CompleteMultipartUpload>",
    );
    is(
        &AbortMultipartUpload { key: "k".into(), upload: upload() },
        RequestKind::Delete,
        Method::Delete,
        "a%20vault/k?uploadId=up%2Fload%3D",
        &[],
        "",
    );
    is(
        &ListParts { key: "k".into(), upload: upload(), marker: Some(7), max_parts: 1000 },
        RequestKind::List,
        Method::Get,
        "a%20vault/k?max-parts=1000&part-number-marker=7&uploadId=up%2Fload%3D",
        &[],
        "",
    );
    let marker = UploadMarker { key: "s/k".into(), upload: Some(upload()) };
    is(
        &ListMultipartUploads { prefix: "s/".into(), marker: Some(marker), max_uploads: 10 },
        RequestKind::List,
        Method::Get,
        "?encoding-type=url&key-marker=a%20vault%2Fs%2Fk&max-uploads=10&prefix=a%20vault%2Fs%2F\
         &upload-id-marker=up%2Fload%3D&uploads=",
        &[],
        "",
    );
}

#[test]
fn bucket_settings() {
    is(&GetBucketLocation, RequestKind::Get, Method::Get, "?location=", &[], "");
    is(&GetBucketCors, RequestKind::Get, Method::Get, "?cors=", &[], "");
    let web = CorsRule {
        id: Some("web".into()),
        allowed_origins: vec!["https://*.example".into()],
        allowed_methods: vec![Method::Get, Method::Put],
        allowed_headers: vec!["*".into()],
        expose_headers: vec!["ETag".into(), "Date".into()],
        max_age_s: Some(3000),
    };
    let any =
        CorsRule { allowed_origins: vec!["*".into()], allowed_methods: vec![Method::Head], ..CorsRule::default() };
    is(
        &PutBucketCors { rules: vec![web, any] },
        RequestKind::Put,
        Method::Put,
        "?cors=",
        &[("content-type", "application/xml"), ("content-md5", CORS_MD5)],
        CORS,
    );
}

const CORS: &str = "<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <CORSRule><ID>web</ID><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>Date</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";
const CORS_MD5: &str = "2h3vbP/CPZaQM8FccboyZw==";

#[test]
fn golden_signatures() {
    let store = LOCAL.parse().unwrap();
    let put = put(properties(), Condition::IfAbsent);
    let request = put.request(&store, Some(&keys()), UNIX_MS, EtagQuoting::Quoted).unwrap();
    assert_eq!(
        header(&request, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/s3/aws4_request, \
         SignedHeaders=content-type;host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-meta-author;\
         x-amz-server-side-encryption;x-amz-server-side-encryption-aws-kms-key-id;x-amz-storage-class, \
         Signature=574d99d85ae177326939c157e3271bbc5ff6e0d4c5c85ba3d8704726eb136f9f"
    );
    let create = CreateMultipartUpload { key: "k".into(), properties: Properties::default() };
    let request = create.request(&store, Some(&keys()), UNIX_MS, EtagQuoting::Quoted).unwrap();
    assert_eq!(
        header(&request, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=6c2032bec3fa51c3be63ed8b78ec79506e9a370e22587021b4af1b06839a0374"
    );
    let server = Server::new(Some(&"127.0.0.1:9000".parse().unwrap()), "eu-west-1").unwrap();
    let list = ListBuckets { max_buckets: Some(5), ..ListBuckets::default() };
    let request = list.request(&server, Some(&keys()), UNIX_MS).unwrap();
    assert_eq!(request.url, "http://127.0.0.1:9000/?max-buckets=5");
    assert!(header(&request, "authorization").ends_with(
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=1b52a149adf5d42e47c42f7025df6afe67e3ea8dac7f999cd579234e2558698c"
    ));
}

#[test]
fn a_server_is_named_by_endpoint_or_region() {
    let list = ListBuckets { continuation: Some("a+b".into()), max_buckets: None };
    let url = |server: &Server| list.request(server, None, UNIX_MS).unwrap().url;
    let aws = Server::new(None, "eu-west-1").unwrap();
    assert_eq!(url(&aws), "https://s3.eu-west-1.amazonaws.com/?continuation-token=a%2Bb");
    for (store, server) in [
        ("s3://my-bucket/p?region=cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/"),
        ("s3://my-bucket/p?endpoint=https://s3.example", "https://s3.example/"),
        (LOCAL, "http://127.0.0.1:9000/"),
    ] {
        let tidelock_core::s3::StoreUri::S3(store) = store.parse().unwrap() else { unreachable!() };
        let of = Server::of(&store);
        assert_eq!((of.region(), url(&of)), (store.region(), format!("{server}?continuation-token=a%2Bb")));
    }
    assert_eq!(Server::new(None, "a/b").unwrap_err().kind(), ErrorKind::Invalid);
    for max_buckets in [0, 10_001] {
        let list = ListBuckets { continuation: None, max_buckets: Some(max_buckets) };
        assert_eq!(list.request(&aws, None, UNIX_MS).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn temporary_keys() {
    let role = Role {
        arn: Some("arn:aws:iam::123456789012:role/notes".into()),
        session_name: "me@home".into(),
        duration_s: 3600,
        policy: None,
    };
    let endpoint = "https://sts.eu-west-1.amazonaws.com".parse().unwrap();
    let form = [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];

    let request = AssumeRole { role: role.clone() }.request(&endpoint, "eu-west-1", &keys(), UNIX_MS).unwrap();
    assert_eq!((request.method, request.url.as_str()), (Method::Post, "https://sts.eu-west-1.amazonaws.com/"));
    assert_eq!(
        request.body,
        "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&RoleSessionName=me%40home\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fnotes"
    );
    assert_eq!(
        header(&request, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=1c3a82fa93b00b98ddccb25dd6a7972f38a2a4de6b825375ff2cd315ca45c9ee"
    );

    let narrowed = Role { arn: None, policy: Some("{\"Version\":\"2012-10-17\"}".into()), ..role.clone() };
    assert_eq!(
        AssumeRole { role: narrowed }.request(&endpoint, "eu-west-1", &keys(), UNIX_MS).unwrap().body,
        "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&RoleSessionName=me%40home\
         &Policy=%7B%22Version%22%3A%222012-10-17%22%7D"
    );

    let identity = AssumeRoleWithWebIdentity::new(Role { arn: None, ..role.clone() }, "TOKEN.va+lue").unwrap();
    let request = identity.request(&endpoint).unwrap();
    assert_eq!(request.headers, form);
    assert_eq!(
        request.body,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&DurationSeconds=3600&RoleSessionName=me%40home\
         &WebIdentityToken=TOKEN.va%2Blue"
    );
    for printed in [format!("{identity:?}"), format!("{request:?}")] {
        assert!(!printed.contains("TOKEN"), "{printed}");
    }

    for bad in [
        Role { duration_s: 899, ..role.clone() },
        Role { duration_s: 43_201, ..role.clone() },
        Role { session_name: "m".into(), ..role.clone() },
        Role { session_name: "m".repeat(65), ..role.clone() },
        Role { session_name: "me home".into(), ..role.clone() },
        Role { arn: Some("arn:aws:iam::1:role/\n".into()), ..role.clone() },
        Role { arn: Some("short".into()), ..role.clone() },
        Role { arn: Some("a".repeat(2049)), ..role.clone() },
        Role { policy: Some(String::new()), ..role.clone() },
        Role { policy: Some("{".repeat(2049)), ..role.clone() },
    ] {
        let request = AssumeRole { role: bad }.request(&endpoint, "eu-west-1", &keys(), UNIX_MS);
        assert_eq!(request.unwrap_err().kind(), ErrorKind::Invalid);
    }
    for token in ["", "abc", "with space", "line\nbreak", &"t".repeat(20_001)] {
        let error = AssumeRoleWithWebIdentity::new(role.clone(), token).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn properties_that_no_header_carries_are_refused() {
    let metadata = |name: &str, value: &str| Properties {
        metadata: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Properties::default()
    };
    let kind = |text: &str| Properties { content_type: Some(text.into()), ..Properties::default() };
    let class = |text: &str| Properties { storage_class: Some(text.into()), ..Properties::default() };
    let key = |text: &str| Properties {
        encryption: Some(Encryption::Kms { key_id: Some(text.into()) }),
        ..Properties::default()
    };
    for good in [
        metadata("a", ""),
        metadata("a", &"v".repeat(2047)),
        kind(&"k".repeat(255)),
        class(&"C".repeat(64)),
        key(&"k".repeat(2048)),
    ] {
        unsigned(&put(good, Condition::Always));
    }
    for bad in [
        metadata("", "v"),
        metadata("A", "v"),
        metadata("a b", "v"),
        metadata("a:b", "v"),
        metadata("a", "line\r\nx-amz-acl: public-read"),
        metadata("a", " v"),
        metadata("a", "v "),
        metadata("a", "é"),
        metadata("a", &"v".repeat(2048)),
        kind(""),
        kind("text/plain\r\n"),
        kind(&"k".repeat(256)),
        class(""),
        class("standard"),
        class(&"C".repeat(65)),
        key(""),
        key("a b"),
        key(&"k".repeat(2049)),
    ] {
        refused(&put(bad.clone(), Condition::Always));
        refused(&CreateMultipartUpload { key: "k".into(), properties: bad.clone() });
        refused(&CopyObject { source: "s".into(), if_source_matches: None, key: "k".into(), properties: Some(bad) });
    }
}

/// S3 takes every text as a key: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.
#[test]
fn any_text_is_a_plain_objects_key() {
    let store: StoreUri = "s3://bucket?endpoint=http://127.0.0.1:9000".parse().unwrap();
    for (key, path) in
        [("a/", "a/"), ("a//b", "a//b"), ("/a", "/a"), ("../a", "../a"), ("a/./b", "a/./b"), ("a\nb\u{1}", "a%0Ab%01")]
    {
        let expected = format!("http://127.0.0.1:9000/bucket/{path}");
        let get = GetObject { key: key.into(), if_match: None, range: None, body_max: 1 };
        assert_eq!(get.unsigned(&store, EtagQuoting::Quoted).unwrap().url, expected);
        let delete = DeleteObject { key: key.into() };
        assert_eq!(delete.unsigned(&store, EtagQuoting::Quoted).unwrap().url, expected);
        assert_eq!(HeadObject { key: key.into() }.unsigned(&store, EtagQuoting::Quoted).unwrap().url, expected);
    }
    for (key, can_be_named) in
        [("a//b", true), ("../a", true), ("ü&<", true), ("a\nb", false), ("\u{1}", false), (" a", false)]
    {
        assert_eq!(DeleteObjects::can_name(key), can_be_named, "{key:?}");
    }
}

#[test]
fn what_breaks_a_limit_is_never_sent() {
    for key in ["", &"x".repeat(1023)] {
        refused(&PutObject { key: key.into(), ..put(Properties::default(), Condition::Always) });
        refused(&GetObject { key: key.into(), if_match: None, range: None, body_max: 1 });
        refused(&HeadObject { key: key.into() });
        refused(&CreateMultipartUpload { key: key.into(), properties: Properties::default() });
        refused(&UploadPart { key: key.into(), ..part(1) });
        refused(&CompleteMultipartUpload { key: key.into(), ..complete(&[(1, "a")], Condition::Always) });
        refused(&AbortMultipartUpload { key: key.into(), upload: upload() });
        refused(&ListParts { key: key.into(), upload: upload(), marker: None, max_parts: 1 });
        let copy = |source: &str, key: &str| CopyObject {
            source: source.into(),
            if_source_matches: None,
            key: key.into(),
            properties: None,
        };
        refused(&copy(key, "k"));
        refused(&copy("k", key));
    }
    refused(&GetObject { key: "k".into(), if_match: None, range: Some((2, 1)), body_max: 1 });
    refused(&part(0));
    refused(&part(10_001));
    for parts in [&[][..], &[(0, "a")], &[(10_001, "a")], &[(1, "a"), (1, "b")], &[(2, "a"), (1, "b")]] {
        refused(&complete(parts, Condition::Always));
    }
    for max in [0, 1001] {
        refused(&ListParts { key: "k".into(), upload: upload(), marker: None, max_parts: max });
        refused(&ListMultipartUploads { prefix: String::new(), marker: None, max_uploads: max });
    }
    let long = "x".repeat(1017);
    let marker = UploadMarker { key: long.clone(), upload: None };
    refused(&ListMultipartUploads { prefix: String::new(), marker: Some(marker), max_uploads: 1 });
    refused(&ListMultipartUploads { prefix: long, marker: None, max_uploads: 1 });

    for id in ["", "a b", "é", "a\n", &"x".repeat(1025)] {
        assert_eq!(UploadId::new(id), None);
    }

    let rule =
        CorsRule { allowed_origins: vec!["*".into()], allowed_methods: vec![Method::Get], ..CorsRule::default() };
    let cors = |rule: CorsRule| PutBucketCors { rules: vec![rule] };
    unsigned(&PutBucketCors { rules: vec![rule.clone(); 100] });
    refused(&PutBucketCors { rules: vec![] });
    refused(&PutBucketCors { rules: vec![rule.clone(); 101] });
    refused(&cors(CorsRule { allowed_origins: vec![], ..rule.clone() }));
    refused(&cors(CorsRule { allowed_methods: vec![], ..rule.clone() }));
    refused(&cors(CorsRule { allowed_origins: vec!["http://*.a.*".into()], ..rule.clone() }));
    refused(&cors(CorsRule { allowed_headers: vec!["x-*-*".into()], ..rule.clone() }));
    refused(&cors(CorsRule { expose_headers: vec![String::new()], ..rule.clone() }));
    refused(&cors(CorsRule { expose_headers: vec!["E".into(); 101], ..rule.clone() }));
    refused(&cors(CorsRule { id: Some("i".repeat(256)), ..rule.clone() }));
    let wide = CorsRule { expose_headers: vec!["E".repeat(255); 100], ..rule };
    refused(&PutBucketCors { rules: vec![wide; 3] });
}
