//! Answers about buckets, and with temporary keys: the Amazon S3 and STS API References' examples, and what no server
//! should say.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{answer, error, not_s3, response, store};
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    Action, AssumeRole, AssumeRoleWithWebIdentity, Bucket, BucketsPage, CorsRule, Credentials, EtagQuoting, Failure,
    GetBucketCors, GetBucketLocation, ListBuckets, Method, PutBucketCors, Retry, Role, Server, TemporaryCredentials,
};

const BUCKETS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01">
   <Buckets>
      <Bucket>
         <CreationDate>2019-12-11T23:32:47+00:00</CreationDate>
         <Name>amzn-s3-demo-bucket</Name>
         <BucketRegion>eu-west-1</BucketRegion>
      </Bucket>
      <Bucket>
         <CreationDate>2019-11-10T23:32:13+00:00</CreationDate>
         <Name>amzn-s3-demo-bucket1</Name>
      </Bucket>
   </Buckets>
   <Owner>
      <ID>AIDACKCEVSQ6C2EXAMPLE</ID>
   </Owner>
   <ContinuationToken>eyJNYXJrZXIiOiBudWxs</ContinuationToken>
</ListAllMyBucketsResult>"#;
const CORS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
     <CORSRule>
       <AllowedOrigin>http://www.example.com</AllowedOrigin>
       <AllowedMethod>PUT</AllowedMethod>
       <AllowedMethod>DELETE</AllowedMethod>
       <AllowedHeader>*</AllowedHeader>
       <MaxAgeSeconds>3000</MaxAgeSeconds>
       <ExposeHeader>x-amz-server-side-encryption</ExposeHeader>
     </CORSRule>
     <CORSRule>
       <ID>all</ID>
       <AllowedOrigin>*</AllowedOrigin>
       <AllowedMethod>GET</AllowedMethod>
     </CORSRule>
</CORSConfiguration>"#;
const LOCATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">us-west-2</LocationConstraint>"#;
const WEB_IDENTITY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>amzn1.account.AF6RHO7KZU5XRVQJGXK6HB56KR2A</SubjectFromWebIdentityToken>
    <Audience>client.5498841531868486423.1548@apps.example.com</Audience>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/FederatedWebIdentityRole/app1</Arn>
      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:app1</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE</SessionToken>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <Expiration>2014-10-24T23:00:23Z</Expiration>
      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>
    </Credentials>
    <Provider>www.amazon.com</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata>
    <RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId>
  </ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#;

fn server() -> Server {
    Server::new(None, "eu-west-1").unwrap()
}

fn buckets(continuation: Option<&str>, status: u16, body: impl Into<Bytes>) -> Result<BucketsPage, Failure> {
    let list = ListBuckets { continuation: continuation.map(str::to_owned), max_buckets: None };
    list.interpret(&server(), &response(status, &[], body))
}

fn role() -> Role {
    Role { arn: None, session_name: "me".into(), duration_s: 900, policy: None }
}

fn web_identity(status: u16, body: impl Into<Bytes>) -> Result<TemporaryCredentials, Failure> {
    let action = AssumeRoleWithWebIdentity::new(role(), "token").unwrap();
    action.interpret(response(status, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], body))
}

#[test]
fn pages_of_buckets() {
    let bucket = |name: &str, created: &str, region: Option<&str>| Bucket {
        name: name.into(),
        created: Some(created.into()),
        region: region.map(str::to_owned),
    };
    let page = BucketsPage {
        buckets: vec![
            bucket("amzn-s3-demo-bucket", "2019-12-11T23:32:47+00:00", Some("eu-west-1")),
            bucket("amzn-s3-demo-bucket1", "2019-11-10T23:32:13+00:00", None),
        ],
        next: Some("eyJNYXJrZXIiOiBudWxs".into()),
    };
    assert_eq!(buckets(None, 200, BUCKETS), Ok(page));
    not_s3(buckets(Some("eyJNYXJrZXIiOiBudWxs"), 200, BUCKETS), "goes on with the same page again");
    let of = |inner: &str| format!("<ListAllMyBucketsResult><Buckets>{inner}</Buckets></ListAllMyBucketsResult>");
    assert_eq!(buckets(None, 200, of("")), Ok(BucketsPage { buckets: vec![], next: None }));
    let one = |name: &str| format!("<Bucket><Name>{name}</Name></Bucket>");
    for (body, refusal) in [
        (of(&one("")), "lacks a bucket's name"),
        (of(&one("a&#10;b")), "lacks a bucket's name"),
        (of(&one(&"n".repeat(256))), "lacks a bucket's name"),
        (of(&one("bucket").repeat(10_001)), "lists more than 10,000 buckets"),
        (of(&" ".repeat(8 << 20)), "is larger than any listing"),
        (CORS.to_owned(), "is no ListAllMyBucketsResult"),
    ] {
        not_s3(buckets(None, 200, body), refusal);
    }

    let closed = buckets(None, 403, error("AccessDenied")).unwrap_err().error;
    let message = "the server `https://s3.eu-west-1.amazonaws.com` lists no buckets to these keys: AccessDenied";
    assert_eq!((closed.kind(), closed.message()), (ErrorKind::Auth, message));
    assert!(closed.hint().unwrap().contains("name the bucket"));
    let malformed =
        |region: &str| format!("<Error><Code>AuthorizationHeaderMalformed</Code><Region>{region}</Region></Error>");
    let elsewhere = buckets(None, 400, malformed("eu-central-1")).unwrap_err();
    assert_eq!(elsewhere.retry, Retry::Region("eu-central-1".into()));
    assert_eq!(buckets(None, 400, malformed("eu-west-1")).unwrap_err().retry, Retry::Never);
}

