//! What `doctor` says of each store. Expected is what each dialect's rules declare (src/dialect/profiles.rs), and what
//! docs/providers says of the real servers.

use futures::executor::block_on;
use tidelock::{Access, ConditionalWrites, Diagnosis, EtagForm, ListVersion, Verdict, doctor};
use tidelock_conformance::{Dialect, Place, Store};
use tidelock_core::doctor::REQUESTS_MAX;

on_every_store![the_doctor_names_what_is_so, the_doctor_answers_a_web_page];
on_dialect! { slow: Slow; the_doctor_names_what_is_so, the_doctor_answers_a_web_page }
on_dialect! { one_write_a_second: OneWriteASecond; the_doctor_names_what_is_so, the_doctor_answers_a_web_page }

const ORIGIN: &str = "https://app.example";

/// How a store differs from AWS.
struct Expected {
    conditional_writes: ConditionalWrites,
    listing: ListVersion,
    etags: EtagForm,
    listed_etags: EtagForm,
    content_md5: bool,
    delete_many: bool,
    throttles: bool,
}

const AWS: Expected = Expected {
    conditional_writes: ConditionalWrites::Enforced,
    listing: ListVersion::V2,
    etags: EtagForm::Quoted,
    listed_etags: EtagForm::Quoted,
    content_md5: true,
    delete_many: true,
    throttles: false,
};

fn expected(store: Store) -> Expected {
    use ConditionalWrites::*;
    let Store::Dialect(dialect) = store else {
        return match store {
            Store::Rclone => Expected { conditional_writes: Ignored, listed_etags: EtagForm::Bare, ..AWS },
            Store::Garage => Expected { conditional_writes: Ignored, ..AWS },
            Store::Ceph => Expected { conditional_writes: QuoteSensitive, ..AWS },
            _ => AWS,
        };
    };
    match dialect {
        Dialect::ConditionsNotImplemented | Dialect::ConditionsInvalid => {
            Expected { conditional_writes: Refused, ..AWS }
        }
        Dialect::ConditionsIgnored | Dialect::Garage => Expected { conditional_writes: Ignored, ..AWS },
        Dialect::QuotedNeverMatches | Dialect::QuotedRefused => Expected { conditional_writes: QuoteSensitive, ..AWS },
        Dialect::ListV1Only | Dialect::ListV2Refused => Expected { listing: ListVersion::V1, ..AWS },
        Dialect::ListWithoutEtags => Expected { listed_etags: EtagForm::None, ..AWS },
        Dialect::ListBareEtags => Expected { listed_etags: EtagForm::Bare, ..AWS },
        Dialect::NoBatchDelete => Expected { delete_many: false, ..AWS },
        // DeleteObjects has that header, too.
        Dialect::Md5Refused => Expected { content_md5: false, delete_many: false, ..AWS },
        Dialect::OneWriteASecond => Expected { throttles: true, ..AWS },
        Dialect::RandomEtags => {
            Expected { conditional_writes: MatchesNone, etags: EtagForm::Random, listed_etags: EtagForm::Random, ..AWS }
        }
        Dialect::Rclone => Expected { conditional_writes: Ignored, listed_etags: EtagForm::Bare, ..AWS },
        Dialect::Ceph | Dialect::CephSuspended => Expected { conditional_writes: QuoteSensitive, ..AWS },
        Dialect::ListV2GoesNowhere => Expected { listing: ListVersion::V1, ..AWS },
        Dialect::Md5Required
        | Dialect::Slow
        | Dialect::HtmlErrors
        | Dialect::HidesChildren
        | Dialect::Bare403
        | Dialect::EncodingOnlyClaimed
        // One writer alone is kept out there.
        | Dialect::RacyConditions
        | Dialect::AnyKeys
        | Dialect::NeverNotModified => AWS,
    }
}

fn ask(place: &Place, origin: Option<&str>) -> Diagnosis {
    let before = place.proxy().map_or(0, |proxy| proxy.seen().requests.len());
    let diagnosis = block_on(doctor(&place.options("nobody"), origin)).expect("a diagnosis");
    if let Some(proxy) = place.proxy() {
        assert_eq!(proxy.seen().requests.len() - before, diagnosis.requests as usize);
    }
    assert!(diagnosis.requests <= REQUESTS_MAX);
    assert_eq!(place.bucket().keys(), [""; 0], "nothing stays behind");
    diagnosis
}

