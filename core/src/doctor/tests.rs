//! The doctor against a small server in memory that can be made worse in each way, and against arbitrary answers.
//! What is told of servers is from AWS's documentation; of pages, from the Fetch Standard.

mod presigned;

use super::*;
use crate::engine::{SignedUrl, TransportFailure, UnsignedRequest};
use crate::s3::{Action, Call, Credentials, EtagQuoting, HttpRequest, Method, Response};
use bytes::Bytes;
use std::collections::BTreeMap;

const NOW_MS: u64 = 784_111_777_000;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const ORIGIN: &str = "https://app.example";
const STORE: &str = "s3://my-bucket/notes?endpoint=http://127.0.0.1:9000";

type Answered = Result<Response, TransportFailure>;

/// An S3 server as AWS documents it, with some ways to be worse.
#[derive(Default)]
struct Server {
    objects: BTreeMap<String, (Bytes, u32)>,
    writes: u32,
    seen: Vec<HttpRequest>,
    /// AccessDenied for these: `PUT`, `GET`, `LIST`, `DELETE`, `POST`.
    denied: Vec<&'static str>,
    /// Signs for another region than asked.
    region: Option<&'static str>,
    /// Ahead of the device, and refuses it.
    ahead_s: u64,
    no_batch: bool,
    only_v1: bool,
    /// AccessDenied for what isn't there.
    hides_missing: bool,
    /// 503, once for each kind of request.
    busy: bool,
    /// Says 412 and writes.
    lies: bool,
    creates_twice: bool,
    /// Several creates at the same time get in.
    is_racy: bool,
    /// What was deleted can't be created.
    keeps_ghosts: bool,
    ghosts: Vec<String>,
    takes_any_keys: bool,
    /// 200 for what is known.
    never_not_modified: bool,
    /// A vault's header that somebody else wrote.
    has_anothers_vault: bool,
    headers: Vec<(&'static str, &'static str)>,
}

fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into() }
}

fn error(status: u16, code: &str, more: &str) -> Response {
    response(status, &[], format!("<Error><Code>{code}</Code>{more}</Error>"))
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn kind(request: &HttpRequest) -> &'static str {
    match request.method {
        Method::Get if request.url.contains("max-keys=") => "LIST",
        method => method.as_str(),
    }
}

impl Server {
    fn answer(&mut self, request: &HttpRequest) -> Response {
        let before = self.seen.iter().any(|seen| kind(seen) == kind(request));
        self.seen.push(request.clone());
        let mut response = self.judge(request, before);
        let date = if self.ahead_s == 0 { DATE } else { "Sun, 06 Nov 1994 09:19:37 GMT" };
        response.headers.push(("Date".into(), date.into()));
        response.headers.extend(self.headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        response
    }

    fn judge(&mut self, request: &HttpRequest, before: bool) -> Response {
        if request.method == Method::Options {
            assert_eq!((header(request, "authorization"), header(request, "origin")), (None, Some(ORIGIN)));
            return response(200, &[], "");
        }
        let in_url = request.url.split("X-Amz-Signature").nth(1);
        let Some(signature) = header(request, "authorization").or(in_url) else {
            return error(403, "AccessDenied", "");
        };
        if let Some(region) = self.region
            && !signature.contains(&format!("/{region}/s3/"))
        {
            return error(400, "AuthorizationHeaderMalformed", &format!("<Region>{region}</Region>"));
        }
        if self.ahead_s > 0 && header(request, "x-amz-date") != Some("19941106T091937Z") {
            return error(403, "RequestTimeTooSkewed", "");
        }
        if !self.takes_any_keys && !is_signed_right(request) {
            return error(403, "SignatureDoesNotMatch", "");
        }
        if self.has_anothers_vault && request.url.ends_with("/notes/tidelock") {
            return error(403, "AccessDenied", "");
        }
        if self.denied.contains(&kind(request)) {
            return error(403, "AccessDenied", "");
        }
        if self.busy && !before {
            return error(503, "SlowDown", "");
        }
        let key = request.url.split('?').next().unwrap().to_owned();
        match kind(request) {
            "PUT" => self.put(&key, request),
            "GET" => match self.objects.get(&key) {
                Some((_, etag))
                    if !self.never_not_modified && header(request, "if-none-match") == Some(&format!("\"{etag}\"")) =>
                {
                    response(304, &[("ETag", &format!("\"{etag}\""))], "")
                }
                Some((body, etag)) => response(200, &[("ETag", &format!("\"{etag}\""))], body.clone()),
                None if self.hides_missing => error(403, "AccessDenied", ""),
                None => error(404, "NoSuchKey", ""),
            },
            "LIST" if self.only_v1 && request.url.contains("list-type=2") => error(501, "NotImplemented", ""),
            "LIST" => self.list(),
            "DELETE" => {
                self.delete(|stands| stands == key);
                response(204, &[], "")
            }
            "POST" if self.no_batch => error(501, "NotImplemented", ""),
            _ => {
                let text = String::from_utf8(request.body.to_vec()).unwrap();
                let gone: Vec<_> =
                    text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap()).collect();
                self.delete(|stands| gone.iter().any(|key| stands.ends_with(key)));
                response(200, &[], "<DeleteResult></DeleteResult>")
            }
        }
    }