#[test]
fn bucket_settings() {
    let location =
        |text: &str| answer(&GetBucketLocation, 200, format!("<LocationConstraint>{text}</LocationConstraint>"));
    assert_eq!(answer(&GetBucketLocation, 200, LOCATION), Ok("us-west-2".into()));
    assert_eq!(location(""), Ok("us-east-1".into()));
    assert_eq!(location("EU"), Ok("eu-west-1".into()));
    not_s3(location("a b"), "has a malformed region");
    not_s3(location(&"r".repeat(65)), "has a malformed region");
    not_s3(answer(&GetBucketLocation, 200, CORS), "is no LocationConstraint");
    assert_eq!(answer(&GetBucketLocation, 404, error("NoSuchBucket")).unwrap_err().error.kind(), ErrorKind::NotFound);

    let rules = vec![
        CorsRule {
            id: None,
            allowed_origins: vec!["http://www.example.com".into()],
            allowed_methods: vec![Method::Put, Method::Delete],
            allowed_headers: vec!["*".into()],
            expose_headers: vec!["x-amz-server-side-encryption".into()],
            max_age_s: Some(3000),
        },
        CorsRule {
            id: Some("all".into()),
            allowed_origins: vec!["*".into()],
            allowed_methods: vec![Method::Get],
            ..CorsRule::default()
        },
    ];
    assert_eq!(answer(&GetBucketCors, 200, CORS), Ok(rules.clone()));
    // What is put is read back.
    let put = PutBucketCors { rules: rules.clone() };
    let document = put.unsigned(&store(), EtagQuoting::Quoted).unwrap().body;
    assert_eq!(answer(&GetBucketCors, 200, document), Ok(rules));
    assert_eq!(answer(&GetBucketCors, 404, error("NoSuchCORSConfiguration")), Ok(vec![]));
    assert_eq!(answer(&put, 200, ""), Ok(()));
    assert_eq!(answer(&put, 501, error("NotImplemented")).unwrap_err().error.kind(), ErrorKind::Unsupported);

    let of = |inner: &str| format!("<CORSConfiguration><CORSRule>{inner}</CORSRule></CORSConfiguration>");
    for (body, refusal) in [
        (of("<AllowedMethod>PATCH</AllowedMethod>"), "has an unknown method in a CORS rule"),
        (of("<MaxAgeSeconds>-1</MaxAgeSeconds>"), "has a malformed age"),
        (of("<ID>a</ID><ID>b</ID>"), "gives one field twice"),
        (of(&"<AllowedHeader>a</AllowedHeader>".repeat(101)), "has more than 100 entries in a CORS rule"),
        (of(&format!("<ID>{}</ID>", "i".repeat(256))), "has a malformed entry in a CORS rule"),
        (
            format!("<CORSConfiguration>{}</CORSConfiguration>", "<CORSRule/>".repeat(101)),
            "has more than 100 CORS rules",
        ),
        (LOCATION.to_owned(), "is no CORSConfiguration"),
    ] {
        not_s3(answer(&GetBucketCors, 200, body), refusal);
    }
}

