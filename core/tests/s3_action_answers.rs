//! Answers to the actions for plain objects and uploads: the Amazon S3 API Reference's examples, and what no server
//! should say.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{answer, error, not_s3, response, store};
use std::collections::BTreeMap;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    AbortMultipartUpload, Action, Answer, Call, CompleteMultipartUpload, Condition, CopyObject, CreateMultipartUpload,
    ETag, Encryption, EtagQuoting, Failure, GetObject, Head, HeadObject, ListEntry, ListMultipartUploads, ListObjects,
    ListObjectsV2, ListParts, ObjectsPage, Part, PartsPage, Properties, PutObject, Read, ReadStart, Response, Retry,
    StoreUri, Upload, UploadId, UploadMarker, UploadPart, UploadedPart, UploadsPage, Written,
};

const INITIATED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>example-bucket</Bucket>
  <Key>example-object</Key>
  <UploadId>VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA</UploadId>
</InitiateMultipartUploadResult>"#;
const COMPLETED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
 <Location>http://Example-Bucket.s3.Region.amazonaws.com/Example-Object</Location>
 <Bucket>Example-Bucket</Bucket>
 <Key>Example-Object</Key>
 <ETag>"3858f62230ac3c915f300c664312c11f-9"</ETag>
</CompleteMultipartUploadResult>"#;
const COPIED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CopyObjectResult>
   <LastModified>2009-10-12T17:50:30.000Z</LastModified>
   <ETag>"9b2cf535f27731c974343645a3985328"</ETag>
 </CopyObjectResult>"#;
const INTERNAL_ERROR: &str = r#"<?xml version="1.0" encoding="UTF-8"?>

<Error>
 <Code>InternalError</Code>
 <Message>We encountered an internal error. Please try again.</Message>
 <RequestId>656c76696e6727732072657175657374</RequestId>
 <HostId>Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==</HostId>
</Error>"#;
const PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>example-bucket</Bucket>
  <Key>example-object</Key>
  <UploadId>XXBsb2FkIElEIGZvciBlbHZpbmcncyVcdS1tb3ZpZS5tMnRzEEEwbG9hZA</UploadId>
  <Initiator>
    <ID>arn:aws:iam::111122223333:user/some-user-11116a31-17b5-4fb7-9df5-b288870f11xx</ID>
    <DisplayName>umat-user-11116a31-17b5-4fb7-9df5-b288870f11xx</DisplayName>
  </Initiator>
  <Owner>
    <ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID>
    <DisplayName>someName</DisplayName>
  </Owner>
  <StorageClass>STANDARD</StorageClass>
  <PartNumberMarker>1</PartNumberMarker>
  <NextPartNumberMarker>3</NextPartNumberMarker>
  <MaxParts>2</MaxParts>
  <IsTruncated>true</IsTruncated>
  <Part>
    <PartNumber>2</PartNumber>
    <LastModified>2010-11-10T20:48:34.000Z</LastModified>
    <ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag>
    <Size>10485760</Size>
  </Part>
  <Part>
    <PartNumber>3</PartNumber>
    <LastModified>2010-11-10T20:48:33.000Z</LastModified>
    <ETag>"aaaa18db4cc2f85cedef654fccc4a4x8"</ETag>
    <Size>10485760</Size>
  </Part>
</ListPartsResult>"#;
const UPLOADS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>bucket</Bucket>
  <KeyMarker></KeyMarker>
  <UploadIdMarker></UploadIdMarker>
  <NextKeyMarker>p x/my-movie.m2ts</NextKeyMarker>
  <NextUploadIdMarker>YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ</NextUploadIdMarker>
  <MaxUploads>2</MaxUploads>
  <IsTruncated>true</IsTruncated>
  <Upload>
    <Key>p x/my-divisor</Key>
    <UploadId>XMgbGlrZSBlbHZpbmcncyBub3QgaGF2aW5nIG11Y2ggbHVjaw</UploadId>
    <Initiator><ID>arn:aws:iam::111122223333:user/user1</ID><DisplayName>user1</DisplayName></Initiator>
    <Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>
    <StorageClass>STANDARD</StorageClass>
    <Initiated>2010-11-10T20:48:33.000Z</Initiated>
  </Upload>
  <Upload>
    <Key>p x/my-movie.m2ts</Key>
    <UploadId>YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ</UploadId>
    <StorageClass>STANDARD</StorageClass>
    <Initiated>2010-11-10T20:49:33.000Z</Initiated>
  </Upload>