    fn delete(&mut self, is_gone: impl Fn(&str) -> bool) {
        self.ghosts.extend(self.objects.keys().filter(|key| self.keeps_ghosts && is_gone(key)).cloned());
        self.objects.retain(|key, _| !is_gone(key));
    }

    fn put(&mut self, key: &str, request: &HttpRequest) -> Response {
        let is_ghost = self.ghosts.iter().any(|ghost| ghost == key);
        let is_racing = self.is_racy && key.ends_with("/race");
        let stands = self.objects.get(key).map(|(_, etag)| format!("\"{etag}\""));
        let kept_out = match (header(request, "if-none-match"), header(request, "if-match")) {
            (Some(_), _) => (stands.is_some() || is_ghost) && !self.creates_twice && !is_racing,
            (_, Some(etag)) => stands.as_deref() != Some(etag),
            _ => false,
        };
        if !kept_out || self.lies {
            self.writes += 1;
            self.objects.insert(key.to_owned(), (request.body.clone(), self.writes));
        }
        match kept_out {
            true => error(412, "PreconditionFailed", ""),
            false => response(200, &[("ETag", &format!("\"{}\"", self.writes))], ""),
        }
    }

    fn list(&self) -> Response {
        let Some(key) = self.objects.keys().next() else { return response(200, &[], "<ListBucketResult/>") };
        let path = key.splitn(4, '/').nth(3).unwrap();
        let key = path.strip_prefix("my-bucket/").unwrap_or(path);
        let goes_on = if self.objects.len() > 1 { "true" } else { "false" };
        let token = if goes_on == "true" { "<NextContinuationToken>t</NextContinuationToken>" } else { "" };
        response(
            200,
            &[],
            format!(
                "<ListBucketResult><IsTruncated>{goes_on}</IsTruncated>{token}<Contents><Key>{key}</Key><Size>1</Size>\
                 <ETag>\"1\"</ETag></Contents></ListBucketResult>"
            ),
        )
    }
}

/// A read of the doctor's first key is signed as these keys sign it; what else is sent is not looked at.
fn is_signed_right(request: &HttpRequest) -> bool {
    let key = request.url.strip_prefix("http://127.0.0.1:9000/my-bucket/notes/");
    let (Some(authorization), Some(key)) = (header(request, "authorization"), key.filter(|key| key.ends_with("/one")))
    else {
        return true;
    };
    if request.method != Method::Get || header(request, "if-none-match").is_some() {
        return true;
    }
    let call = Call::GetObject { key: key.to_owned(), if_none_match: None, range: None, body_max: 64 };
    let signed = call.request(&STORE.parse().unwrap(), Some(&keys()), NOW_MS, EtagQuoting::Quoted).unwrap();
    header(&signed, "authorization") == Some(authorization)
}

fn keys() -> Credentials {
    Credentials::new("AKIAEXAMPLE", "a-secret-key", None).unwrap()
}

fn run(
    store: &str,
    keys: Option<Credentials>,
    origin: Option<&str>,
    answer: impl FnMut(&HttpRequest) -> Answered,
) -> Diagnosis {
    let signing = keys.map_or(Signing::Nobody, Signing::Keys);
    let doctor = Doctor::new(store.parse().unwrap(), signing, origin, [7; 16]).unwrap();
    let diagnosis = drive(doctor, NOW_MS, |_| panic!("keys of one's own are asked of nobody"), answer);
    assert!(!format!("{diagnosis:?}").contains("a-secret-key"));
    diagnosis
}

