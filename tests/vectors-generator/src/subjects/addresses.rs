//! Store addresses: what they name, and the one form they are written in.

use crate::case::File;
use serde_json::{Value, json};

pub(crate) fn file() -> File {
    let mut file = File::new(
        "addresses",
        "Store addresses: `s3://bucket/prefix?region=&endpoint=&path_style=` and `file:///folder`. `form` is the one form \
         that an address is written in",
    );
    let s3 = |form: &str, bucket: &str, prefix: &str, region: &str, endpoint: Option<&str>, path_style: bool| {
        json!({
            "form": form,
            "bucket": bucket,
            "prefix": prefix,
            "region": region,
            "endpoint": endpoint,
            "path_style": path_style,
        })
    };
    let folder = |form: &str, path: &str| json!({"form": form, "folder": path});
    let takes: [(&str, Value); 22] = [
        ("s3://bucket", s3("s3://bucket", "bucket", "", "us-east-1", None, false)),
        ("s3://bucket/", s3("s3://bucket", "bucket", "", "us-east-1", None, false)),
        ("s3://bucket/a/b", s3("s3://bucket/a/b", "bucket", "a/b", "us-east-1", None, false)),
        ("s3://bucket/a/b/", s3("s3://bucket/a/b", "bucket", "a/b", "us-east-1", None, false)),
        ("s3://bucket/a%2Fb", s3("s3://bucket/a/b", "bucket", "a/b", "us-east-1", None, false)),
        ("s3://bucket/my vault", s3("s3://bucket/my%20vault", "bucket", "my vault", "us-east-1", None, false)),
        ("s3://bucket/%e9%81%93", s3("s3://bucket/%E9%81%93", "bucket", "道", "us-east-1", None, false)),
        ("s3://bucket/a+b", s3("s3://bucket/a%2Bb", "bucket", "a+b", "us-east-1", None, false)),
        ("s3://my.bucket", s3("s3://my.bucket", "my.bucket", "", "us-east-1", None, true)),
        ("s3://abc", s3("s3://abc", "abc", "", "us-east-1", None, false)),
        ("s3://bucket?region=us-east-1", s3("s3://bucket", "bucket", "", "us-east-1", None, false)),
        (
            "s3://bucket?region=eu-central-1",
            s3("s3://bucket?region=eu-central-1", "bucket", "", "eu-central-1", None, false),
        ),
        ("s3://bucket?path_style=true", s3("s3://bucket?path_style=true", "bucket", "", "us-east-1", None, true)),
        ("s3://my.bucket?path_style=true", s3("s3://my.bucket", "my.bucket", "", "us-east-1", None, true)),
        (
            "s3://bucket?endpoint=https%3A%2F%2Fs3.example.com&path_style=false",
            s3(
                "s3://bucket?endpoint=https://s3.example.com",
                "bucket",
                "",
                "us-east-1",
                Some("https://s3.example.com"),
                false,
            ),
        ),
        (
            "s3://bucket?path_style=true&region=garage&endpoint=https://s3.example.com",
            s3(
                "s3://bucket?region=garage&endpoint=https://s3.example.com&path_style=true",
                "bucket",
                "",
                "garage",
                Some("https://s3.example.com"),
                true,
            ),
        ),
        (
            "s3://bucket?endpoint=http://127.0.0.1:9000",
            s3(
                "s3://bucket?endpoint=http://127.0.0.1:9000",
                "bucket",
                "",
                "us-east-1",
                Some("http://127.0.0.1:9000"),
                true,
            ),
        ),
        ("file:///home/me/vault", folder("file:///home/me/vault", "/home/me/vault")),
        ("file:///home/me/vault/", folder("file:///home/me/vault", "/home/me/vault")),
        ("file:///home/me/my vault", folder("file:///home/me/my%20vault", "/home/me/my vault")),
        ("file:///a%3Fb", folder("file:///a%3Fb", "/a?b")),
        ("file:///C:/vault", folder("file:///C%3A/vault", "/C:/vault")),
    ];
    for (text, value) in takes {
        file.value(text, "address", json!({"text": text}), value);
    }
    let long_prefix = format!("s3://bucket/{}", "x".repeat(513));
    let long = format!("s3://bucket?region={}", "x".repeat(4_096));
    for (name, text) in [
        ("nothing", ""),
        ("no scheme", "bucket/prefix"),
        ("another scheme", "https://bucket.s3.amazonaws.com"),
        ("a scheme in capitals", "S3://bucket"),
        ("one slash", "s3:/bucket"),
        ("more than 4,096 bytes", &long),
        ("a fragment", "s3://bucket/a#b"),
        ("no bucket", "s3:///prefix"),
        ("a bucket of two letters", "s3://ab"),
        ("a bucket in capitals", "s3://Bucket"),
        ("a bucket with an underscore", "s3://my_bucket"),
        ("a bucket that begins with a hyphen", "s3://-bucket"),
        ("a bucket that ends in a dot", "s3://bucket."),
        ("a bucket with two dots", "s3://my..bucket"),
        ("a bucket that is an address", "s3://192.168.5.4"),
        ("a bucket beyond ASCII", "s3://bück"),
        ("a user before the bucket", "s3://me@bucket"),
        ("a port behind the bucket", "s3://bucket:9000"),
        ("an empty part", "s3://bucket/a//b"),
        ("a part of one dot", "s3://bucket/."),
        ("a part of two dots", "s3://bucket/a/../b"),
        ("a part of two dots, escaped", "s3://bucket/%2e%2E/b"),
        ("a control character", "s3://bucket/a%0Ab"),
        ("a zero byte", "s3://bucket/a%00b"),
        ("a prefix that is not UTF-8", "s3://bucket/a%ff"),
        ("half an escape", "s3://bucket/a%2"),
        ("an escape that is none", "s3://bucket/a%+1"),
        ("a prefix of 513 bytes", &long_prefix),
        ("an empty region", "s3://bucket?region="),
        ("a region with a slash", "s3://bucket?region=eu/west"),
        ("a region twice", "s3://bucket?region=a&region=a"),
        ("path_style that is neither", "s3://bucket?path_style=1"),
        ("an unknown parameter", "s3://bucket?colour=red"),
        ("a secret key", "s3://bucket?secret_key=x"),
        ("a token", "s3://bucket?session_token=x"),
        ("an empty endpoint", "s3://bucket?endpoint="),
        ("an endpoint of another scheme", "s3://bucket?endpoint=ftp://host"),
        ("an endpoint with a path", "s3://bucket?endpoint=https://host/path"),
        ("an endpoint's port 0", "s3://bucket?endpoint=host:0"),
        ("an endpoint's port of 65,536", "s3://bucket?endpoint=host:65536"),
        ("an endpoint with a user", "s3://bucket?endpoint=https://me@host"),
        ("an address that would need a host's name", "s3://bucket?endpoint=10.0.0.7&path_style=false"),
        ("a folder that is not absolute", "file://relative/path"),
        ("no folder", "file:///"),
        ("an empty part of a folder", "file:////"),
        ("two dots in a folder", "file:///a/../b"),
        ("a zero byte in a folder", "file:///a%00"),
        ("a parameter of a folder", "file:///a?region=x"),
    ] {
        file.refused(name, "address", json!({"text": text}), "invalid");
    }
    file
}