fn check(place: &Place, diagnosis: &Diagnosis) {
    let expected = expected(place.store());
    let text = format!("{:#?}", diagnosis.findings);
    assert_eq!(diagnosis.problem(), None, "{text}");
    let access = Access {
        list: Some(true),
        get: Some(true),
        put: Some(true),
        delete: Some(true),
        delete_many: Some(expected.delete_many),
    };
    assert_eq!(diagnosis.access, access, "{text}");
    assert_eq!(diagnosis.conditional_writes, Some(expected.conditional_writes), "{text}");
    assert_eq!(diagnosis.listing, Some(expected.listing), "{text}");
    assert_eq!(
        (diagnosis.etags, diagnosis.listed_etags),
        (Some(expected.etags), Some(expected.listed_etags)),
        "{text}"
    );
    assert_eq!(diagnosis.content_md5, Some(expected.content_md5), "{text}");
    assert_eq!(diagnosis.finding("patience").is_some(), expected.throttles, "{text}");
    assert!(diagnosis.clock_offset_ms.is_some_and(|ms| ms.abs() < 60_000), "{text}");
    let name = match place.store() {
        Store::Versitygw => "versitygw",
        Store::Minio => "MinIO",
        Store::Folder => "a folder",
        Store::Ceph | Store::Dialect(Dialect::Ceph | Dialect::CephSuspended) => "Ceph Object Gateway",
        _ => "another S3 server",
    };
    assert_eq!(diagnosis.profile.name, name);
}

fn the_doctor_names_what_is_so(place: &Place) {
    let diagnosis = ask(place, None);
    check(place, &diagnosis);
    assert_eq!(diagnosis.cors, None);
    // A vault remembers it, and asks no second time.
    let (one, _) = place.create("one");
    block_on(one.vault.close());
    let mut local = tidelock::Local::open(&place.options("one")).expect("a device");
    local.remember(&diagnosis).expect("it is remembered");
    let enforced = diagnosis.conditional_writes == Some(ConditionalWrites::Enforced);
    assert_eq!(local.status().expect("a status").conditional_writes, Some(enforced));
}

fn the_doctor_answers_a_web_page(place: &Place) {
    let diagnosis = ask(place, Some(ORIGIN));
    if place.store() == Store::Folder {
        check(place, &diagnosis);
        return assert_eq!(diagnosis.cors, None);
    }
    let cors = diagnosis.cors.clone().expect("what a page may do");
    let verdict = |what| diagnosis.finding(what).map(|finding| finding.verdict.name());
    match place.store() {
        // Open from the start; exposed is `*`. No word of how long to remember it.
        Store::Minio => {
            check(place, &diagnosis);
            assert_eq!((verdict("page preflight"), verdict("page answers")), (Some("warning"), Some("ok")));
            assert_eq!(cors.refusals_readable, Some(true));
        }
        // Closed from the start (docs/providers).
        Store::Versitygw => {
            assert!(!cors.is_usable());
            assert_eq!(
                (cors.preflight, cors.readable, cors.refusals_readable),
                (Some(false), Some(false), Some(false))
            );
            let paste = diagnosis.finding("page preflight").and_then(|finding| finding.paste.clone());
            assert!(paste.is_some_and(|paste| paste.contains("put-bucket-cors") && paste.contains(ORIGIN)));
        }
        Store::Dialect(dialect) => {
            // It lets any origin in and exposes three of the four; `*` stands for all headers but `authorization`.
            assert_eq!((cors.preflight, cors.readable), (Some(true), Some(true)));
            assert_eq!(cors.missing_headers, ["authorization"]);
            assert_eq!(cors.hidden_headers, ["x-amz-request-id"]);
            assert!(cors.missing_methods.is_empty());
            // Asked where the dialect's own way left a request for it, and where there is a refusal.
            let is_bare = dialect == Dialect::Bare403;
            assert!(cors.refusals_readable != Some(is_bare) && !(is_bare && cors.refusals_readable.is_none()));
            let problem = diagnosis.findings.iter().find(|finding| matches!(finding.verdict, Verdict::Problem(_)));
            assert_eq!(problem.map(|finding| finding.what), Some("page preflight"));
            assert_eq!(diagnosis.conditional_writes, Some(expected(place.store()).conditional_writes));
        }
        _ => {}
    }
}
