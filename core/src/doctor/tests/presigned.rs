//! The doctor of a device without keys: a signer signs what it asks.

use super::*;

type SignerAnswer = Result<SignedUrl, TransportFailure>;

fn signs(asked: &UnsignedRequest) -> SignerAnswer {
    let url = format!("{}{}X-Amz-Signature=0", asked.url, if asked.url.contains('?') { '&' } else { '?' });
    Ok(SignedUrl { url, headers: Vec::new(), expires_s: Some(60) })
}

/// The diagnosis, and how often the signer was asked.
fn ask(
    server: &mut Server,
    origin: Option<&str>,
    signer: impl FnMut(&UnsignedRequest) -> SignerAnswer,
) -> (Diagnosis, u32) {
    ask_at(NOW_MS, origin, signer, |request| Ok(server.answer(request)))
}

fn ask_at(
    now_ms: u64,
    origin: Option<&str>,
    mut signer: impl FnMut(&UnsignedRequest) -> SignerAnswer,
    answer: impl FnMut(&HttpRequest) -> Answered,
) -> (Diagnosis, u32) {
    let doctor = Doctor::new(STORE.parse().unwrap(), Signing::Elsewhere, origin, [7; 16]).unwrap();
    let mut asked = 0;
    let counted = |request: &UnsignedRequest| {
        asked += 1;
        assert!(asked <= 24);
        signer(request)
    };
    let diagnosis = drive(doctor, now_ms, counted, answer);
    (diagnosis, asked)
}

#[test]
fn it_looks_at_all_that_a_signer_signs() {
    let mut server = Server::default();
    let (diagnosis, asked) = ask(&mut server, Some(ORIGIN), signs);
    let kinds: Vec<_> = server.seen.iter().map(kind).collect();
    // The keys that a DeleteObjects names are in its body, which no URL binds.
    let expected = ["PUT", "PUT", "PUT", "PUT", "GET", "GET", "PUT", "LIST", "DELETE", "DELETE", "OPTIONS", "GET"];
    assert_eq!((kinds, asked), (expected.to_vec(), 10));
    assert!(server.objects.is_empty());
    assert!(server.seen.iter().all(|request| header(request, "authorization").is_none()));
    let last = server.seen.last().unwrap();
    assert!(!last.url.contains("Signature"), "what a page sees without keys: {}", last.url);
    assert_eq!((diagnosis.requests, diagnosis.is_shut_to_pages_only()), (12, true), "this server has no CORS");
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Enforced));
    let yes = Some(true);
    assert_eq!(diagnosis.access, Access { list: yes, get: yes, put: yes, delete: yes, delete_many: None });
    assert_eq!((verdict(&diagnosis, "signer"), diagnosis.finding("credentials")), ("ok", None));
}

#[test]
fn a_signer_that_signs_nothing_is_the_problem() {
    let refuses = |_: &UnsignedRequest| Err(TransportFailure::NoCredentials("it answered 401: old token".into()));
    let (diagnosis, asked) = ask(&mut Server::default(), None, refuses);
    assert_eq!((diagnosis.requests, asked), (0, 1));
    let problem = diagnosis.problem().unwrap();
    assert_eq!(problem.kind(), ErrorKind::Auth);
    assert!(problem.message().contains("old token") && problem.hint().unwrap().contains("sign in again"), "{problem}");
    assert_eq!((verdict(&diagnosis, "signer"), verdict(&diagnosis, "server")), ("problem", "warning"));

    // Who can't be reached is asked once more.
    let (diagnosis, asked) = ask(&mut Server::default(), None, |_| Err(TransportFailure::Timeout));
    assert_eq!((diagnosis.problem().unwrap().kind(), asked), (ErrorKind::Timeout, 2));

    let elsewhere = |asked: &UnsignedRequest| {
        signs(asked).map(|signed| SignedUrl { url: signed.url.replace("9000", "9001"), ..signed })
    };
    let (diagnosis, _) = ask(&mut Server::default(), None, elsewhere);
    assert!(diagnosis.problem().unwrap().message().contains("another place"));
}

