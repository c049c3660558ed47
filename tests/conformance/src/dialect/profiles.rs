//! What each dialect does otherwise than AWS, and who was seen to do so.

use std::time::Duration;

/// A dialect of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// 501 for conditions on PUTs. AWS until 2024: <https://github.com/ceph/s3-tests/issues/218>.
    ConditionsNotImplemented,
    /// 400 for conditions on PUTs: what a front end makes of a header that it doesn't know.
    ConditionsInvalid,
    /// Conditions on PUTs are passed over: rclone and Garage, see [`Dialect::Garage`].
    ConditionsIgnored,
    /// `If-Match` never matches in quotes. DigitalOcean Spaces and Ceph: <https://github.com/slatedb/slatedb/issues/1818>,
    /// <https://github.com/block/buzz/issues/3002>.
    QuotedNeverMatches,
    /// `If-Match` in quotes is a malformed header, 400: design, §6.
    QuotedRefused,
    /// `list-type=2` is passed over, and pages are short. <https://github.com/apache/opendal/issues/5974>.
    ListV1Only,
    /// `list-type=2` is refused. S3Proxy until 2019: <https://github.com/gaul/s3proxy/issues/168>.
    ListV2Refused,
    /// Listings leave out ETags, as s3s-fs does (design, §6); pages are short.
    ListWithoutEtags,
    /// Listings show ETags without quotes. NetApp ONTAP: <https://github.com/duckdb/duckdb-httpfs/pull/291>.
    ListBareEtags,
    /// No deletes of many. Google's interoperable API: <https://github.com/supabase/storage/issues/898>.
    NoBatchDelete,
    /// Deletes of many need a checksum. MinIO and versitygw (design, §6); buckets with retention on AWS.
    Md5Required,
    /// `Content-MD5` is refused: design, §6.
    Md5Refused,
    /// Half a second late with every answer: half of it before the head, half before the rest.
    Slow,
    /// One write a second and key, else 429. Cloudflare R2: <https://developers.cloudflare.com/r2/platform/limits>.
    OneWriteASecond,
    /// An object has another ETag in each answer, and none of them matches: a gateway whose ETags are no hashes.
    RandomEtags,
    /// Errors are web pages: load balancers and firewalls before a server.
    HtmlErrors,
    /// An object hides those under its name and a slash, in listings: gateways to file systems.
    HidesChildren,
    /// An answer 403 has no CORS headers, so that a page sees a network failure: design, §6.
    Bare403,
    /// Garage 2.5, by its source: PUTs read no condition (`put.rs` of the crate `garage_api_s3`); requests may be a day old or
    /// of tomorrow, and whatever is wrong with keys is `AccessDenied` (`signature/payload.rs` of `garage_api_common`).
    Garage,
    /// rclone 1.75 `serve s3`, as it answered: PUTs pass over conditions, listed ETags are bare, a clock that is behind is
    /// `AccessDenied` with status 400, and what would lie under an object is an internal error.
    Rclone,
    /// Says `EncodingType` `url` and writes keys as they are, as a tester of nine servers met it; pages are short.
    EncodingOnlyClaimed,
    /// Fails, with 500, where a second version's listing has a next page, as the same tester met it.
    ListV2GoesNowhere,
    /// Ceph 16.2, as it answered: no `Server`, its own form of request ids, `If-Match` in quotes never matches, and it carries
    /// out `x-amz-…` headers that a signed URL does not bind.
    Ceph,
    /// The same, in a bucket whose versioning was suspended: what was deleted is missing, and can't be created.
    CephSuspended,
    /// A condition is judged first, and the object written later: of creates at the same time, several get in.
    RacyConditions,
    /// Any keys are good, as moto has it.
    AnyKeys,
    /// `If-None-Match` on GET is passed over: each poll gets the whole object.
    NeverNotModified,
}

/// What a server does. The default is AWS.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) put_conditions: PutConditions,
    pub(super) if_match: IfMatch,
    pub(super) etags: Etags,
    pub(super) listings: Listings,
    pub(super) listed_etags: ListedEtags,
    /// The most keys of a page.
    pub(super) page_max: usize,
    pub(super) batch_delete: bool,
    pub(super) content_md5: ContentMd5,
    /// Before each half of an answer.
    pub(super) delay: Duration,
    /// The least time between two writes of a key.
    pub(super) writes_apart: Duration,
    pub(super) errors: Errors,
    pub(super) hides_children: bool,
    pub(super) refuses_children: bool,
    pub(super) bare_403: bool,
    pub(super) clock: Clock,
    /// Whether refusals say what is wrong with the keys.
    pub(super) tells_of_keys: bool,
    pub(super) takes_any_keys: bool,
    /// Whether listings say that keys are URL-encoded, and write them as they are.
    pub(super) only_claims_encoding: bool,
    /// Whether a listing by version 2 that has a next page fails.
    pub(super) v2_goes_nowhere: bool,
    /// Whether `x-amz-…` headers are carried out that no signature binds.
    pub(super) obeys_unsigned_headers: bool,
    /// Whether what was deleted can't be created by `If-None-Match: *`.
    pub(super) keeps_ghosts: bool,
    /// Between a condition's judgement and the write.
    pub(super) write_delay: Duration,
    pub(super) knows_not_modified: bool,
    /// What `x-amz-request-id` is.
    pub(super) request_id: Option<&'static str>,
}