fn drive(
    mut doctor: Doctor,
    now_ms: u64,
    mut signer: impl FnMut(&UnsignedRequest) -> Result<SignedUrl, TransportFailure>,
    mut answer: impl FnMut(&HttpRequest) -> Answered,
) -> Diagnosis {
    let mut requests = 0;
    let is_deep = doctor.is_deep();
    while let Some(ask) = doctor.next_ask(now_ms) {
        assert!(doctor.wait_ms() <= 5_000);
        let request = match ask {
            Ask::Send(request) => request,
            Ask::Sign(request) => {
                let Some(request) = doctor.signed(signer(&request)) else { continue };
                request
            }
            Ask::SendTogether(together) => {
                requests += together.len() as u32;
                doctor.handle_together(together.iter().map(&mut answer).collect(), now_ms);
                continue;
            }
        };
        requests += 1;
        doctor.handle(answer(&request), now_ms);
    }
    let diagnosis = doctor.diagnosis();
    assert_eq!(diagnosis.requests, requests);
    assert!(requests <= if is_deep { 24 } else { 12 });
    diagnosis
}

fn ask_deeply(server: &mut Server) -> Diagnosis {
    let doctor = Doctor::new(STORE.parse().unwrap(), Signing::Keys(keys()), None, [7; 16]).unwrap().deeply();
    drive(doctor, NOW_MS, |_| panic!("keys of one's own are asked of nobody"), |request| Ok(server.answer(request)))
}

fn ask(server: &mut Server) -> Diagnosis {
    run(STORE, Some(keys()), None, |request| Ok(server.answer(request)))
}

fn verdict(diagnosis: &Diagnosis, what: &str) -> &'static str {
    diagnosis.finding(what).unwrap_or_else(|| panic!("{what}: {:#?}", diagnosis.findings)).verdict.name()
}