</ListMultipartUploadsResult>"#;
const LIST_V1: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name>
  <Prefix>p+x/</Prefix>
  <Marker/>
  <MaxKeys>2</MaxKeys>
  <EncodingType>url</EncodingType>
  <IsTruncated>true</IsTruncated>
  <Contents>
    <Key>p+x/my-image.jpg</Key>
    <LastModified>2009-10-12T17:50:30.000Z</LastModified>
    <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>
    <Size>434234</Size>
    <StorageClass>STANDARD</StorageClass>
  </Contents>
  <Contents>
    <Key>p+x/my%2Bthird%0Aimage.jpg</Key>
    <LastModified>2009-10-12T17:50:30.000Z</LastModified>
    <Size>64994</Size>
  </Contents>
</ListBucketResult>"#;

fn etag(text: &str) -> ETag {
    ETag::new(text).unwrap()
}

fn upload() -> UploadId {
    UploadId::new("u").unwrap()
}

fn create() -> CreateMultipartUpload {
    CreateMultipartUpload { key: "k".into(), properties: Properties::default() }
}

fn part() -> UploadPart {
    UploadPart { key: "k".into(), upload: upload(), number: 1, body: Bytes::new() }
}

fn complete(condition: Condition) -> CompleteMultipartUpload {
    let parts = vec![Part { number: 1, etag: etag("e") }];
    CompleteMultipartUpload { key: "k".into(), upload: upload(), parts, condition }
}

fn copy(if_source_matches: Option<ETag>) -> CopyObject {
    CopyObject { source: "s".into(), if_source_matches, key: "k".into(), properties: None }
}

fn put(condition: Condition) -> PutObject {
    PutObject { key: "k".into(), body: Bytes::new(), condition, properties: Properties::default() }
}

fn get(if_match: Option<ETag>, range: Option<(u64, u64)>) -> GetObject {
    GetObject { key: "k".into(), if_match, range, body_max: 10 }
}

fn abort() -> AbortMultipartUpload {
    AbortMultipartUpload { key: "k".into(), upload: upload() }
}

fn parts(marker: Option<u32>) -> ListParts {
    ListParts { key: "k".into(), upload: upload(), marker, max_parts: 2 }
}

fn uploads(prefix: &str, marker: Option<UploadMarker>) -> ListMultipartUploads {
    ListMultipartUploads { prefix: prefix.into(), marker, max_uploads: 2 }
}

fn list(marker: Option<&str>) -> Call {
    Call::ListObjects { prefix: String::new(), marker: marker.map(str::to_owned), max_keys: 2 }
}