#[test]
fn temporary_keys() {
    let credentials = Credentials::new(
        "ASgeIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
        Some("AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE".into()),
    )
    .unwrap();
    // `date -u -d 2014-10-24T23:00:23Z +%s`
    let keys = TemporaryCredentials { credentials, expires_unix_ms: 1_414_191_623_000 };
    assert_eq!(web_identity(200, WEB_IDENTITY), Ok(keys.clone()));
    let assumed = WEB_IDENTITY.replace("WithWebIdentity", "");
    let assume = AssumeRole { role: role() };
    assert_eq!(assume.interpret(response(200, &[], assumed.clone())), Ok(keys.clone()));
    let printed = format!("{keys:?}");
    assert!(!printed.contains("EXAMPLE") && printed.contains("1414191623000"), "{printed}");

    let not_sts = |body: String, why: &str| {
        let failure = web_identity(200, body).unwrap_err();
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Network, Retry::Never));
        assert_eq!(failure.error.message(), format!("this is not a token service's answer: it {why}"));
    };
    let without = |field: &str| WEB_IDENTITY.replace(&format!("{field}>"), "Other>");
    not_sts(without("AccessKeyId"), "lacks an access key");
    not_sts(without("SecretAccessKey"), "lacks a secret key");
    not_sts(without("SessionToken"), "lacks a session token");
    not_sts(without("Expiration"), "lacks the time its keys expire at");
    not_sts(WEB_IDENTITY.replace("23:00:23Z", "noon"), "lacks the time its keys expire at");
    not_sts(WEB_IDENTITY.replace("<AccessKeyId>", "<AccessKeyId>line\nbreak"), "has keys of an unknown form");
    not_sts(WEB_IDENTITY.replace("Expiration>", "AccessKeyId>"), "gives one field twice");
    not_sts(format!("{WEB_IDENTITY}{}", " ".repeat(64 << 10)), "is larger than any answer with keys");
    not_sts(assumed, "is no answer of a token service");
    not_sts("<html></html>".into(), "is no answer of a token service");
}

#[test]
fn why_a_token_service_gives_no_keys() {
    let error = |code: &str| {
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>eyJ.secret.token</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )
    };
    let backoff = Retry::Backoff { retry_after_ms: None };
    let clock = Retry::Clock { server_unix_ms: 784_111_777_000 };
    for (status, body, kind, retry, hint) in [
        (400, error("ExpiredTokenException"), ErrorKind::Auth, Retry::Never, "sign in again"),
        (400, error("InvalidIdentityToken"), ErrorKind::Auth, Retry::Never, "trust policy"),
        (403, error("IDPRejectedClaim"), ErrorKind::Auth, Retry::Never, "trust policy"),
        (403, error("AccessDenied"), ErrorKind::Auth, Retry::Never, "may be assumed"),
        (400, error("ValidationError"), ErrorKind::Auth, Retry::Never, "may be assumed"),
        (403, "<Error><Code>AccessDenied</Code></Error>".into(), ErrorKind::Auth, Retry::Never, "may be assumed"),
        (400, error("RequestExpired"), ErrorKind::ClockSkew, clock, "set the device's clock"),
        (400, error("IDPCommunicationError"), ErrorKind::Network, backoff.clone(), "try again later"),
        (400, error("Throttling"), ErrorKind::Throttled, backoff.clone(), "try again later"),
        (503, String::new(), ErrorKind::Throttled, backoff.clone(), "try again later"),
        (500, String::new(), ErrorKind::Network, backoff, "try again later"),
        (405, error("MethodNotAllowed"), ErrorKind::Unsupported, Retry::Never, "token service's address"),
        (403, "<html/>".into(), ErrorKind::Network, Retry::Never, "token service's address"),
        (302, String::new(), ErrorKind::Network, Retry::Never, "token service's address"),
        (204, String::new(), ErrorKind::Network, Retry::Never, "token service's address"),
    ] {
        let failure = web_identity(status, body.clone()).unwrap_err();
        assert_eq!((failure.error.kind(), failure.retry), (kind, retry), "{body}");
        assert!(failure.error.hint().unwrap().contains(hint), "{body}");
        assert!(!failure.error.to_string().contains("secret"));
    }
}

/// Every beginning of every document, to every action: no panic, and no answer from half a document.
#[test]
fn documents_that_end_early() {
    for document in [BUCKETS, CORS, LOCATION, WEB_IDENTITY] {
        for end in 0..document.len() {
            let body = &document.as_bytes()[..end];
            for status in [200, 404, 503] {
                let read = [
                    buckets(None, status, body).is_ok(),
                    answer(&GetBucketCors, status, body).is_ok(),
                    answer(&GetBucketLocation, status, body).is_ok(),
                    web_identity(status, body).is_ok(),
                ];
                assert_eq!(read, [false; 4], "{status} {end} of {document}");
            }
        }
    }
}