#[test]
fn a_good_server_is_asked_a_dozen_times() {
    let mut server = Server::default();
    let diagnosis = run(STORE, Some(keys()), Some(ORIGIN), |request| Ok(server.answer(request)));
    let kinds: Vec<_> = server.seen.iter().map(kind).collect();
    let expected = ["PUT", "PUT", "PUT", "PUT", "GET", "GET", "PUT", "LIST", "POST", "DELETE", "OPTIONS", "GET"];
    assert_eq!(kinds, expected);
    assert!(server.objects.is_empty());
    assert!(server.seen.iter().all(|request| request.url.contains("/probes/07070707") || kind(request) != "PUT"));
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Enforced));

    let mut server = Server::default();
    let diagnosis = ask(&mut server);
    assert_eq!((diagnosis.requests, diagnosis.problem()), (12, None));
    let kinds: Vec<_> = server.seen.iter().map(kind).collect();
    let expected = ["PUT", "PUT", "PUT", "PUT", "GET", "GET", "PUT", "LIST", "POST", "PUT", "DELETE", "GET"];
    assert_eq!(kinds, expected);
    assert!(server.objects.is_empty());
    assert!(diagnosis.findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{:#?}", diagnosis.findings);
    assert!(server.seen.iter().all(|request| request.method != Method::Head));
}

#[test]
fn each_missing_permission_is_named_with_the_policy_that_gives_it() {
    for (denied, what, verdict_of_it) in [
        ("PUT", "write", "problem"),
        ("GET", "read", "problem"),
        ("LIST", "list", "problem"),
        ("DELETE", "delete", "warning"),
    ] {
        let mut server = Server { denied: vec![denied], ..Server::default() };
        let diagnosis = ask(&mut server);
        let access = diagnosis.access;
        let may = [("PUT", access.put), ("GET", access.get), ("LIST", access.list), ("DELETE", access.delete)];
        for (permission, may) in may {
            assert_eq!(may, Some(permission != denied), "{permission} without {denied}");
        }
        assert_eq!(verdict(&diagnosis, what), verdict_of_it);
        assert_eq!(verdict(&diagnosis, "credentials"), "ok");
        assert_eq!(diagnosis.problem().map(|error| error.kind()), (denied != "DELETE").then_some(ErrorKind::Auth));
        let policy = diagnosis.finding(what).unwrap().paste.clone().unwrap();
        for part in ["arn:aws:s3:::my-bucket/notes/*", "\"s3:prefix\": \"notes/*\"", "s3:PutObject"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(server.objects.len(), usize::from(denied == "DELETE"));
        assert_eq!(diagnosis.finding("clean-up").is_some(), denied == "DELETE");
    }
    let mut server = Server { denied: vec!["PUT", "GET", "LIST", "DELETE", "POST"], ..Server::default() };
    assert_eq!(verdict(&ask(&mut server), "credentials"), "problem");
}

#[test]
fn what_is_missing_must_not_be_refused() {
    let mut server = Server { hides_missing: true, ..Server::default() };
    let diagnosis = ask(&mut server);
    assert_eq!((verdict(&diagnosis, "missing objects"), verdict(&diagnosis, "read")), ("problem", "ok"));
    assert_eq!(diagnosis.problem().map(|error| error.kind()), Some(ErrorKind::Auth));
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>: 304 for what has the ETag of `If-None-Match`.
#[test]
fn what_a_server_passes_over_is_told() {
    let told = |server: Server, what: &str| {
        let mut server = server;
        let diagnosis = ask(&mut server);
        assert!(server.objects.is_empty(), "{what}");
        assert_eq!((verdict(&diagnosis, what), diagnosis.problem()), ("warning", None), "{what}");
        diagnosis.finding(what).unwrap().clone()
    };
    let credentials = told(Server { takes_any_keys: true, ..Server::default() }, "credentials");
    assert!(credentials.cause.contains("any keys"), "{credentials:?}");
    told(Server { never_not_modified: true, ..Server::default() }, "polls");
    let ghosts = told(Server { keeps_ghosts: true, ..Server::default() }, "deleted keys");
    let paste = ghosts.paste.unwrap();
    assert!(paste.contains("delete-object") && paste.contains("--key 'notes/'tidelock --version-id null"), "{paste}");

    let mut server = Server::default();
    let diagnosis = ask(&mut server);
    assert!(diagnosis.finding("credentials").unwrap().cause.contains("refuses wrong ones"));
    assert_eq!((verdict(&diagnosis, "polls"), verdict(&diagnosis, "deleted keys")), ("ok", "ok"));
}

#[test]
fn what_was_not_asked_is_said() {
    let mut server = Server::default();
    let diagnosis = run(STORE, Some(keys()), Some(ORIGIN), |request| Ok(server.answer(request)));
    assert_eq!(diagnosis.unchecked, ["whether a deleted key can be made anew", "whether conditions hold in a race"]);
    let finding = diagnosis.finding("not checked").unwrap();
    assert!(finding.cause.contains("made anew") && finding.cause.contains("a deep check"), "{finding:?}");
    // Ran out before the keys could be tried.
    let mut server = Server { no_batch: true, only_v1: true, ..Server::default() };
    let diagnosis = ask(&mut server);
    assert!(diagnosis.unchecked.contains(&"whether wrong keys are refused"));
    assert!(!diagnosis.finding("credentials").unwrap().cause.contains("known"));
    let mut server = Server::default();
    assert_eq!(ask_deeply(&mut server).unchecked, [""; 0]);
}

#[test]
fn a_deep_run_lets_creates_race_and_reads_the_vault() {
    let mut server = Server::default();
    let diagnosis = ask_deeply(&mut server);
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Enforced));
    assert!(server.objects.is_empty() && diagnosis.finding("owner").is_none());
    assert_eq!(server.seen.iter().filter(|request| request.url.ends_with("/race")).count(), 8);

    let mut server = Server { is_racy: true, ..Server::default() };
    let diagnosis = ask_deeply(&mut server);
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Racy));
    assert!(diagnosis.finding("conditional writes").unwrap().cause.contains("8 of 8"));
    assert!(server.objects.is_empty());
    let mut server = Server { is_racy: true, no_batch: true, ..Server::default() };
    ask_deeply(&mut server);
    assert!(server.objects.is_empty());

    let mut server = Server { has_anothers_vault: true, ..Server::default() };
    let diagnosis = ask_deeply(&mut server);
    assert_eq!(diagnosis.problem().unwrap().kind(), ErrorKind::Auth);
    let owner = diagnosis.finding("owner").unwrap();
    assert!(owner.next_step.as_deref().unwrap().contains("one user"), "{owner:?}");
}