#[test]
fn objects_come_with_their_properties() {
    let headers = [
        ("Content-Length", "5"),
        ("ETag", "\"e\""),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Content-Type", "text/plain"),
        ("X-Amz-Meta-Author", "A B"),
        ("x-amz-meta-odd", "caf\u{e9}"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:123456789012:key/1a"),
    ];
    let properties = Properties {
        content_type: Some("text/plain".into()),
        metadata: BTreeMap::from([("author".into(), "A B".into())]),
        storage_class: Some("STANDARD_IA".into()),
        encryption: Some(Encryption::Kms { key_id: Some("arn:aws:kms:eu-west-1:123456789012:key/1a".into()) }),
    };
    let head = |len| Head {
        len,
        etag: Some(etag("\"e\"")),
        last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
        properties: properties.clone(),
    };
    let asked = HeadObject { key: "k".into() };
    assert_eq!(asked.interpret(&store(), &response(200, &headers, "")), Ok(Some(head(Some(5)))));
    assert_eq!(asked.interpret(&store(), &response(404, &[], "")), Ok(None));
    not_s3(asked.interpret(&store(), &response(200, &[], "")), "has no length");

    let body = Bytes::from_static(b"hello");
    let whole = get(None, None).interpret(&store(), &response(200, &headers, body.clone()));
    assert_eq!(whole, Ok(Read::Object { body: body.clone(), head: head(Some(5)) }));
    // Nobody asked for a range, and the status says that this is none.
    let no_range = [&headers[..], &[("Content-Range", "bytes 0-4/9")]].concat();
    assert_eq!(get(None, None).interpret(&store(), &response(200, &no_range, body.clone())), whole);
    let mut ranged = headers.to_vec();
    ranged.push(("Content-Range", "bytes 5-9/5000000000"));
    let ranged = get(None, Some((5, 9))).interpret(&store(), &response(206, &ranged, body.clone()));
    assert_eq!(ranged, Ok(Read::Object { body: body.clone(), head: head(Some(5_000_000_000)) }));
    // As rclone 1.75 sends it.
    let as_whole = [&headers[..], &[("Content-Range", "bytes 5-9/5000000000")]].concat();
    let as_whole = get(None, Some((5, 9))).interpret(&store(), &response(200, &as_whole, body.clone()));
    assert_eq!(as_whole, ranged);
    // Hidden from a browser; and a server that ignores the range.
    let hidden = get(None, Some((5, 9))).interpret(&store(), &response(206, &headers, body.clone()));
    assert_eq!(hidden, Ok(Read::Object { body, head: head(None) }));
    let ignored = get(None, Some((1, 2))).interpret(&store(), &response(200, &headers, "hello"));
    assert_eq!(ignored, Ok(Read::Object { body: "el".into(), head: head(Some(5)) }));

    assert_eq!(answer(&get(None, None), 404, error("NoSuchKey")), Ok(Read::Missing));
    assert_eq!(answer(&get(Some(etag("e")), None), 412, error("PreconditionFailed")), Ok(Read::Changed));
    assert!(answer(&get(None, None), 412, error("PreconditionFailed")).is_err());
    assert_eq!(answer(&get(Some(etag("e")), None), 400, error("Bad")).unwrap_err().retry, Retry::Unquoted);
    assert_eq!(answer(&get(None, None), 200, "0123456789a").unwrap_err().error.kind(), ErrorKind::Corrupt);
    not_s3(answer(&get(None, None), 304, ""), "has a status that no such call ends in");
}

#[test]
fn properties_are_read_with_bounds() {
    let read = |headers: &[(&str, &str)]| Properties::of(&response(200, headers, ""));
    assert_eq!(read(&[]), Properties::default());
    assert_eq!(read(&[("x-amz-server-side-encryption", "AES256")]).encryption, Some(Encryption::Store));
    let kms = Some(Encryption::Kms { key_id: None });
    assert_eq!(read(&[("x-amz-server-side-encryption", "aws:kms")]).encryption, kms);
    for (name, value) in [
        ("x-amz-server-side-encryption", "aws:fsx"),
        ("x-amz-storage-class", "a class"),
        ("content-type", "a\u{7}"),
        ("x-amz-meta-", "v"),
        ("x-amz-meta-a b", "v"),
        ("x-amz-meta-a", "a\tb"),
    ] {
        assert_eq!(read(&[(name, value)]), Properties::default(), "{name}");
    }
    let longest = "v".repeat(2046);
    let all = read(&[("x-amz-meta-a", &longest), ("x-amz-meta-b", ""), ("x-amz-meta-c", "")]);
    assert_eq!(all.metadata.keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn writes() {
    let stored = |headers: &[(&str, &str)]| put(Condition::Always).interpret(&store(), &response(200, headers, ""));
    assert_eq!(stored(&[("etag", "\"e\"")]), Ok(Written::Stored { etag: Some(etag("\"e\"")) }));
    assert_eq!(stored(&[]), Ok(Written::Stored { etag: None }));
    let page = put(Condition::Always).interpret(&store(), &response(200, &[("content-type", "text/html")], "<p>"));
    not_s3(page, "is a web page");

    let if_match = || Condition::IfMatch(etag("e"));
    for condition in [Condition::IfAbsent, if_match()] {
        assert_eq!(answer(&put(condition.clone()), 412, error("PreconditionFailed")), Ok(Written::Refused));
        assert_eq!(answer(&put(condition.clone()), 409, error("ConditionalRequestConflict")), Ok(Written::Conflict));
        assert_eq!(answer(&complete(condition.clone()), 412, error("PreconditionFailed")), Ok(Written::Refused));
        assert_eq!(answer(&complete(condition), 200, error("PreconditionFailed")), Ok(Written::Refused));
    }
    assert_eq!(answer(&put(if_match()), 404, error("NoSuchKey")), Ok(Written::Refused));
    assert_eq!(answer(&put(if_match()), 400, error("Bad")).unwrap_err().retry, Retry::Unquoted);
    assert!(answer(&put(Condition::Always), 412, error("PreconditionFailed")).is_err());
    assert_eq!(
        answer(&put(Condition::IfAbsent), 404, error("NoSuchKey")).unwrap_err().error.kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn an_upload_from_its_beginning_to_its_end() {
    let id = UploadId::new("VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA").unwrap();
    assert_eq!(answer(&create(), 200, INITIATED), Ok(id));
    not_s3(answer(&create(), 200, "<InitiateMultipartUploadResult/>"), "lacks an upload id");
    for id in [String::new(), "a b".to_owned(), "x".repeat(1025)] {
        let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        not_s3(answer(&create(), 200, body), "has a malformed upload id");
    }

    let uploaded = part().interpret(&store(), &response(200, &[("ETag", "\"b54357faf0632cce46e942fa68356b38\"")], ""));
    assert_eq!(uploaded, Ok(Some(etag("\"b54357faf0632cce46e942fa68356b38\""))));
    assert_eq!(answer(&part(), 404, error("NoSuchUpload")), Ok(None));
    let hidden = answer(&part(), 200, "").unwrap_err();
    assert_eq!((hidden.error.kind(), hidden.retry), (ErrorKind::Unsupported, Retry::Never));
    assert!(hidden.error.hint().unwrap().contains("ExposeHeaders"));

    assert_eq!(answer(&abort(), 204, ""), Ok(()));
    assert_eq!(answer(&abort(), 404, error("NoSuchUpload")), Ok(()));
    // A bare 404 may come from any web server.
    not_s3(answer(&abort(), 404, ""), "is empty");
    not_s3(answer(&part(), 404, ""), "is empty");
}

#[test]
fn a_late_answer_says_in_its_document_how_it_went() {
    let done = Written::Stored { etag: Some(etag("\"3858f62230ac3c915f300c664312c11f-9\"")) };
    let always = complete(Condition::Always);
    assert_eq!(answer(&always, 200, COMPLETED), Ok(done.clone()));
    // The white space that keeps the connection, where S3 puts it, and before everything.
    let (declaration, result) = COMPLETED.split_once('\n').unwrap();
    assert_eq!(answer(&always, 200, format!("{declaration}{}{result}", " \n".repeat(500))), Ok(done.clone()));
    assert_eq!(answer(&always, 200, format!("{}{result}", " ".repeat(1000))), Ok(done));
    let copied = Written::Stored { etag: Some(etag("\"9b2cf535f27731c974343645a3985328\"")) };
    assert_eq!(answer(&copy(None), 200, COPIED), Ok(copied));

    let later = |failure: Failure| (failure.error.kind(), failure.error.is_retryable(), failure.retry);
    let backoff = Retry::Backoff { retry_after_ms: None };
    let failed = answer(&always, 200, INTERNAL_ERROR).unwrap_err();
    assert_eq!(failed.error.object(), Some("k"));
    assert_eq!(later(failed), (ErrorKind::Network, true, backoff.clone()));
    assert_eq!(
        later(answer(&copy(None), 200, INTERNAL_ERROR).unwrap_err()),
        (ErrorKind::Network, true, backoff.clone())
    );
    let slow = answer(&copy(None), 200, error("SlowDown")).unwrap_err();
    assert_eq!(later(slow), (ErrorKind::Throttled, true, backoff));
    assert_eq!(answer(&always, 200, error("AccessDenied")).unwrap_err().error.kind(), ErrorKind::Auth);
    assert_eq!(answer(&always, 400, error("InvalidPart")).unwrap_err().error.kind(), ErrorKind::Unsupported);
    assert_eq!(answer(&always, 200, error("ConditionalRequestConflict")), Ok(Written::Conflict));
    for status in [200, 404] {
        assert_eq!(answer(&always, status, error("NoSuchUpload")), Ok(Written::Gone));
    }
    assert_eq!(answer(&copy(None), 404, error("NoSuchKey")), Ok(Written::Gone));
    assert_eq!(answer(&copy(Some(etag("e"))), 412, error("PreconditionFailed")), Ok(Written::Refused));
    assert!(answer(&copy(None), 412, error("PreconditionFailed")).is_err());
    assert_eq!(answer(&copy(None), 409, error("OperationAborted")), Ok(Written::Conflict));

    not_s3(answer(&always, 200, ""), "ends early");
    not_s3(answer(&always, 200, COPIED), "is no CompleteMultipartUploadResult");
    not_s3(answer(&copy(None), 200, COMPLETED), "is no CopyObjectResult");
    not_s3(answer(&copy(None), 200, "<CopyObjectResultX/>"), "is no CopyObjectResult");
}

#[test]
fn pages_of_parts() {
    let entry = |number, text| UploadedPart { number, size: 10_485_760, etag: etag(text) };
    let page = PartsPage {
        parts: vec![entry(2, "\"7778aef83f66abc1fa1e8477f296d394\""), entry(3, "\"aaaa18db4cc2f85cedef654fccc4a4x8\"")],
        next: Some(3),
    };
    assert_eq!(answer(&parts(Some(1)), 200, PARTS), Ok(Some(page)));
    assert_eq!(answer(&parts(None), 404, error("NoSuchUpload")), Ok(None));
    let empty = PartsPage { parts: vec![], next: None };
    assert_eq!(answer(&parts(None), 200, "<ListPartsResult/>"), Ok(Some(empty)));

    let one = |number: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>1</Size></Part>");
    let of = |inner: &str| format!("<ListPartsResult>{inner}</ListPartsResult>");
    let truncated = |marker: &str| {
        of(&format!("<IsTruncated>true</IsTruncated><NextPartNumberMarker>{marker}</NextPartNumberMarker>"))
    };
    for (body, refusal) in [
        (of(&one("0")), "has parts out of order"),
        (of(&one("10001")), "has parts out of order"),
        (of(&one("5")), "has parts out of order"),
        (of(&(one("7") + &one("7"))), "has parts out of order"),
        (of(&one("-1")), "lacks a part's number"),
        (of("<Part><PartNumber>6</PartNumber><ETag>e</ETag></Part>"), "lacks a part's size"),
        (of("<Part><PartNumber>6</PartNumber><Size>1</Size></Part>"), "lacks a part's ETag"),
        (of("<IsTruncated>true</IsTruncated>"), "goes on without a marker"),
        (of("<IsTruncated>yes</IsTruncated>"), "says neither `true` nor `false` for IsTruncated"),
        (truncated("five"), "goes on without a marker"),
        (truncated("5"), "goes on with the same page again"),
        (truncated("4"), "goes on with the same page again"),
        (truncated("10001"), "goes on with the same page again"),
        (UPLOADS.to_owned(), "is no ListPartsResult"),
    ] {
        not_s3(answer(&parts(Some(5)), 200, body), refusal);
    }
    let all: String = (1..=10_000).map(|number| one(&number.to_string())).collect();
    assert_eq!(answer(&parts(None), 200, of(&all)).unwrap().unwrap().parts.len(), 10_000);
    not_s3(answer(&parts(None), 200, of(&" ".repeat(8 << 20))), "is larger than any listing");
}

#[test]
fn pages_of_uploads() {
    let last = UploadId::new("YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ").unwrap();
    let next = UploadMarker { key: "my-movie.m2ts".into(), upload: Some(last.clone()) };
    let page = UploadsPage {
        uploads: vec![
            Upload {
                key: "my-divisor".into(),
                id: UploadId::new("XMgbGlrZSBlbHZpbmcncyBub3QgaGF2aW5nIG11Y2ggbHVjaw").unwrap(),
                initiated: Some("2010-11-10T20:48:33.000Z".into()),
            },
            Upload { key: "my-movie.m2ts".into(), id: last, initiated: Some("2010-11-10T20:49:33.000Z".into()) },
        ],
        next: Some(next.clone()),
    };
    assert_eq!(answer(&uploads("my-", None), 200, UPLOADS), Ok(page));
    not_s3(answer(&uploads("my-", Some(next)), 200, UPLOADS), "goes on with the same page again");
    not_s3(answer(&uploads("my-d", None), 200, UPLOADS), "names a foreign key");

    let of = |inner: &str| format!("<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>");
    let one = |key: &str| format!("<Upload><Key>{key}</Key><UploadId>u</UploadId></Upload>");
    let encoded = of(&(one("p+x/a%2Bb%0A") + "<EncodingType>url</EncodingType>"));
    let upload = Upload { key: "a+b\n".into(), id: upload(), initiated: None };
    assert_eq!(answer(&uploads("", None), 200, encoded), Ok(UploadsPage { uploads: vec![upload], next: None }));
    for (body, refusal) in [
        (of(&one("elsewhere/k")), "names a foreign key"),
        (of(&one("p x/")), "names a foreign key"),
        (of(&one(&format!("p x/{}", "k".repeat(1021)))), "has a key longer than 1,024 bytes"),
        (of("<Upload><Key>p x/k</Key></Upload>"), "lacks an upload id"),
        (of("<Upload><UploadId>u</UploadId></Upload>"), "lacks a key"),
        // No encoder writes that: the key is as it stands.
        (of(&(one("p+x/%4") + "<EncodingType>url</EncodingType>")), "names a foreign key"),
        (of("<EncodingType>rot13</EncodingType>"), "has an unknown encoding type"),
        (of("<IsTruncated>true</IsTruncated>"), "goes on without a marker"),
        (of("<IsTruncated>true</IsTruncated><NextKeyMarker>q/k</NextKeyMarker>"), "names a foreign key"),
        (of(&one("p x/k").repeat(10_001)), "lists more than 10,000 uploads"),
        (of(&" ".repeat(8 << 20)), "is larger than any listing"),
        (PARTS.to_owned(), "is no ListMultipartUploadsResult"),
    ] {
        not_s3(answer(&uploads("", None), 200, body), refusal);
    }
}

#[test]
fn listings_in_the_older_form() {
    let entries = vec![
        ListEntry {
            key: "my-image.jpg".into(),
            size: 434_234,
            etag: Some(etag("\"fba9dede5f27731c9771645a39863328\"")),
            last_modified: Some("2009-10-12T17:50:30.000Z".into()),
        },
        ListEntry {
            key: "my+third\nimage.jpg".into(),
            size: 64_994,
            etag: None,
            last_modified: Some("2009-10-12T17:50:30.000Z".into()),
        },
    ];
    // It goes on after the last key, or where the server says.
    let page = |next: Option<&str>| Ok(Answer::Listed { entries: entries.clone(), next: next.map(str::to_owned) });
    assert_eq!(answer(&list(None), 200, LIST_V1), page(Some("p x/my+third\nimage.jpg")));
    let with = |more: &str| LIST_V1.replace("<Marker/>", more);
    assert_eq!(answer(&list(None), 200, with("<NextMarker>p+x/n%2B</NextMarker>")), page(Some("p x/n+")));
    let last = LIST_V1.replace("true", "false");
    assert_eq!(answer(&list(None), 200, last), page(None));

    not_s3(answer(&list(Some("p x/my+third\nimage.jpg")), 200, LIST_V1), "goes on with the same page again");
    let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    not_s3(answer(&list(None), 200, endless), "goes on without a key");
    let many = format!("<ListBucketResult>{}</ListBucketResult>", "<Contents/>".repeat(10_001));
    not_s3(answer(&list(None), 200, many), "lists more than 10,000 keys");
}

/// Every beginning of every document, to every action: no panic, and no answer from half a document.
#[test]
fn documents_that_end_early() {
    let always = || Condition::Always;
    for document in [INITIATED, COMPLETED, COPIED, INTERNAL_ERROR, PARTS, UPLOADS, LIST_V1] {
        for end in 0..document.len() {
            let body = &document.as_bytes()[..end];
            for status in [200, 404, 412, 503] {
                let read = [
                    answer(&create(), status, body).is_ok(),
                    answer(&complete(always()), status, body).is_ok(),
                    answer(&copy(None), status, body).is_ok(),
                    answer(&parts(None), status, body).is_ok(),
                    answer(&uploads("", None), status, body).is_ok(),
                    answer(&list(None), status, body).is_ok(),
                ];
                assert_eq!(read, [false; 6], "{status} {end} of {document}");
            }
        }
    }
}

#[test]
fn reads_in_pieces_begin_with_their_headers() {
    let begin = |range, status, headers: &[(&str, &str)], body: &'static str| {
        get(Some(etag("\"e\"")), range).begin(&store(), &response(status, headers, body))
    };
    let of = |len, etag_text: Option<&str>, first| {
        let head = Head { len, etag: etag_text.map(etag), last_modified: None, properties: Properties::default() };
        Ok(ReadStart::Object { head, first })
    };
    let rest = Some((100, 199));
    let e = ("ETag", "\"e\"");
    assert_eq!(begin(None, 200, &[e, ("Content-Length", "200")], ""), of(Some(200), Some("\"e\""), 0));
    assert_eq!(begin(None, 200, &[e], ""), of(None, Some("\"e\""), 0));
    for status in [200, 206] {
        let headers = [e, ("Content-Length", "100"), ("Content-Range", "bytes 100-199/200")];
        assert_eq!(begin(rest, status, &headers, ""), of(Some(200), Some("\"e\""), 100));
        let headers = [e, ("Content-Range", "bytes 99-199/200")];
        not_s3(begin(rest, status, &headers, ""), "has another range than the one asked for");
    }
    assert_eq!(begin(rest, 206, &[e, ("Content-Range", "bytes 100-199/*")], ""), of(None, Some("\"e\""), 100));
    // Who knows no ranges sends the whole.
    assert_eq!(begin(rest, 200, &[e, ("Content-Length", "200")], ""), of(Some(200), Some("\"e\""), 0));
    not_s3(begin(rest, 206, &[e], ""), "has another range than the one asked for");
    not_s3(begin(None, 206, &[e], ""), "has a range, and none was asked for");
    not_s3(begin(None, 200, &[("Content-Type", "text/html; charset=utf-8")], ""), "is a web page");
    assert_eq!(begin(rest, 412, &[], "<Error><Code>PreconditionFailed</Code></Error>"), Ok(ReadStart::Changed));
    assert_eq!(begin(rest, 404, &[], "<Error><Code>NoSuchKey</Code></Error>"), Ok(ReadStart::Missing));
    not_s3(begin(rest, 404, &[], ""), "is empty");
}

#[test]
fn listings_roll_keys_up_at_a_delimiter() {
    let list = |prefix: &str| ListObjectsV2 {
        prefix: prefix.into(),
        delimiter: Some("/".into()),
        continuation: None,
        max_keys: 9,
        encoded: true,
    };
    // The Amazon S3 API Reference's example of ListObjectsV2 with a delimiter, under a prefix.
    let page = |inside: &str| format!("<ListBucketResult>{inside}</ListBucketResult>");
    let rolled_up = page(
        "<Prefix>p x/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>\
         <IsTruncated>false</IsTruncated><Contents><Key>p x/sample.jpg</Key><Size>142863</Size></Contents>\
         <CommonPrefixes><Prefix>p x/photos/</Prefix></CommonPrefixes>",
    );
    let sample = ListEntry { key: "sample.jpg".into(), size: 142_863, etag: None, last_modified: None };
    let expected =
        ObjectsPage { objects: vec![sample], prefixes: vec!["photos/".into()], next: None, is_unproven: false };
    assert_eq!(answer(&list(""), 200, rolled_up.clone()), Ok(expected));
    not_s3(answer(&list("q"), 200, rolled_up), "names a foreign key");
    let foreign = page("<CommonPrefixes><Prefix>other/</Prefix></CommonPrefixes>");
    not_s3(answer(&list(""), 200, foreign), "names a foreign prefix");
    let many = page(&"<CommonPrefixes><Prefix>p x/a/</Prefix></CommonPrefixes>".repeat(10_001));
    not_s3(answer(&list(""), 200, many), "lists more than 10,000 prefixes");

    // By version 1, without the marker that S3 gives: the page's last name counts, prefixes too.
    let by_v1 =
        ListObjects { prefix: "".into(), delimiter: Some("/".into()), marker: None, max_keys: 9, encoded: true };
    let truncated = page(
        "<IsTruncated>true</IsTruncated><Contents><Key>p x/a</Key><Size>1</Size></Contents>\
         <CommonPrefixes><Prefix>p x/b/</Prefix></CommonPrefixes>",
    );
    let next = answer(&by_v1, 200, truncated.clone()).unwrap().next;
    assert_eq!(next.as_deref(), Some("p x/b/"));
    let without_token = answer(&list(""), 200, truncated).unwrap_err();
    assert_eq!(without_token.retry, Retry::ListV1);
    let error = list("").unsigned(&store(), EtagQuoting::Quoted).map(|request| request.url).unwrap();
    assert!(error.ends_with("?delimiter=%2F&encoding-type=url&list-type=2&max-keys=9&prefix=p%20x%2F"), "{error}");
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>: `EncodingType` says how keys are written; some servers say it alone.
#[test]
fn keys_that_are_only_said_to_be_encoded_are_as_they_stand() {
    let list = |encoded| ListObjectsV2 { prefix: "".into(), delimiter: None, continuation: None, max_keys: 9, encoded };
    let page = |keys: &[&str]| {
        let keys = keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
        let keys: String = keys.collect();
        let body = format!("<ListBucketResult><EncodingType>url</EncodingType>{keys}</ListBucketResult>");
        let page = answer(&list(true), 200, body).unwrap();
        (page.objects.into_iter().map(|object| object.key).collect::<Vec<_>>(), page.is_unproven)
    };
    // One key that no encoder writes, by its own text or by the prefix `p x/`, and none is encoded.
    assert_eq!(page(&["p x/a+b", "p x/c"]), (vec!["a+b".into(), "c".into()], false));
    assert_eq!(page(&["p x/%zz"]), (vec!["%zz".into()], false));
    assert_eq!(page(&["p x/100%"]), (vec!["100%".into()], false));
    assert_eq!(page(&["p x/ü", "p x/%41"]), (vec!["ü".into(), "%41".into()], false));
    // Only as encoded keys do they have the prefix.
    assert_eq!(page(&["p%20x/a%2Bb"]), (vec!["a+b".into()], false));
    let whole: StoreUri = "s3://bucket".parse().unwrap();
    let of_whole = |key: &str, encoded| {
        let body = format!(
            "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>{key}</Key><Size>1</Size></Contents></ListBucketResult>"
        );
        let response = Response { status: 200, headers: vec![], body: body.into() };
        let page = list(encoded).interpret(&whole, &response).unwrap();
        (page.objects[0].key.clone(), page.is_unproven)
    };
    // Here it could be either.
    assert_eq!(of_whole("a+b", true), ("a b".into(), true));
    assert_eq!(of_whole("plain-_.~/key", true), ("plain-_.~/key".into(), false));
    assert!(!list(false).unsigned(&whole, EtagQuoting::Quoted).unwrap().url.contains("encoding-type"));
}

/// A server without continuation tokens fails where there is a next page.
#[test]
fn a_listing_that_fails_inside_the_server_is_asked_for_by_the_first_version() {
    let list = ListObjectsV2 { prefix: "".into(), delimiter: None, continuation: None, max_keys: 9, encoded: true };
    for body in ["<Error><Code>InternalError</Code></Error>", ""] {
        assert_eq!(answer(&list, 500, body).unwrap_err().retry, Retry::BackoffThenListV1 { retry_after_ms: None });
    }
    let busy = answer(&list, 503, "<Error><Code>SlowDown</Code></Error>").unwrap_err();
    assert_eq!(busy.retry, Retry::Backoff { retry_after_ms: None });
}

#[test]
fn an_unreadable_page_names_its_key() {
    let list = ListObjectsV2 { prefix: "".into(), delimiter: None, continuation: None, max_keys: 9, encoded: true };
    for key in ["elsewhere/k", &format!("p x/{}", "k".repeat(1022))] {
        let body = format!("<ListBucketResult><Contents><Key>{key}</Key><Size>1</Size></Contents></ListBucketResult>");
        let error = answer(&list, 200, body).unwrap_err().error;
        assert!(error.object().is_some_and(|object| key.starts_with(object)), "{error}");
    }
}

#[test]
fn documents_that_servers_name_otherwise() {
    let rclone = INITIATED.replace("InitiateMultipartUploadResult", "InitiateMultipartUpload");
    assert_eq!(answer(&create(), 200, rclone), answer(&create(), 200, INITIATED));
    let list = ListParts { key: "k".into(), upload: upload(), marker: Some(1), max_parts: 2 };
    let moto = PARTS.replace("ListPartsResult", "ListPartsResponse");
    assert_eq!(answer(&list, 200, moto), answer(&list, 200, PARTS));
    not_s3(answer(&list, 200, PARTS.replace("ListPartsResult", "ListPartsResults")), "is no ListPartsResult");
}