#[test]
fn what_a_signer_refuses_is_told_from_what_the_store_refuses() {
    let no_lists = |asked: &UnsignedRequest| match asked.key {
        Some(_) => signs(asked),
        None => Err(TransportFailure::NoCredentials("it answered 403: no listings".into())),
    };
    let mut server = Server::default();
    let (diagnosis, _) = ask(&mut server, None, no_lists);
    assert!(server.objects.is_empty(), "the rest is looked at, and deleted");
    let list = diagnosis.finding("list").unwrap();
    assert_eq!((list.verdict, diagnosis.access.list), (Verdict::Problem(ErrorKind::Auth), Some(false)));
    assert!(list.cause.contains("no listings") && list.paste.is_none(), "no policy mends a signer: {list:?}");

    let mut server = Server { denied: vec!["PUT", "GET", "LIST", "DELETE"], ..Server::default() };
    let (diagnosis, _) = ask(&mut server, None, signs);
    let signer = diagnosis.finding("signer").unwrap();
    assert_eq!(signer.verdict, Verdict::Problem(ErrorKind::Auth));
    assert!(signer.cause.contains("the store refuses what the signer signed"), "{signer:?}");
    assert!(signer.next_step.as_deref().unwrap().contains("who runs the signer"), "{signer:?}");
}

/// The codes are those of AWS's list of errors; the second of a region is what it says of signed URLs.
#[test]
fn what_the_store_says_of_a_signature_is_the_signers_matter() {
    for (status, code, more) in [
        (403, "SignatureDoesNotMatch", ""),
        (403, "InvalidAccessKeyId", ""),
        (400, "ExpiredToken", ""),
        (403, "RequestTimeTooSkewed", ""),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        (400, "AuthorizationQueryParametersError", "<Region>eu-west-1</Region>"),
    ] {
        let (diagnosis, _) = ask_at(NOW_MS, None, signs, |_| Ok(error(status, code, more)));
        let signer = diagnosis.finding("signer").unwrap_or_else(|| panic!("{code}: {:#?}", diagnosis.findings));
        assert_eq!(signer.verdict, Verdict::Problem(ErrorKind::Auth), "{code}");
        assert!(signer.cause.contains("the store refuses what the signer signed"), "{code}: {signer:?}");
        assert_eq!((diagnosis.finding("credentials"), diagnosis.finding("region")), (None, None), "{code}");
        assert_eq!((diagnosis.conditional_writes, diagnosis.finding("clean-up")), (None, None), "{code}");
    }
}

/// Its requests are signed by another clock.
#[test]
fn a_wrong_clock_is_no_problem_of_a_device_that_signs_nothing() {
    let mut server = Server::default();
    let (diagnosis, _) = ask_at(NOW_MS + 30 * 24 * 3_600_000, None, signs, |request| Ok(server.answer(request)));
    assert_eq!((diagnosis.problem(), verdict(&diagnosis, "clock")), (None, "warning"));
}

#[test]
fn what_may_stay_behind_is_named() {
    for broken in 1..=10 {
        for arrives in [true, false] {
            let (mut server, mut count) = (Server::default(), 0);
            let (diagnosis, _) = ask_at(NOW_MS, None, signs, |request| {
                count += 1;
                let answer = if count != broken || arrives { Some(server.answer(request)) } else { None };
                answer.filter(|_| count != broken).ok_or(TransportFailure::Reset("gone".into()))
            });
            let named = diagnosis.finding("clean-up").is_some();
            assert!(server.objects.is_empty() || named, "{broken} {arrives}: {:#?}", diagnosis.findings);
            // Whatever could be asked for was deleted.
            assert!(server.objects.is_empty() || [1, 9, 10].contains(&broken), "{broken} {arrives}");
        }
    }
    let mut asked = 0;
    let mut server = Server::default();
    let (diagnosis, _) = ask(&mut server, None, |request| {
        asked += 1;
        if asked > 4 { Err(TransportFailure::Timeout) } else { signs(request) }
    });
    assert_eq!((server.objects.len(), asked), (1, 6), "a signer that falls silent is asked once more");
    assert_eq!((verdict(&diagnosis, "signer"), verdict(&diagnosis, "clean-up")), ("problem", "warning"));
    // Nobody is there: nothing was written either.
    let (diagnosis, _) = ask_at(NOW_MS, None, signs, |_| Err(TransportFailure::Connect("refused".into())));
    assert_eq!(diagnosis.finding("clean-up"), None);
}

#[test]
fn a_signer_that_signs_no_conditions_says_nothing_of_the_server() {
    let plain = |asked: &UnsignedRequest| match asked.headers.iter().any(|(name, _)| name == "if-match") {
        true => Err(TransportFailure::NoCredentials("it answered 403: no if-match".into())),
        false => signs(asked),
    };
    let mut server = Server::default();
    let (diagnosis, _) = ask(&mut server, None, plain);
    assert!(server.objects.is_empty());
    assert_eq!((verdict(&diagnosis, "signer"), verdict(&diagnosis, "server")), ("warning", "ok"));
    assert_eq!((diagnosis.problem(), diagnosis.conditional_writes), (None, None));
}
