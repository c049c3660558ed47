//! Store URIs: what is read, what is refused and how, and that each has one written form.
#![allow(clippy::unwrap_used)]

use tidelock_core::ErrorKind;
use tidelock_core::s3::{Action, Call, Credentials, EtagQuoting, StoreUri, take_keys};

/// The URL of object `k` tells all that the address decides.
fn url(store: &StoreUri) -> String {
    let call = Call::HeadObject { key: "k".into() };
    call.request(store, None, 0, EtagQuoting::Quoted).unwrap().url
}

#[test]
fn addresses_their_one_form_and_where_their_requests_go() {
    // (written, written back, URL of key `k`)
    for (text, form, object) in [
        ("s3://bucket", "s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com/k"),
        ("s3://bucket/", "s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com/k"),
        ("s3://bucket?region=us-east-1", "s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com/k"),
        ("s3://bucket/a/b/", "s3://bucket/a/b", "https://bucket.s3.us-east-1.amazonaws.com/a/b/k"),
        (
            "s3://bucket/a?region=eu-west-1",
            "s3://bucket/a?region=eu-west-1",
            "https://bucket.s3.eu-west-1.amazonaws.com/a/k",
        ),
        (
            "s3://bucket?region=cn-north-1",
            "s3://bucket?region=cn-north-1",
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/k",
        ),
        ("s3://bucket?path_style=true", "s3://bucket?path_style=true", "https://s3.us-east-1.amazonaws.com/bucket/k"),
        // No certificate covers a dot in `*.host`.
        ("s3://my.bucket", "s3://my.bucket", "https://s3.us-east-1.amazonaws.com/my.bucket/k"),
        (
            "s3://my.bucket?path_style=false",
            "s3://my.bucket?path_style=false",
            "https://my.bucket.s3.us-east-1.amazonaws.com/k",
        ),
        // http on this machine, https elsewhere.
        (
            "s3://bucket?endpoint=localhost:9000",
            "s3://bucket?endpoint=http://localhost:9000",
            "http://localhost:9000/bucket/k",
        ),
        ("s3://bucket?endpoint=LocalHost", "s3://bucket?endpoint=http://localhost", "http://localhost/bucket/k"),
        (
            "s3://bucket?endpoint=127.0.0.2:9000/",
            "s3://bucket?endpoint=http://127.0.0.2:9000",
            "http://127.0.0.2:9000/bucket/k",
        ),
        ("s3://bucket?endpoint=[::1]:9000", "s3://bucket?endpoint=http://[::1]:9000", "http://[::1]:9000/bucket/k"),
        ("s3://bucket?endpoint=[0:0:0:0:0:0:0:1]", "s3://bucket?endpoint=http://[::1]", "http://[::1]/bucket/k"),
        ("s3://bucket?endpoint=10.0.0.7", "s3://bucket?endpoint=https://10.0.0.7", "https://10.0.0.7/bucket/k"),
        ("s3://bucket?endpoint=http://10.0.0.7", "s3://bucket?endpoint=http://10.0.0.7", "http://10.0.0.7/bucket/k"),
        ("s3://bucket?endpoint=nas:9000", "s3://bucket?endpoint=https://nas:9000", "https://nas:9000/bucket/k"),
        (
            "s3://bucket?endpoint=S3.Example.com",
            "s3://bucket?endpoint=https://s3.example.com",
            "https://bucket.s3.example.com/k",
        ),
        // The port that the scheme implies is none.
        (
            "s3://bucket?endpoint=https://s3.example.com:443",
            "s3://bucket?endpoint=https://s3.example.com",
            "https://bucket.s3.example.com/k",
        ),
        (
            "s3://bucket?endpoint=http://s3.example.com:443",
            "s3://bucket?endpoint=http://s3.example.com:443",
            "http://s3.example.com:443/bucket/k",
        ),
        (
            "s3://bucket?endpoint=https%3A%2F%2Fs3.example.com",
            "s3://bucket?endpoint=https://s3.example.com",
            "https://bucket.s3.example.com/k",
        ),
        (
            "s3://bucket?endpoint=s3.example.com&path_style=true",
            "s3://bucket?endpoint=https://s3.example.com&path_style=true",
            "https://s3.example.com/bucket/k",
        ),
        (
            "s3://bucket?path_style=false&endpoint=nas:9000&region=garage",
            "s3://bucket?region=garage&endpoint=https://nas:9000&path_style=false",
            "https://bucket.nas:9000/k",
        ),
        // Prefixes in any script; encoded as SigV4 has it.
        (
            "s3://bucket/my vault/é+%2B%25",
            "s3://bucket/my%20vault/%C3%A9%2B%2B%25",
            "https://bucket.s3.us-east-1.amazonaws.com/my%20vault/%C3%A9%2B%2B%25/k",
        ),
        ("s3://bucket/a%2Fb", "s3://bucket/a/b", "https://bucket.s3.us-east-1.amazonaws.com/a/b/k"),
        // Folders: the URL is relative to the folder.
        ("file:///home/me/vault", "file:///home/me/vault", "file:///k"),
        ("file:///home/me/vault/", "file:///home/me/vault", "file:///k"),
        ("file:///home/me/my vault%3F", "file:///home/me/my%20vault%3F", "file:///k"),
        ("file:///C:/vault", "file:///C%3A/vault", "file:///k"),
    ] {
        let store: StoreUri = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(store.to_string(), form, "{text}");
        assert_eq!(form.parse::<StoreUri>().as_ref(), Ok(&store), "{text}");
        assert_eq!(url(&store), object, "{text}");
    }
    let StoreUri::Folder(folder) = "file:///home/me/my%20vault/".parse().unwrap() else { panic!() };
    assert_eq!(folder.path(), "/home/me/my vault");
}