/// How far a client's clock may be off.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) behind_max: Duration,
    pub(super) ahead_max: Duration,
    /// The refusal of one that is further behind; of one that is further ahead it is S3's own.
    pub(super) behind: (u16, &'static str),
}

#[derive(Clone, Copy)]
pub(super) enum PutConditions {
    Kept,
    Ignored,
    Refused { status: u16, code: &'static str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMatch {
    AnyForm,
    QuotedNeverMatches,
    QuotedRefused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Etags {
    Md5,
    Random,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listings {
    Both,
    V1Only,
    V2Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListedEtags {
    Quoted,
    Bare,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentMd5 {
    Optional,
    /// With deletes of many.
    Required,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    Xml,
    Html,
}

const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);

const AWS: Rules = Rules {
    put_conditions: PutConditions::Kept,
    if_match: IfMatch::AnyForm,
    etags: Etags::Md5,
    listings: Listings::Both,
    listed_etags: ListedEtags::Quoted,
    page_max: 1000,
    batch_delete: true,
    content_md5: ContentMd5::Optional,
    delay: Duration::ZERO,
    writes_apart: Duration::ZERO,
    errors: Errors::Xml,
    hides_children: false,
    refuses_children: false,
    bare_403: false,
    clock: Clock { behind_max: QUARTER_HOUR, ahead_max: QUARTER_HOUR, behind: (403, "RequestTimeTooSkewed") },
    tells_of_keys: true,
    takes_any_keys: false,
    only_claims_encoding: false,
    v2_goes_nowhere: false,
    obeys_unsigned_headers: false,
    keeps_ghosts: false,
    write_delay: Duration::ZERO,
    knows_not_modified: true,
    request_id: None,
};

const CEPH: Rules = Rules {
    if_match: IfMatch::QuotedNeverMatches,
    obeys_unsigned_headers: true,
    request_id: Some("tx000007a3907cd837c2f83-006b0615af-1007-default"),
    ..AWS
};

/// So short that three devices are more than a page.
const SHORT_PAGE: usize = 2;

impl Dialect {
    pub(super) fn rules(self) -> Rules {
        let refused = |status, code| PutConditions::Refused { status, code };
        match self {
            Self::ConditionsNotImplemented => Rules { put_conditions: refused(501, "NotImplemented"), ..AWS },
            Self::ConditionsInvalid => Rules { put_conditions: refused(400, "InvalidArgument"), ..AWS },
            Self::ConditionsIgnored => Rules { put_conditions: PutConditions::Ignored, ..AWS },
            Self::QuotedNeverMatches => Rules { if_match: IfMatch::QuotedNeverMatches, ..AWS },
            Self::QuotedRefused => Rules { if_match: IfMatch::QuotedRefused, ..AWS },
            Self::ListV1Only => Rules { listings: Listings::V1Only, page_max: SHORT_PAGE, ..AWS },
            Self::ListV2Refused => Rules { listings: Listings::V2Refused, page_max: SHORT_PAGE, ..AWS },
            Self::ListWithoutEtags => Rules { listed_etags: ListedEtags::None, page_max: SHORT_PAGE, ..AWS },
            Self::ListBareEtags => Rules { listed_etags: ListedEtags::Bare, ..AWS },
            Self::NoBatchDelete => Rules { batch_delete: false, ..AWS },
            Self::Md5Required => Rules { content_md5: ContentMd5::Required, ..AWS },
            Self::Md5Refused => Rules { content_md5: ContentMd5::Refused, ..AWS },
            Self::Slow => Rules { delay: Duration::from_millis(250), ..AWS },
            Self::OneWriteASecond => Rules { writes_apart: Duration::from_secs(1), ..AWS },
            Self::RandomEtags => Rules { etags: Etags::Random, ..AWS },
            Self::HtmlErrors => Rules { errors: Errors::Html, ..AWS },
            Self::HidesChildren => Rules { hides_children: true, ..AWS },
            Self::Bare403 => Rules { bare_403: true, ..AWS },
            Self::Garage => Rules {
                put_conditions: PutConditions::Ignored,
                clock: Clock {
                    behind_max: Duration::from_secs(24 * 3600),
                    ahead_max: Duration::MAX,
                    behind: (400, "InvalidRequest"),
                },
                tells_of_keys: false,
                ..AWS
            },
            Self::Rclone => Rules {
                put_conditions: PutConditions::Ignored,
                listed_etags: ListedEtags::Bare,
                clock: Clock { behind: (400, "AccessDenied"), ..AWS.clock },
                refuses_children: true,
                ..AWS
            },
            Self::EncodingOnlyClaimed => Rules { only_claims_encoding: true, page_max: SHORT_PAGE, ..AWS },
            Self::ListV2GoesNowhere => Rules { v2_goes_nowhere: true, page_max: SHORT_PAGE, ..AWS },
            Self::Ceph => CEPH,
            Self::CephSuspended => Rules { keeps_ghosts: true, ..CEPH },
            Self::RacyConditions => Rules { write_delay: Duration::from_millis(100), ..AWS },
            Self::AnyKeys => Rules { takes_any_keys: true, ..AWS },
            Self::NeverNotModified => Rules { knows_not_modified: false, ..AWS },
        }
    }
}