/// As 16.2 answered: a condition makes what is missing 403, and DeleteObjects is asked of the bucket.
#[test]
fn ceph_is_given_the_policy_that_works_there() {
    let id = ("x-amz-request-id", "tx000007a3907cd837c2f83-006b0615af-1007-default");
    for denied in ["LIST", "POST"] {
        let mut server = Server { denied: vec![denied], headers: vec![id], ..Server::default() };
        let diagnosis = ask(&mut server);
        assert_eq!(diagnosis.profile.name, "Ceph Object Gateway");
        let what = if denied == "LIST" { "list" } else { "batch delete" };
        let policy = diagnosis.finding(what).unwrap().paste.clone().unwrap();
        assert!(!policy.contains("Condition"), "{policy}");
        assert!(policy.contains("[\"arn:aws:s3:::my-bucket\", \"arn:aws:s3:::my-bucket/notes/*\"]"), "{policy}");
        assert!(policy.contains("arn:aws:iam:::user/"), "{policy}");
    }
}

#[test]
fn keys_that_are_missing_wrong_or_expired_end_it_at_once() {
    for (status, code) in [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "InvalidToken"),
        (400, "AuthorizationHeaderMalformed"),
    ] {
        let diagnosis = run(STORE, Some(keys()), None, |_| Ok(error(status, code, "")));
        assert_eq!((diagnosis.requests, verdict(&diagnosis, "credentials")), (1, "problem"), "{code}");
        assert_eq!(diagnosis.problem().unwrap().kind(), ErrorKind::Auth);
    }
    let mut server = Server::default();
    let diagnosis = run(STORE, None, Some(ORIGIN), |request| Ok(server.answer(request)));
    assert_eq!((diagnosis.requests, verdict(&diagnosis, "credentials")), (1, "problem"));
    assert_eq!(kind(&server.seen[0]), "LIST");
    let diagnosis = run(STORE, Some(keys()), None, |_| Ok(error(404, "NoSuchBucket", "")));
    assert_eq!((verdict(&diagnosis, "bucket"), diagnosis.problem().unwrap().kind()), ("problem", ErrorKind::NotFound));
}

#[test]
fn nobody_there_is_one_request() {
    for (failure, what) in [
        (TransportFailure::Connect("refused".into()), "server"),
        (TransportFailure::Timeout, "server"),
        (TransportFailure::Tls("unknown issuer".into()), "tls"),
    ] {
        let diagnosis = run("s3://my-bucket?endpoint=https://s3.example", Some(keys()), None, |_| Err(failure.clone()));
        assert_eq!((diagnosis.requests, verdict(&diagnosis, what)), (1, "problem"));
        assert!(matches!(diagnosis.problem().unwrap().kind(), ErrorKind::Network | ErrorKind::Timeout));
    }
    let page = || Ok(response(200, &[("content-type", "text/html")], "<html>Log in</html>"));
    let diagnosis = run(STORE, Some(keys()), None, |_| page());
    assert_eq!((diagnosis.requests, verdict(&diagnosis, "server")), (1, "problem"));
}

#[test]
fn the_region_is_the_one_the_server_names() {
    let mut server = Server { region: Some("eu-central-1"), ..Server::default() };
    let diagnosis = run("s3://my-bucket/notes", Some(keys()), None, |request| Ok(server.answer(request)));
    assert_eq!((diagnosis.problem(), diagnosis.requests), (None, 12));
    assert_eq!(diagnosis.store.to_string(), "s3://my-bucket/notes?region=eu-central-1");
    let region = diagnosis.finding("region").unwrap();
    assert_eq!(
        (region.verdict, region.paste.as_deref()),
        (Verdict::Warning, Some("s3://my-bucket/notes?region=eu-central-1"))
    );
    // A redirect, and nothing else, that names it.
    let mut first = true;
    let mut server = Server { region: Some("eu-west-1"), ..Server::default() };
    let diagnosis = run("s3://my-bucket", Some(keys()), None, |request| match std::mem::take(&mut first) {
        true => Ok(response(301, &[("x-amz-bucket-region", "eu-west-1")], "")),
        false => Ok(server.answer(request)),
    });
    assert_eq!(diagnosis.store.to_string(), "s3://my-bucket?region=eu-west-1");
    // In the host's name.
    let mut server = Server { region: Some("us-west-004"), ..Server::default() };
    let store = "s3://my-bucket/p?endpoint=https://s3.us-west-004.backblazeb2.com&path_style=true";
    let diagnosis = run(store, Some(keys()), None, |request| Ok(server.answer(request)));
    assert_eq!((diagnosis.profile.name, diagnosis.requests), ("Backblaze B2", 12));
    assert_eq!(diagnosis.problem().unwrap().kind(), ErrorKind::Invalid);
    assert!(diagnosis.finding("region").unwrap().paste.as_deref().unwrap().contains("region=us-west-004"));
}