#[test]
fn what_is_written_reads_back() {
    let with = |spaces: usize| format!("file:///{}", " ".repeat(spaces)).parse::<StoreUri>();
    let longest = with((4096 - 8) / 3).unwrap();
    assert_eq!(longest.to_string().len(), 4094, "each is `%20`");
    assert_eq!(longest.to_string().parse(), Ok(longest));
    assert_eq!(with((4096 - 8) / 3 + 1).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn malformed_addresses_are_refused() {
    let long_prefix = format!("s3://bucket/{}", "x".repeat(513));
    let long_uri = format!("s3://bucket?region={}", "x".repeat(4096));
    for (text, message) in [
        ("", "begins with neither"),
        ("bucket/prefix", "begins with neither"),
        ("https://bucket.s3.amazonaws.com", "begins with neither"),
        ("S3://bucket", "begins with neither"),
        ("s3:/bucket", "begins with neither"),
        (&long_uri, "longer than 4096 bytes"),
        ("s3://bucket/a#b", "has a `#`"),
        ("s3://", "bucket name"),
        ("s3:///prefix", "bucket name"),
        ("s3://ab", "bucket name"),
        ("s3://Bucket", "bucket name"),
        ("s3://my_bucket", "bucket name"),
        ("s3://-bucket", "bucket name"),
        ("s3://bucket.", "bucket name"),
        ("s3://my..bucket", "bucket name"),
        ("s3://192.168.5.4", "bucket name"),
        ("s3://bück", "bucket name"),
        ("s3://bucket//", "prefix has an empty"),
        ("s3://bucket//a", "prefix has an empty"),
        ("s3://bucket/a//b", "prefix has an empty"),
        ("s3://bucket/a/../b", "prefix has an empty, `.` or `..` part"),
        ("s3://bucket/.", "prefix has an empty, `.` or `..` part"),
        ("s3://bucket/%2e%2E/b", "prefix has an empty, `.` or `..` part"),
        ("s3://bucket/a%0Ab", "control character"),
        ("s3://bucket/a%00b", "control character"),
        ("s3://bucket/a%ff", "prefix is not UTF-8"),
        ("s3://bucket/a%2", "prefix has a `%` without two hex digits"),
        ("s3://bucket/a%+1", "prefix has a `%` without two hex digits"),
        (&long_prefix, "prefix is longer than 512 bytes"),
        ("s3://bucket?region=", "region is not"),
        ("s3://bucket?region=eu/west", "region is not"),
        ("s3://bucket?region=a&region=a", "parameter `region` is given twice"),
        ("s3://bucket?path_style=1", "`path_style` is neither"),
        ("s3://bucket?path-style=true", "unknown parameter `path-style`"),
        ("s3://bucket?profile=work", "unknown parameter `profile`"),
        ("s3://bucket?endpoint=", "malformed host name"),
        ("s3://bucket?endpoint=ftp://host", "scheme other than http and https"),
        ("s3://bucket?endpoint=https://host/path", "has a path or parameters"),
        ("s3://bucket?endpoint=https://host%3Fa", "has a path or parameters"),
        ("s3://bucket?endpoint=host:0", "malformed port"),
        ("s3://bucket?endpoint=host:", "malformed port"),
        ("s3://bucket?endpoint=host:65536", "malformed port"),
        ("s3://bucket?endpoint=host:%2B80", "malformed port"),
        ("s3://bucket?endpoint=host:80:80", "malformed port"),
        ("s3://bucket?endpoint=ho st", "malformed host name"),
        ("s3://bucket?endpoint=a..b", "malformed host name"),
        ("s3://bucket?endpoint=127.1", "malformed host name"),
        ("s3://bucket?endpoint=[::g]", "malformed IPv6 address"),
        ("s3://bucket?endpoint=::1", "malformed port"),
        ("s3://bucket?endpoint=10.0.0.7&path_style=false", "needs an endpoint with a host name"),
        ("file://relative/path", "not followed by an absolute path"),
        ("file://", "not followed by an absolute path"),
        ("file://./vault", "not followed by an absolute path"),
        ("file:///", "names no folder"),
        ("file:////", "folder has an empty"),
        ("file:///a/../b", "folder has an empty, `.` or `..` part"),
        ("file:///a%00", "control character"),
        ("file:///a?region=x", "unknown parameter `region`"),
    ] {
        let error = text.parse::<StoreUri>().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.message().contains(message), "{text}: {error}");
    }
    for text in ["bucket", "file://relative", "s3://bucket?colour=red", "file:///", "s3://bucket?endpoint=x/y"] {
        assert!(text.parse::<StoreUri>().unwrap_err().hint().is_some(), "{text}");
    }
}

#[test]
fn secrets_in_an_address_are_refused_and_never_repeated() {
    for text in [
        "s3://bucket?access_key=SECRETvalue",
        "s3://bucket?accessKey=SECRETvalue",
        "s3://bucket?aws_access_key_id=SECRETvalue",
        "s3://bucket?secret_key=SECRETvalue",
        "s3://bucket?AWS_SECRET_ACCESS_KEY=SECRETvalue",
        "s3://bucket?secret-access-key=SECRETvalue",
        "s3://bucket?session_token=SECRETvalue",
        "s3://bucket?region=eu-west-1&token=SECRETvalue",
        "s3://AKID:SECRETvalue@bucket/prefix",
        "s3://SECRETvalue@bucket",
        "s3://SECRETvalue:x/y@bucket",
    ] {
        let error = text.parse::<StoreUri>().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.hint().unwrap().contains("AWS_ACCESS_KEY_ID"), "{text}");
        assert!(!format!("{error} {error:?}").contains("SECRETvalue"), "{text}");
    }
    // Wherever else one is pasted.
    for text in [
        "SECRETvalue",
        "s3://SECRETvalue/prefix",
        "s3://bucket/SECRETvalue//x",
        "s3://bucket?SECRETvalueSECRETvalueSECRETvalueSECRETvalue",
        "s3://bucket?SECRETvalue%2F=1",
        "s3://bucket?region=SECRETvalue/",
        "s3://bucket?path_style=SECRETvalue",
        "s3://bucket?endpoint=https://me:SECRETvalue@host",
        "s3://bucket?endpoint=https://host/SECRETvalue",
        "s3://bucket?endpoint=host:SECRETvalue",
        "file://SECRETvalue",
    ] {
        let error = text.parse::<StoreUri>().expect_err(text);
        assert!(!format!("{error} {error:?}").contains("SECRETvalue"), "{text}");
    }
}

