//! Answers as servers write them: AWS's documentation, MinIO (2026-02-12) and versitygw 1.8.0 as recorded, shortened by
//! ids that mean nothing; and answers that no server should give.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{not_s3, response, store};
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    Action, Answer, Call, Condition, ETag, Enforcement, Failure, ListEntry, Probe, Response, Retry, StoreUri,
};

const AWS_LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>quotes</Name>
  <Prefix>E</Prefix>
  <StartAfter>ExampleGuide.pdf</StartAfter>
  <KeyCount>1</KeyCount>
  <MaxKeys>3</MaxKeys>
  <IsTruncated>true</IsTruncated>
  <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
  <Contents>
    <Key>ExampleObject.txt</Key>
    <LastModified>2013-09-17T18:07:53.000Z</LastModified>
    <ETag>&quot;599bab3ed2c697f1d26842727561fd94&quot;</ETag>
    <Size>857</Size>
    <StorageClass>REDUCED_REDUNDANCY</StorageClass>
  </Contents>
</ListBucketResult>"#;
const MINIO_LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>p+x/s/</Prefix><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><NextContinuationToken>cCB4L3MvYSBiK2M=</NextContinuationToken><IsTruncated>true</IsTruncated><Contents><Key>p+x/s/a+b%2Bc%26%C3%A9%3C</Key><LastModified>2026-11-21T05:09:14.848Z</LastModified><ETag>&#34;76ef521384af2825ea1cd83f7c531aea&#34;</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents><EncodingType>url</EncodingType></ListBucketResult>"#;
const VERSITYGW_LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>p x/</Prefix><NextContinuationToken>p x/s/a b+c&amp;é&lt;</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated><Contents><LastModified>2026-11-21T05:09:14Z</LastModified><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ETag>&#34;76ef521384af2825ea1cd83f7c531aea&#34;</ETag><Key>p x/s/a b+c&amp;é&lt;</Key><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents><EncodingType></EncodingType></ListBucketResult>"#;
const AWS_DELETE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Deleted><Key>sample1.txt</Key></Deleted><Error><Key>sample2.txt</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>"#;
const MINIO_DELETE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></DeleteResult>"#;
const NO_SUCH_KEY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>M3A74LJQRXP6ZP2R</RequestId></Error>"#;
const NO_SUCH_BUCKET: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><Key>p x/k</Key><BucketName>bucket</BucketName></Error>"#;
const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><p>It works!<br></p></body></html>";

const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
const ETAG: (&str, &str) = ("ETag", "\"e-1\"");