#[test]
fn a_clock_that_is_off_is_told_and_worked_around() {
    let mut server = Server { ahead_s: 1800, ..Server::default() };
    let diagnosis = ask(&mut server);
    assert_eq!((diagnosis.clock_offset_ms, diagnosis.requests), (Some(1_800_000), 12));
    let clock = diagnosis.finding("clock").unwrap();
    assert_eq!((clock.verdict, diagnosis.problem()), (Verdict::Warning, None));
    assert!(clock.cause.contains("30 min behind"), "{}", clock.cause);
    assert!(clock.paste.as_deref().unwrap().contains("timedatectl"));
    let years = |_: &HttpRequest| {
        Ok(response(
            403,
            &[("date", "Sun, 06 Nov 2044 08:49:37 GMT")],
            "<Error><Code>RequestTimeTooSkewed</Code></Error>",
        ))
    };
    let diagnosis = run(STORE, Some(keys()), None, years);
    assert_eq!((diagnosis.requests, diagnosis.problem().unwrap().kind()), (1, ErrorKind::ClockSkew));
}

#[test]
fn what_says_refused_and_writes_keeps_nothing_out() {
    for server in [Server { lies: true, ..Server::default() }, Server { creates_twice: true, ..Server::default() }] {
        let mut server = server;
        assert_eq!(ask(&mut server).conditional_writes, Some(ConditionalWrites::Ignored));
    }
}

#[test]
fn all_at_once_is_still_a_dozen_requests_and_leaves_nothing_unsaid() {
    let mut server = Server {
        region: Some("eu-central-1"),
        ahead_s: 1800,
        no_batch: true,
        only_v1: true,
        busy: true,
        ..Server::default()
    };
    let diagnosis = run(STORE, Some(keys()), Some(ORIGIN), |request| Ok(server.answer(request)));
    assert_eq!(diagnosis.requests, 12);
    assert_eq!(diagnosis.finding("clean-up").is_some(), !server.objects.is_empty());
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Enforced));
    let mut server = Server { no_batch: true, only_v1: true, ..Server::default() };
    let diagnosis = ask(&mut server);
    assert_eq!((diagnosis.listing, diagnosis.requests), (Some(ListVersion::V1), 12));
    assert!(server.objects.is_empty());
}

#[test]
fn a_connection_that_breaks_ends_it_the_second_time() {
    for broken in 2..=10 {
        let mut server = Server::default();
        let mut count = 0;
        let diagnosis = run(STORE, Some(keys()), None, |request| {
            count += 1;
            let answer = server.answer(request);
            if count == broken { Err(TransportFailure::Reset("gone".into())) } else { Ok(answer) }
        });
        assert_eq!(verdict(&diagnosis, "server"), "warning", "{broken}");
        assert!(server.objects.is_empty() || diagnosis.finding("clean-up").is_some(), "{broken}");
        let mut server = Server::default();
        let mut count = 0;
        let diagnosis = run(STORE, Some(keys()), None, |request| {
            count += 1;
            if count >= broken { Err(TransportFailure::Reset("gone".into())) } else { Ok(server.answer(request)) }
        });
        assert!(diagnosis.requests <= broken + 1);
        assert!(server.objects.is_empty() || diagnosis.finding("clean-up").is_some());
    }
}