#[test]
fn credentials_are_checked_and_print_redacted() {
    let keys = Credentials::new("AKID", "SECRETvalue", Some("TOKENvalue".into())).unwrap();
    assert_eq!(format!("{keys:?}"), "Credentials(redacted)");
    for (access, secret, token) in [
        ("", "s", None),
        ("a", "", None),
        ("a", "s", Some("")),
        ("a", "SECRETvalue\n", None),
        ("a b", "s", None),
        ("a/b", "s", None),
        ("a", "s", Some("t\r\nx: y")),
        ("a", "sécret", None),
    ] {
        let error = Credentials::new(access, secret, token.map(str::to_owned)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?}").contains("SECRETvalue"));
    }
    let long = "x".repeat(257);
    assert!(Credentials::new(&long[..256], &long[..256], Some("x".repeat(16 << 10))).is_ok());
    assert!(Credentials::new(&long, "s", None).is_err());
    assert!(Credentials::new("a", &long, None).is_err());
    assert!(Credentials::new("a", "s", Some("x".repeat((16 << 10) + 1))).is_err());
}

#[test]
fn a_store_moves_to_the_region_its_server_names() {
    let mut store: StoreUri = "s3://bucket/p".parse().unwrap();
    let StoreUri::S3(s3) = &mut store else { panic!() };
    assert!(s3.set_region("not a region").is_err());
    s3.set_region("eu-central-1").unwrap();
    assert_eq!(s3.region(), "eu-central-1");
    assert_eq!(url(&store), "https://bucket.s3.eu-central-1.amazonaws.com/p/k");
    assert_eq!(store.to_string(), "s3://bucket/p?region=eu-central-1");
}