fn interpret(call: &Call, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Answer, Failure> {
    call.interpret(&store(), &response(status, headers, body))
}

fn etag(text: &str) -> Option<ETag> {
    Some(ETag::new(text).unwrap())
}

fn get(if_none_match: Option<ETag>, range: Option<(u64, u64)>, body_max: u64) -> Call {
    Call::GetObject { key: "k".into(), if_none_match, range, body_max }
}

fn put(condition: Condition) -> Call {
    Call::PutObject { key: "k".into(), body: Bytes::new(), condition }
}

fn if_match() -> Condition {
    Condition::IfMatch(ETag::new("\"e\"").unwrap())
}

fn delete() -> Call {
    Call::DeleteObject { key: "k".into() }
}

fn delete_many(keys: &[&str]) -> Call {
    Call::DeleteObjects { keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

fn list(prefix: &str, continuation: Option<&str>) -> Call {
    let continuation = continuation.map(str::to_owned);
    Call::ListObjectsV2 { prefix: prefix.into(), continuation, start_after: None, max_keys: 1000 }
}

fn object(body: &'static str, etag: Option<ETag>, date_unix_ms: Option<u64>) -> Result<Answer, Failure> {
    Ok(Answer::Object { body: Bytes::from_static(body.as_bytes()), etag, date_unix_ms })
}

fn entry(key: &str, size: u64, etag_text: &str, last_modified: &str) -> ListEntry {
    ListEntry { key: key.into(), size, etag: etag(etag_text), last_modified: Some(last_modified.into()) }
}

#[test]
fn objects() {
    let whole = get(None, None, 5);
    assert_eq!(interpret(&whole, 200, &[DATE, ETAG], "12345"), object("12345", etag("\"e-1\""), Some(784_111_777_000)));
    assert_eq!(interpret(&whole, 200, &[], ""), object("", None, None));
    // What can't be an ETag or a date is none.
    assert_eq!(interpret(&whole, 200, &[("etag", "a b"), ("date", "today")], "1"), object("1", None, None));
    assert_eq!(interpret(&whole, 404, &[], NO_SUCH_KEY), Ok(Answer::Missing));
    not_s3(interpret(&whole, 206, &[], "1"), "has a range, and none was asked for");
    not_s3(interpret(&whole, 304, &[], ""), "has a status that no such call ends in");

    let changed = get(etag("\"e\""), None, 5);
    assert_eq!(interpret(&changed, 304, &[], ""), Ok(Answer::NotModified));
    assert_eq!(interpret(&changed, 200, &[], "1"), object("1", None, None));

    let too_long = interpret(&whole, 200, &[], "123456").unwrap_err();
    assert_eq!((too_long.error.kind(), too_long.error.object()), (ErrorKind::Corrupt, Some("k")));
}

#[test]
fn ranges() {
    let range = get(None, Some((6, 9)), 4);
    let content_range = |text| [("content-range", text)];
    assert_eq!(interpret(&range, 206, &content_range("bytes 6-9/100"), "6789"), object("6789", None, None));
    assert_eq!(interpret(&range, 206, &content_range("bytes 6-9/*"), "6789"), object("6789", None, None));
    // The object ends within it.
    assert_eq!(interpret(&range, 206, &content_range("bytes 6-7/8"), "67"), object("67", None, None));
    // Hidden from a browser.
    assert_eq!(interpret(&range, 206, &[], "6789"), object("6789", None, None));
    // A server that ignores the range.
    assert_eq!(interpret(&range, 200, &[], "0123456789ab"), object("6789", None, None));
    assert_eq!(interpret(&range, 200, &[], "01234567"), object("67", None, None));
    assert_eq!(interpret(&get(None, Some((1, u64::MAX)), 9), 200, &[], "012"), object("12", None, None));

    for text in
        ["bytes 0-3/100", "bytes 6-10/100", "bytes 6-8/100", "bytes 9-6/100", "6-9/100", "bytes", "bytes -/", ""]
    {
        not_s3(interpret(&range, 206, &content_range(text), "6789"), "has another range than the one asked for");
    }
    not_s3(interpret(&range, 206, &[], "6789a"), "has more bytes than the range asked for");
    for result in [interpret(&range, 200, &[], "012345"), interpret(&range, 416, &[], NO_SUCH_KEY)] {
        // 416's document only matters by being one, as MinIO's and versitygw's `InvalidRange` are.
        assert_eq!(result.unwrap_err().error.kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn heads() {
    let head = Call::HeadObject { key: "k".into() };
    let headers = [("Content-Length", "11"), ("ETag", "\"e\""), ("Last-Modified", "Sat, 21 Nov 2026 05:09:14 GMT")];
    let last_modified = Some("Sat, 21 Nov 2026 05:09:14 GMT".to_owned());
    assert_eq!(interpret(&head, 200, &headers, ""), Ok(Answer::Head { len: 11, etag: etag("\"e\""), last_modified }));
    assert_eq!(interpret(&head, 404, &[], ""), Ok(Answer::Missing));
    not_s3(interpret(&head, 200, &[], ""), "has no length");
    not_s3(interpret(&head, 200, &[("content-length", "-1")], ""), "has no length");
    for status in [200, 204] {
        assert_eq!(interpret(&Call::HeadBucket, status, &[], ""), Ok(Answer::Bucket));
    }
}

#[test]
fn puts() {
    for condition in [Condition::Always, Condition::IfAbsent, if_match()] {
        assert_eq!(interpret(&put(condition.clone()), 200, &[ETAG], ""), Ok(Answer::Stored { etag: etag("\"e-1\"") }));
        assert_eq!(interpret(&put(condition.clone()), 200, &[], ""), Ok(Answer::Stored { etag: None }));
        assert_eq!(interpret(&put(condition), 409, &[], ""), Ok(Answer::Conflict));
    }
    for condition in [Condition::IfAbsent, if_match()] {
        assert_eq!(interpret(&put(condition), 412, &[], ""), Ok(Answer::Refused));
    }
    assert!(interpret(&put(Condition::Always), 412, &[], "").is_err());
    assert_eq!(interpret(&put(if_match()), 404, &[], NO_SUCH_KEY), Ok(Answer::Refused));
    // Only the bucket can be missing for these.
    for (condition, document) in
        [(if_match(), NO_SUCH_BUCKET), (Condition::IfAbsent, NO_SUCH_KEY), (Condition::Always, NO_SUCH_KEY)]
    {
        assert_eq!(interpret(&put(condition), 404, &[], document).unwrap_err().error.kind(), ErrorKind::NotFound);
    }
}

#[test]
fn deletes() {
    assert_eq!(interpret(&delete(), 204, &[], ""), Ok(Answer::Deleted));
    assert_eq!(interpret(&delete(), 200, &[], ""), Ok(Answer::Deleted));
    assert_eq!(interpret(&delete(), 404, &[], NO_SUCH_KEY), Ok(Answer::Deleted));
    assert_eq!(interpret(&delete(), 404, &[], NO_SUCH_BUCKET).unwrap_err().error.kind(), ErrorKind::NotFound);

    let whole_bucket: StoreUri = "s3://bucket".parse().unwrap();
    let answered =
        delete_many(&["sample1.txt", "sample2.txt"]).interpret(&whole_bucket, &response(200, &[], AWS_DELETE));
    let failed = vec![("sample2.txt".to_owned(), "AccessDenied".to_owned())];
    assert_eq!(answered, Ok(Answer::DeletedMany { failed }));
    assert_eq!(interpret(&delete_many(&["a"]), 200, &[], MINIO_DELETE), Ok(Answer::DeletedMany { failed: vec![] }));
    // As B2's documentation shows it, with the document and without.
    assert_eq!(interpret(&delete_many(&["a"]), 204, &[], MINIO_DELETE), Ok(Answer::DeletedMany { failed: vec![] }));
    assert_eq!(interpret(&delete_many(&["a"]), 204, &[], ""), Ok(Answer::DeletedMany { failed: vec![] }));
    not_s3(interpret(&delete_many(&["a"]), 200, &[], ""), "ends early");

    let error = |key: &str, code: &str| format!("<Error><Key>{key}</Key><Code>{code}</Code></Error>");
    let document = |errors: &str| format!("<DeleteResult>{errors}</DeleteResult>");
    let two = delete_many(&["a", "b"]);
    let gone = document(&error("p x/a", "NoSuchKey"));
    assert_eq!(interpret(&two, 200, &[], gone), Ok(Answer::DeletedMany { failed: vec![] }));
    let escape = document(&error("p x/a", "\u{1b}[31m"));
    let failed = vec![("a".to_owned(), "unreadable code".to_owned())];
    assert_eq!(interpret(&two, 200, &[], escape), Ok(Answer::DeletedMany { failed }));
    for (errors, why) in [
        (error("a", "AccessDenied"), "names a foreign key"),
        (error("p x/c", "AccessDenied"), "names more keys than were asked for"),
        (error("p x/a", "NoSuchKey").repeat(3), "names more keys than were asked for"),
        ("<Error><Code>AccessDenied</Code></Error>".into(), "lacks a key"),
        ("<Error><Key>p x/a</Key></Error>".into(), "lacks a code"),
        ("<Error><Key>p x/a</Key><Key>p x/b</Key></Error>".into(), "gives one field twice"),
    ] {
        not_s3(interpret(&two, 200, &[], document(&errors)), why);
    }
    not_s3(interpret(&two, 200, &[], ""), "ends early");
    not_s3(interpret(&two, 200, &[], MINIO_LIST), "is no DeleteResult");
}

#[test]
fn listings_of_three_servers() {
    let whole_bucket: StoreUri = "s3://quotes".parse().unwrap();
    assert_eq!(
        list("E", None).interpret(&whole_bucket, &response(200, &[], AWS_LIST)),
        Ok(Answer::Listed {
            entries: vec![entry(
                "ExampleObject.txt",
                857,
                "\"599bab3ed2c697f1d26842727561fd94\"",
                "2013-09-17T18:07:53.000Z"
            )],
            next: Some("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=".into()),
        })
    );
    let md5 = "\"76ef521384af2825ea1cd83f7c531aea\"";
    assert_eq!(
        interpret(&list("s/", None), 200, &[], MINIO_LIST),
        Ok(Answer::Listed {
            entries: vec![entry("s/a b+c&é<", 11, md5, "2026-11-21T05:09:14.848Z")],
            next: Some("cCB4L3MvYSBiK2M=".into()),
        })
    );
    assert_eq!(
        interpret(&list("", None), 200, &[], VERSITYGW_LIST),
        Ok(Answer::Listed {
            entries: vec![entry("s/a b+c&é<", 11, md5, "2026-11-21T05:09:14Z")],
            next: Some("p x/s/a b+c&é<".into()),
        })
    );
}

/// A page under the prefix `p x/`, from the XML after `ListBucketResult`.
fn page(inside: &str) -> Result<Answer, Failure> {
    interpret(&list("s/", Some("before")), 200, &[], format!("<ListBucketResult>{inside}</ListBucketResult>"))
}

#[test]
fn fields_that_servers_leave_out() {
    let Ok(Answer::Listed { entries, next }) = page("<Contents><Key>p x/s/a</Key><Size>1</Size></Contents>") else {
        panic!()
    };
    assert_eq!(entries, [ListEntry { key: "s/a".into(), size: 1, etag: None, last_modified: None }]);
    assert_eq!(next, None);
    let next = |inside| match page(inside) {
        Ok(Answer::Listed { next, .. }) => next,
        other => panic!("{other:?}"),
    };
    assert_eq!(next(""), None);
    assert_eq!(next("<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>"), None);
    assert_eq!(next("<IsTruncated>false</IsTruncated><NextContinuationToken/>"), None);
    assert_eq!(next("<NextContinuationToken>t</NextContinuationToken>"), Some("t".into()));
    // A console's mark for the folder that the prefix is.
    let marked = "<ListBucketResult><Contents><Key>p x/</Key><Size>0</Size></Contents></ListBucketResult>";
    assert_eq!(interpret(&list("", None), 200, &[], marked), Ok(Answer::Listed { entries: vec![], next: None }));
}

#[test]
fn url_decoding_only_where_the_answer_says_so() {
    let key = |encoding: &str, key: &str| match page(&format!(
        "<Contents><Key>{key}</Key><Size>0</Size></Contents>{encoding}"
    )) {
        Ok(Answer::Listed { entries, .. }) => Ok(entries[0].key.clone()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.error.message().to_owned()),
    };
    let url = "<EncodingType>url</EncodingType>";
    assert_eq!(key(url, "p+x%2Fs%2Fa%2b+%25").unwrap(), "s/a+ %");
    assert_eq!(key("", "p x/s/a%2b+%25").unwrap(), "s/a%2b+%25");
    // What no encoder writes is a key as it stands, whatever is said.
    for plain in ["p x/s/%", "p x/s/%2", "p x/s/%zz", "p x/s/%+1", "p x/s/%ff", "p x/s/a%2b"] {
        assert_eq!(key(url, plain).unwrap(), plain[4..]);
    }
    assert!(key(url, "p+x/s/%ff").unwrap_err().ends_with("names a foreign key"));
    assert!(
        key("<EncodingType>base64</EncodingType>", "p x/s/a").unwrap_err().ends_with("has an unknown encoding type")
    );
}

/// A page of the first version under the prefix `p x/`, asked for after `p x/s/b`.
fn page_v1(inside: &str) -> Result<Answer, Failure> {
    let call = Call::ListObjects { prefix: "s/".into(), marker: Some("p x/s/b".into()), max_keys: 1000 };
    interpret(&call, 200, &[], format!("<ListBucketResult>{inside}</ListBucketResult>"))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>: without a delimiter, the last key is the marker.
#[test]
fn listings_of_servers_that_know_the_first_version_only() {
    let truncated = "<Marker>p x/s/b</Marker><IsTruncated>true</IsTruncated>";
    for inside in [truncated.to_owned(), format!("{truncated}<NextContinuationToken/>")] {
        let failure = page(&inside).unwrap_err();
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Network, Retry::ListV1));
    }

    let contents = |key: &str| format!("<Contents><Key>{key}</Key><Size>0</Size></Contents>");
    let next = |inside: String| match page_v1(&inside) {
        Ok(Answer::Listed { entries, next }) => (entries.len(), next),
        other => panic!("{other:?}"),
    };
    let two = contents("p x/s/c") + &contents("p x/s/d");
    assert_eq!(next(truncated.to_owned() + &two), (2, Some("p x/s/d".into())));
    assert_eq!(next(two.clone() + "<IsTruncated>false</IsTruncated>"), (2, None));
    assert_eq!(next(two.clone()), (2, None));
    let encoded = contents("p+x%2Fs%2Fc%2B") + "<EncodingType>url</EncodingType>";
    assert_eq!(next(truncated.to_owned() + &encoded), (1, Some("p x/s/c+".into())));
    let named = format!("{truncated}<NextMarker>p+x%2Fs%2Fz</NextMarker>{encoded}");
    assert_eq!(next(named), (1, Some("p x/s/z".into())));

    let marker = |marker: &str| format!("{truncated}<NextMarker>{marker}</NextMarker>");
    for (inside, why) in [
        (truncated.to_owned(), "goes on without a key"),
        (truncated.to_owned() + &contents("p x/s/b"), "goes on with the same page again"),
        (truncated.to_owned() + &contents("p x/s/a"), "goes on with the same page again"),
        (marker(&"z".repeat(1025)), "has a key longer than 1,024 bytes"),
        ("<IsTruncated>maybe</IsTruncated>".to_owned(), "says neither `true` nor `false` for IsTruncated"),
    ] {
        not_s3(page_v1(&inside), why);
    }
}

#[test]
fn hostile_listings_are_refused() {
    let contents = |key: &str| format!("<Contents><Key>{key}</Key><Size>0</Size></Contents>");
    let truncated =
        |token: &str| format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>");
    assert!(page(&contents("p x/s/a").repeat(10_000)).is_ok());
    assert!(page(&contents(&format!("p x/s/{}", "a".repeat(1018)))).is_ok());
    assert!(page(&truncated(&"t".repeat(8192))).is_ok());
    for (inside, why) in [
        (contents("p x/t/a"), "names a foreign key"),
        (contents("p xs/a"), "names a foreign key"),
        (contents("other/a"), "names a foreign key"),
        (contents("p x/"), "names a foreign key"),
        (contents(""), "names a foreign key"),
        (contents(&format!("p x/s/{}", "a".repeat(1019))), "has a key longer than 1,024 bytes"),
        (contents(&"a".repeat(40_000)), "has an element with too much text"),
        (contents("p x/s/a").repeat(10_001), "lists more than 10,000 keys"),
        ("<Contents><Size>0</Size></Contents>".into(), "lacks a key"),
        ("<Contents><Key>p x/s/a</Key></Contents>".into(), "lacks a size"),
        ("<Contents><Key>p x/s/a</Key><Size>-1</Size></Contents>".into(), "has a malformed size"),
        ("<Contents><Key>p x/s/a</Key><Size>18446744073709551616</Size></Contents>".into(), "has a malformed size"),
        ("<Contents><Key>p x/s/a</Key><Key>p x/s/b</Key></Contents>".into(), "gives one field twice"),
        ("<IsTruncated>maybe</IsTruncated>".into(), "says neither `true` nor `false` for IsTruncated"),
        (truncated("before"), "goes on with the same page again"),
        (truncated(&"t".repeat(8193)), "has a token longer than 8 KiB"),
        ("<a>".repeat(16) + &"</a>".repeat(16), "nests its elements too deeply"),
        ("&nbsp;".into(), "has an entity of its own"),
    ] {
        not_s3(page(&inside), why);
    }
    let mut bomb = String::from("<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\">");
    for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
        bomb += &format!("<!ENTITY {name} \"{}\">", format!("&{of};").repeat(10));
    }
    bomb += "]><ListBucketResult>&e;</ListBucketResult>";
    for (body, why) in [
        (Bytes::from(bomb), "has a document type"),
        (Bytes::from(HTML), "has a document type"),
        (Bytes::from("<html><body/></html>"), "is no ListBucketResult"),
        (Bytes::from(NO_SUCH_KEY), "is no ListBucketResult"),
        (Bytes::from(""), "ends early"),
        (Bytes::from("OK"), "has text outside its elements"),
        (Bytes::from("{\"a\": 1}"), "has text outside its elements"),
        (Bytes::from(vec![0xff, 0xfe, b'<', 0]), "is not UTF-8"),
        (Bytes::from(vec![b' '; (8 << 20) + 1]), "is larger than any listing"),
    ] {
        not_s3(interpret(&list("s/", None), 200, &[], body), why);
    }
}

#[test]
fn web_pages_are_no_answers() {
    let html = [("Content-Type", "Text/HTML; charset=utf-8")];
    for call in
        [get(None, None, 1000), get(None, Some((0, 9)), 1000), put(Condition::Always), put(if_match()), delete()]
    {
        not_s3(interpret(&call, 200, &html, HTML), "is a web page");
    }
    // What a person put there as a page has an ETag.
    assert!(interpret(&get(None, None, 1000), 200, &[html[0], ETAG], HTML).is_ok());
    for call in [get(None, None, 1000), put(if_match()), delete(), list("", None), delete_many(&["a"])] {
        for status in [400, 403, 404, 410] {
            not_s3(interpret(&call, status, &html, HTML), "has a document type");
            not_s3(interpret(&call, status, &html, "<html><body/></html>"), "is no S3 error document");
        }
        not_s3(interpret(&call, 404, &[], ""), "is empty");
        for status in [301, 302, 307, 308] {
            let elsewhere = [("location", "https://login.example/?token=SECRET")];
            not_s3(interpret(&call, status, &elsewhere, HTML), "redirects elsewhere");
        }
        for status in [0, 100, 299, 600, 65535] {
            not_s3(interpret(&call, status, &[], ""), "has a status that no such call ends in");
        }
    }
    not_s3(interpret(&Call::HeadBucket, 302, &[], ""), "redirects elsewhere");
}

#[test]
fn no_beginning_of_an_answer_panics_or_passes_for_the_whole() {
    let calls = [
        get(etag("\"e\""), Some((0, 9)), 100),
        Call::HeadObject { key: "k".into() },
        put(if_match()),
        delete(),
        delete_many(&["sample1.txt", "sample2.txt"]),
        list("", None),
        Call::HeadBucket,
    ];
    let whole_bucket: StoreUri = "s3://bucket".parse().unwrap();
    for document in [AWS_LIST, MINIO_LIST, VERSITYGW_LIST, AWS_DELETE, MINIO_DELETE, NO_SUCH_KEY, NO_SUCH_BUCKET, HTML]
    {
        for end in 0..document.len() {
            let body = Bytes::copy_from_slice(&document.as_bytes()[..end]);
            for status in [200, 206, 304, 301, 400, 403, 404, 409, 412, 416, 429, 500, 503] {
                for call in &calls {
                    let answer = call.interpret(&whole_bucket, &response(status, &[DATE], body.clone()));
                    assert!(
                        !matches!(answer, Ok(Answer::Listed { .. } | Answer::DeletedMany { .. } | Answer::Missing))
                            || call.method().as_str() == "HEAD"
                    );
                }
            }
        }
    }
}

#[test]
fn no_flipped_byte_of_an_answer_panics() {
    let whole_bucket: StoreUri = "s3://bucket".parse().unwrap();
    for document in [AWS_LIST, MINIO_LIST, VERSITYGW_LIST, AWS_DELETE, NO_SUCH_KEY] {
        for at in 0..document.len() {
            for flip in [0x01, 0x04, 0x1a, 0x20, 0x80] {
                let mut body = document.as_bytes().to_vec();
                body[at] ^= flip;
                let response = response(200, &[], body);
                let _ = list("", None).interpret(&whole_bucket, &response);
                let _ = delete_many(&["sample1.txt", "sample2.txt"]).interpret(&whole_bucket, &response);
                let _ = get(None, None, 9).interpret(&whole_bucket, &Response { status: 404, ..response });
            }
        }
    }
}

/// Runs a probe against a server that answers with these statuses and documents, one after the other.
fn probe(answers: &[(u16, &'static str)]) -> (Vec<&'static str>, Option<Enforcement>) {
    let mut probe = Probe::new("probe");
    let mut sent = Vec::new();
    for (status, document) in answers {
        let call = probe.next_call().unwrap();
        sent.push(match &call {
            Call::PutObject { condition: Condition::IfAbsent, .. } => "PUT if absent",
            Call::PutObject { condition: Condition::IfMatch(_), .. } => "PUT if match",
            Call::DeleteObject { .. } => "DELETE",
            other => panic!("{other:?}"),
        });
        assert_eq!(probe.enforcement(), None);
        let _ = probe.handle(interpret(&call, *status, &[], *document));
    }
    assert_eq!(probe.next_call().is_none(), probe.enforcement().is_some());
    (sent, probe.enforcement())
}

#[test]
fn the_probe_tells_servers_apart_in_three_requests() {
    const NOT_IMPLEMENTED: &str = "<Error><Code>NotImplemented</Code></Error>";
    const INVALID: &str = "<Error><Code>InvalidArgument</Code></Error>";
    const DENIED: &str = "<Error><Code>AccessDenied</Code></Error>";
    let three = vec!["PUT if absent", "PUT if match", "DELETE"];
    for (answers, found) in [
        ([(200, ""), (412, ""), (204, "")], Enforcement::Enforced),
        ([(200, ""), (404, NO_SUCH_KEY), (204, "")], Enforcement::Enforced),
        ([(200, ""), (200, ""), (204, "")], Enforcement::Ignored),
        ([(200, ""), (409, ""), (204, "")], Enforcement::Ignored),
        ([(200, ""), (501, NOT_IMPLEMENTED), (204, "")], Enforcement::Refused),
        ([(200, ""), (400, INVALID), (204, "")], Enforcement::Refused),
        // A retry that met its own first try.
        ([(412, ""), (412, ""), (204, "")], Enforcement::Enforced),
        // Keys that may not delete.
        ([(200, ""), (412, ""), (403, DENIED)], Enforcement::Enforced),
    ] {
        assert_eq!(probe(&answers), (three.clone(), Some(found)), "{answers:?}");
    }
    // Nothing was written, so there is nothing to clean up.
    assert_eq!(probe(&[(501, NOT_IMPLEMENTED)]), (vec!["PUT if absent"], Some(Enforcement::Refused)));
    assert_eq!(probe(&[(400, INVALID)]), (vec!["PUT if absent"], Some(Enforcement::Refused)));
    // Failures that say nothing about conditions leave the step as it is.
    assert_eq!(probe(&[(403, DENIED), (503, "")]), (vec!["PUT if absent", "PUT if absent"], None));
    assert_eq!(probe(&[(200, ""), (503, "")]), (vec!["PUT if absent", "PUT if match"], None));
}