#[test]
fn pages_may_what_the_fetch_standard_says() {
    let all = "authorization,content-md5,content-type,if-match,if-none-match,range,x-amz-content-sha256,x-amz-date,x-amz-security-token";
    let exposed = ("access-control-expose-headers", "ETag, Date, Retry-After, x-amz-request-id");
    let page = |headers: &[(&'static str, &'static str)]| {
        let mut server = Server { headers: headers.to_vec(), ..Server::default() };
        let diagnosis = run(STORE, Some(keys()), Some(ORIGIN), |request| Ok(server.answer(request)));
        (diagnosis.cors.clone().unwrap(), diagnosis)
    };
    let any = ("access-control-allow-origin", "*");
    let methods = ("access-control-allow-methods", "GET, HEAD, PUT, POST, DELETE");
    let age = ("access-control-max-age", "3600");

    let (cors, diagnosis) = page(&[any, methods, ("access-control-allow-headers", all), exposed, age]);
    assert!(cors.is_usable() && diagnosis.problem().is_none());
    assert_eq!((cors.max_age_s, cors.refusals_readable), (Some(3600), Some(true)));
    let (cors, _) = page(&[("access-control-allow-origin", ORIGIN), methods, ("access-control-allow-headers", all)]);
    assert_eq!((cors.preflight, cors.readable, cors.hidden_headers.len()), (Some(true), Some(true), 4));
    // `*` is every header but this one, and every method.
    let (cors, diagnosis) =
        page(&[any, ("access-control-allow-methods", "*"), ("access-control-allow-headers", "*"), exposed]);
    assert_eq!((cors.missing_headers, cors.missing_methods), (vec!["authorization"], vec![]));
    assert!(diagnosis.is_shut_to_pages_only());
    // A server may name the method that it was asked for, and no other.
    let (cors, _) = page(&[any, ("access-control-allow-methods", "PUT"), ("access-control-allow-headers", all)]);
    assert!(cors.is_usable());
    let (cors, _) = page(&[any, ("access-control-allow-methods", "GET, PUT"), ("access-control-allow-headers", all)]);
    assert_eq!(cors.missing_methods, ["HEAD", "POST", "DELETE"]);
    let (cors, diagnosis) = page(&[("access-control-allow-origin", "https://other.example")]);
    assert_eq!((cors.preflight, cors.readable, cors.refusals_readable), (Some(false), Some(false), Some(false)));
    let paste = diagnosis.finding("page preflight").unwrap().paste.clone().unwrap();
    assert!(paste.contains(ORIGIN) && paste.contains("--bucket my-bucket"), "{paste}");
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let new = |origin| Doctor::new(STORE.parse().unwrap(), Signing::Nobody, Some(origin), [0; 16]);
    for origin in ["https://app.example", "http://localhost:3000", "https://[::1]:8443"] {
        new(origin).unwrap();
    }
    for origin in [
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://App.example",
        "https://a b",
        "https://a:443",
        "null",
    ] {
        assert_eq!(new(origin).unwrap_err().kind(), ErrorKind::Invalid, "{origin}");
    }
}

#[test]
fn arbitrary_answers_are_survived() {
    let documents: [&[u8]; 9] = [
        b"",
        b"<Error><Code>AccessDenied</Code></Error>",
        b"<Error><Code>NotImplemented</Code></Error>",
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>",
        b"<Error><Code>RequestTimeTooSkewed</Code></Error>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<DeleteResult><Error><Key>notes/probes/x</Key><Code>\x1b[31m</Code></Error></DeleteResult>",
        b"<html>\xff</html>",
        b"tidelock doctor, request 4",
    ];
    let statuses = [0, 100, 200, 204, 206, 301, 304, 307, 400, 403, 404, 409, 412, 416, 429, 500, 501, 503, 599, 999];
    let headers = [
        ("etag", "\"e\""),
        ("etag", "bare"),
        ("etag", "a b"),
        ("date", DATE),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("retry-after", "4294967295"),
        ("server", "\u{130}\u{1b}[2J"),
        ("access-control-allow-origin", "*"),
        ("access-control-max-age", "-1"),
        ("access-control-allow-headers", ",,,,"),
        ("x-amz-bucket-region", "eu-west-2"),
        ("x-amz-bucket-region", "../.."),
    ];
    // SplitMix64: https://prng.di.unimi.it/splitmix64.c
    let mut state = 5_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    };
    for round in 0..5_000 {
        let store = [STORE, "s3://my-bucket", "file:///vault", "s3://b-b?endpoint=https://fra1.digitaloceanspaces.com"];
        let origin = (round % 2 == 0).then_some(ORIGIN);
        let diagnosis = run(store[round % 4], Some(keys()), origin, |_| match random(12) {
            0 => Err(TransportFailure::Reset("gone".into())),
            1 => Err(TransportFailure::TooLong),
            _ => {
                let chosen: Vec<_> = (0..random(5)).map(|_| headers[random(headers.len())]).collect();
                Ok(response(statuses[random(statuses.len())], &chosen, documents[random(documents.len())].to_vec()))
            }
        });
        assert!(!diagnosis.findings.is_empty());
        diagnosis.problem();
    }
}