#[test]
fn keys_are_taken_out_of_an_address() {
    let keys = |token: Option<&str>| Credentials::new("AKID", "SEC/RET+x", token.map(str::to_owned)).unwrap();
    for (text, rest, expected) in [
        ("s3://bucket/p?region=eu-west-1", "s3://bucket/p?region=eu-west-1", None),
        ("file:///vault", "file:///vault", None),
        ("s3://bucket?access_key=AKID&secret_key=SEC/RET+x", "s3://bucket", Some(keys(None))),
        (
            "s3://bucket?secret-access-key=SEC%2FRET%2Bx&a=1&AWS_ACCESS_KEY_ID=AKID&b=2",
            "s3://bucket?a=1&b=2",
            Some(keys(None)),
        ),
        ("s3://bucket?access_key=AKID&secret_key=SEC/RET+x&token=T", "s3://bucket", Some(keys(Some("T")))),
    ] {
        let (left, taken) = take_keys(text).unwrap();
        assert_eq!((left.as_str(), taken), (rest, expected), "{text}");
    }
    for text in [
        "s3://bucket?access_key=PLANTED",
        "s3://bucket?secret_key=PLANTED",
        "s3://bucket?session_token=PLANTED",
        "s3://bucket?access_key=A&secret_key=PLANTED&secret=PLANTED",
        "s3://bucket?access_key=A&secret_key=PLANTED%20B",
        "s3://bucket?access_key=A&secret_key=PLANTED%ff",
    ] {
        let error = take_keys(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?}").contains("PLANTED"), "{error:?}");
    }
    assert!(take_keys(&"x".repeat((64 << 10) + 1)).is_err());
}
