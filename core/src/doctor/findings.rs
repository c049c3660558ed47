//! What was found, in words: each thing with its verdict, its cause, and what to do.

use super::cors::Cors;
use super::facts::Facts;
use super::{EtagForm, Finding, Verdict, paste};
use crate::s3::{ConditionalWrites, CorsSetup, ListVersion, Permissions, Profile, RegionRule, S3Store, StoreUri};
use crate::s3::{SKEW_MS_MAX, SKEW_MS_MIN};
use crate::{Error, ErrorKind};

/// What servers take of a wrong clock at most, as a rule: AWS's `RequestTimeTooSkewed`.
const CLOCK_MS_MAX: u64 = 15 * 60 * 1000;
/// A browser's own memory of a preflight, without a word of the server: 5 s (Fetch Standard).
const MAX_AGE_S_MIN: u32 = 60;

type Asked = Option<Result<(), Error>>;

/// Everything, in the order to look at it.
pub(super) fn all(facts: &Facts, profile: &Profile) -> Vec<Finding> {
    let mut all = vec![server(facts, profile)];
    all.extend(tls(facts));
    all.extend(keys(facts, profile));
    all.extend(region(facts, profile));
    all.extend(clock(facts));
    all.extend(permissions(facts, profile));
    all.extend(missing(facts, profile));
    all.extend(owners(facts));
    all.extend(delete_many(facts, profile));
    all.extend(conditional_writes(facts, profile));
    all.extend(deleted_keys(facts));
    all.extend(listing(facts, profile));
    all.extend(etags(facts));
    all.extend(polls(facts));
    all.extend(checksums(facts));
    all.extend(patience(facts, profile));
    all.extend(leftovers(facts));
    all.extend(not_checked(facts));
    if let Some(origin) = &facts.origin {
        let before = all.len();
        all.extend(cors(facts, origin));
        if let StoreUri::S3(s3) = &facts.store {
            // One text mends all of it.
            if let Some(first) = all[before..].iter_mut().find(|finding| finding.is_of_pages()) {
                let is_shut = matches!(first.verdict, Verdict::Problem(_));
                let is_own = matches!(profile.cors, CorsSetup::Own(_));
                if is_shut || (first.verdict == Verdict::Warning && !is_own) {
                    first.paste = Some(paste::cors(profile, s3, origin));
                }
            }
        }
    }
    all
}

fn ok(what: &'static str, cause: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Ok, cause: cause.into(), next_step: None, paste: None }
}

fn warning(what: &'static str, cause: impl Into<String>, step: impl Into<String>) -> Finding {
    Finding { next_step: Some(step.into()), verdict: Verdict::Warning, ..ok(what, cause) }
}

fn problem(what: &'static str, error: &Error) -> Finding {
    Finding {
        next_step: error.hint().map(str::to_owned),
        verdict: Verdict::Problem(error.kind()),
        ..ok(what, error.message())
    }
}

fn stopped<'a>(facts: &'a Facts, what: &str) -> Option<&'a Error> {
    facts.stopped.as_ref().filter(|(about, _)| *about == what).map(|(_, error)| error)
}

fn bucket(facts: &Facts) -> Option<&S3Store> {
    match &facts.store {
        StoreUri::S3(s3) => Some(s3),
        StoreUri::Folder(_) => None,
    }
}

fn server(facts: &Facts, profile: &Profile) -> Finding {
    if let Some(error) = stopped(facts, "server").or(stopped(facts, "request")) {
        let mut finding = problem("server", error);
        let is_in_host = bucket(facts).is_some_and(|s3| !s3.path_style() && s3.endpoint().is_some());
        if is_in_host && profile.path_style {
            finding.next_step = Some(format!(
                "{}; the bucket stands in the host's name: many servers want it in the path, as below",
                error.hint().unwrap_or("check the endpoint")
            ));
            finding.paste = Some(paste::with_path_style(&facts.asked));
        }
        return finding;
    }
    if stopped(facts, "tls").is_some() {
        return ok("server", "there is one, and TLS with it fails");
    }
    if facts.requests == 0 {
        return warning("server", "nobody asked it, for nothing was signed", "see to the signer first");
    }
    match &facts.broken {
        Some(error) => warning(
            "server",
            format!("it answers, though not every time: {}", error.message()),
            error.hint().unwrap_or("check the network, then run this again"),
        ),
        None if profile.is_generic() => ok("server", "it answers; it is none of the providers known here"),
        None => ok("server", format!("it answers; it is {}", profile.name)),
    }
}

fn tls(facts: &Facts) -> Option<Finding> {
    if let Some(error) = stopped(facts, "tls") {
        return Some(problem("tls", error));
    }
    let s3 = bucket(facts)?;
    (stopped(facts, "server").is_none() && facts.requests > 0).then_some(())?;
    match s3.endpoint().map(ToString::to_string) {
        Some(url) if url.starts_with("http://") => Some(match is_this_machine(&url) {
            true => ok("tls", "none, and the server is on this machine"),
            false => warning(
                "tls",
                "none: whoever is on the way sees which keys of the bucket are read and written, and when",
                "write endpoint=https://… if the server has a certificate",
            ),
        }),
        _ => Some(ok("tls", "the certificate is good")),
    }
}

fn is_this_machine(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    ["127.", "[::1]", "localhost"].iter().any(|host| rest.starts_with(host)) || rest.contains(".localhost")
}

fn keys(facts: &Facts, profile: &Profile) -> Option<Finding> {
    if let Some(error) = stopped(facts, "bucket") {
        return Some(problem("bucket", error));
    }
    if let Some(error) = stopped(facts, "credentials") {
        return Some(problem("credentials", error));
    }
    if let Some(error) = stopped(facts, "signer") {
        return Some(problem("signer", error));
    }
    bucket(facts).filter(|_| facts.stopped.is_none())?;
    let asked = [&facts.put, &facts.get, &facts.list, &facts.delete];
    let refusal = |asked: &&Asked| matches!(asked, Some(Err(error)) if error.kind() == ErrorKind::Auth);
    if asked.iter().all(refusal) {
        let finding = match &facts.put {
            Some(Err(error)) => problem("credentials", error),
            _ => return None,
        };
        if facts.is_presigned {
            return Some(Finding { what: "signer", ..finding });
        }
        let step = format!(
            "check access key and secret key; if they are right, they have no permission at all here \
             (docs/providers/{})",
            profile.page
        );
        return Some(Finding { next_step: Some(step), ..finding });
    }
    Some(match (&facts.unsigned, facts.is_presigned) {
        (Some(error), _) => {
            let cause = format!("the server takes what it signs, and it doesn't sign all: {}", error.message());
            warning("signer", cause, error.hint().unwrap_or("ask who runs the signer"))
        }
        (None, true) => ok("signer", "the server takes what it signs"),
        (None, false) => match facts.wrong_keys_refused {
            Some(true) => ok("credentials", "the keys are known to the server, which refuses wrong ones"),
            Some(false) => warning(
                "credentials",
                "the server takes any keys: it did not refuse a wrong secret",
                "use it for tests alone: whoever reaches it reads, overwrites and deletes",
            ),
            None => ok("credentials", "the server takes the keys"),
        },
    })
}

fn region(facts: &Facts, profile: &Profile) -> Option<Finding> {
    let s3 = bucket(facts)?;
    if let Some(error) = stopped(facts, "region") {
        return Some(problem("region", error));
    }
    if facts.is_presigned {
        return None; // the signer's, which is its own
    }
    if facts.store == facts.asked {
        return facts.put.is_some().then(|| ok("region", format!("`{}` will do", s3.region())));
    }
    let region = s3.region();
    let (who, verdict) = match profile.region {
        // Nothing but the host tells: the server would say that the signature is wrong.
        RegionRule::InHost(..) => ("the endpoint's name says", Verdict::Problem(ErrorKind::Invalid)),
        RegionRule::Named | RegionRule::Usually(_) => ("the server says", Verdict::Warning),
    };
    let finding = warning(
        "region",
        format!("{who} that the bucket is in `{region}`, not where the store's address has it"),
        "write the store's address like this",
    );
    Some(Finding { verdict, paste: Some(facts.store.to_string()), ..finding })
}

fn clock(facts: &Facts) -> Option<Finding> {
    bucket(facts)?;
    if let Some(error) = stopped(facts, "clock") {
        return Some(Finding { paste: Some(CLOCK.to_owned()), ..problem("clock", error) });
    }
    let offset_ms = facts.clock_offset_ms?;
    let off = format!("the device's clock is {} {}", length(offset_ms), if offset_ms > 0 { "behind" } else { "ahead" });
    let off_ms = offset_ms.unsigned_abs();
    if off_ms < SKEW_MS_MIN && !facts.clock_refused {
        return Some(ok("clock", "the device's and the server's agree"));
    }
    let finding = warning("clock", off, "set the device's clock, or have it set by NTP");
    let finding = Finding { paste: Some(CLOCK.to_owned()), ..finding };
    if facts.is_presigned {
        return Some(finding); // a signer has its own
    }
    if off_ms > SKEW_MS_MAX.unsigned_abs() {
        let verdict = Verdict::Problem(ErrorKind::ClockSkew);
        return Some(Finding { verdict, cause: format!("{}: too much to be corrected for", finding.cause), ..finding });
    }
    let cause = match off_ms > CLOCK_MS_MAX || facts.clock_refused {
        true => format!("{}; requests are signed by the server's time instead", finding.cause),
        false => finding.cause.clone(),
    };
    Some(Finding { cause, ..finding })
}

const CLOCK: &str = "date -u\nsudo timedatectl set-ntp true";

/// A length of time, by its greatest unit.
fn length(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn permissions(facts: &Facts, profile: &Profile) -> Vec<Finding> {
    let may = |what, asked: &Asked, without: &str, is_needed: bool| {
        let error = match asked.as_ref()? {
            Ok(()) => return Some(ok(what, "allowed")),
            Err(error) => error,
        };
        let denied = error.kind() == ErrorKind::Auth;
        let finding = problem(what, error);
        let finding = Finding { verdict: if is_needed { finding.verdict } else { Verdict::Warning }, ..finding };
        if !denied {
            return Some(finding);
        }
        let cause = format!("{}; without it {without}", error.message());
        Some(match bucket(facts) {
            Some(_) if facts.is_presigned => Finding { cause, ..finding },
            Some(s3) => {
                let step = format!("let the keys do all of this (docs/providers/{})", profile.page);
                let paste = Some(paste::permissions(profile, s3));
                Finding { cause, next_step: Some(step), paste, ..finding }
            }
            None => Finding { cause, ..finding },
        })
    };
    let mut all: Vec<Finding> = [
        may("write", &facts.put, "nothing begins", true),
        may("read", &facts.get, "nothing begins", true),
        may("list", &facts.list, "nobody can join", true),
        may("delete", &facts.delete, "everything that is superseded stays, and is billed", false),
    ]
    .into_iter()
    .flatten()
    .collect();
    // One text mends all of them.
    let mut pasted = false;
    for finding in all.iter_mut().filter(|finding| finding.paste.is_some()) {
        if std::mem::replace(&mut pasted, true) {
            finding.paste = None;
        }
    }
    all
}

/// Everything begins with a look at what may not be there. AWS says so to who may list it alone; Ceph, with a condition on
/// prefixes, to nobody: <https://github.com/ceph/ceph/pull/68577>.
fn missing(facts: &Facts, profile: &Profile) -> Option<Finding> {
    let error = facts.missing.as_ref()?.as_ref().err()?;
    let finding = problem("missing objects", error);
    let cause = format!("an object that isn't there is refused, and not called missing: {}", error.message());
    let step = format!("let the keys list this prefix; on Ceph, without a condition (docs/providers/{})", profile.page);
    let paste = bucket(facts).filter(|_| !facts.is_presigned).map(|s3| paste::permissions(profile, s3));
    Some(Finding { cause, next_step: Some(step), paste, ..finding })
}

/// On Ceph an object belongs to the user who wrote it, who need not be the bucket's owner: whoever else is let into the bucket
/// finds it refused.
fn owners(facts: &Facts) -> Option<Finding> {
    let error = facts.header.as_ref()?.as_ref().err().filter(|error| error.kind() == ErrorKind::Auth)?;
    (facts.get == Some(Ok(()))).then(|| Finding {
        cause: format!("a vault stands here and is refused to these keys, which read what they wrote: {}", error.message()),
        next_step: Some(
            "give all devices the keys of one user, the one who wrote the vault; or let this one read by a bucket policy"
                .to_owned(),
        ),
        ..problem("owner", error)
    })
}

fn delete_many(facts: &Facts, profile: &Profile) -> Option<Finding> {
    let what = "batch delete";
    Some(match facts.delete_many.as_ref()? {
        Ok(()) => ok(what, "DeleteObjects works"),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let known = as_known(profile, profile.delete_many.map(|works| !works));
            ok(what, format!("DeleteObjects is refused{known}; objects are deleted one by one"))
        }
        Err(error) => {
            let cause = format!("DeleteObjects fails, and objects are deleted one by one: {}", error.message());
            match (profile.permissions, bucket(facts)) {
                (Permissions::PlainBucketPolicy(_), Some(s3)) if !facts.is_presigned => Finding {
                    paste: Some(paste::permissions(profile, s3)),
                    ..warning(
                        what,
                        cause,
                        "let the keys use s3:DeleteObject on the bucket itself, too, which deletes nothing else",
                    )
                },
                _ => warning(what, cause, "let the keys use s3:DeleteObject in this prefix"),
            }
        }
    })
}

fn conditional_writes(facts: &Facts, profile: &Profile) -> Option<Finding> {
    let found = facts.conditional_writes()?;
    let what = "conditional writes";
    let known = as_known(profile, profile.conditional_writes.map(|expected| expected == found));
    let cause = match found {
        ConditionalWrites::Enforced => return Some(ok(what, format!("enforced{known}"))),
        ConditionalWrites::QuoteSensitive => format!("kept for ETags without quotes alone{known}"),
        ConditionalWrites::MatchesNone => format!("no ETag ever matches{known}: whoever sends one is kept out"),
        ConditionalWrites::Racy => {
            let many = facts.race_winners.unwrap_or_default();
            format!("kept for one writer at a time, and not in a race: {many} of 8 creates of one key got in")
        }
        ConditionalWrites::Ignored => format!("ignored{known}: it writes whatever the condition"),
        ConditionalWrites::Refused => format!("refused{known}"),
    };
    Some(warning(what, cause, "nothing: a vault goes without. Only that a device's folder was copied is noticed later"))
}

/// Ceph, where versioning was suspended: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html> says that
/// the mark of a delete is no object.
fn deleted_keys(facts: &Facts) -> Option<Finding> {
    let what = "deleted keys";
    if facts.recreated? {
        return Some(ok(what, "can be made anew"));
    }
    let cause = "what was deleted is missing, and `If-None-Match: *` finds it there: the bucket's versioning is suspended, \
                 and the mark of a delete counts as an object";
    let step = "nothing for a vault: it writes over the mark. To take the mark of a vault's header away:";
    let paste = bucket(facts).filter(|_| !facts.is_presigned).map(paste::delete_marker);
    Some(Finding { paste, ..warning(what, cause, step) })
}

fn listing(facts: &Facts, profile: &Profile) -> Option<Finding> {
    let what = "listing";
    let known = |found| as_known(profile, profile.listing.map(|expected| expected == found));
    if facts.shows_both == Some(false) {
        return Some(warning(
            what,
            "it doesn't show what was just written: the server's listings lag behind",
            "nothing, if it is so for moments only; joining may need a second try",
        ));
    }
    match facts.listing? {
        ListVersion::V2 => Some(ok(what, "the second version, page by page")),
        ListVersion::V1 => Some(ok(what, format!("the first version alone{}", known(ListVersion::V1)))),
    }
}

/// Whether this is the provider's usual way.
fn as_known(profile: &Profile, is_usual: Option<bool>) -> String {
    match is_usual {
        Some(true) => format!(", as {} does", profile.name),
        Some(false) => format!(", other than {} is known for", profile.name),
        None => String::new(),
    }
}

fn etags(facts: &Facts) -> Option<Finding> {
    let listed = match facts.listed_etags {
        Some(EtagForm::None) => "; listings leave them out",
        Some(EtagForm::Bare) if facts.etags != Some(EtagForm::Bare) => "; listings leave the quotes out",
        _ => "",
    };
    Some(match facts.etags? {
        EtagForm::Quoted => ok("etags", format!("in quotes{listed}")),
        EtagForm::Bare => ok("etags", format!("without quotes{listed}")),
        EtagForm::Random => {
            warning("etags", "another one in each answer", "nothing: every poll costs a whole GET of a small object")
        }
        EtagForm::None => warning("etags", "there are none", "nothing: every poll costs a whole GET of a small object"),
    })
}

fn polls(facts: &Facts) -> Option<Finding> {
    let has_etags = matches!(facts.etags, Some(EtagForm::Quoted | EtagForm::Bare));
    Some(match facts.not_modified.filter(|_| has_etags)? {
        true => ok("polls", "what is known is answered 304, without content"),
        false => warning(
            "polls",
            "`If-None-Match` on GET is passed over: what is known is sent again",
            "nothing: every poll costs a whole GET of a small object",
        ),
    })
}

fn checksums(facts: &Facts) -> Option<Finding> {
    bucket(facts)?;
    Some(match facts.content_md5.as_ref()? {
        Ok(()) => ok("checksums", "a PUT may have Content-MD5"),
        Err(error) => warning(
            "checksums",
            format!("a PUT with Content-MD5 fails: {}", error.message()),
            "nothing: a vault's own PUTs have none",
        ),
    })
}

fn patience(facts: &Facts, profile: &Profile) -> Option<Finding> {
    facts.throttled.then_some(())?;
    let limit = match profile.key_writes_a_second {
        Some(many) => format!("; {} takes {many} write a second of one key", profile.name),
        None => String::new(),
    };
    Some(warning(
        "patience",
        format!("the server asked for fewer requests{limit}"),
        "nothing: requests wait as long as they are told. Sync less often where this holds up other work",
    ))
}

fn leftovers(facts: &Facts) -> Option<Finding> {
    let key = facts.left.first()?;
    let step = "delete what lies under `probes/`; nothing reads it";
    Some(warning("clean-up", format!("{} of this check's objects could stay: `{key}`", facts.left.len()), step))
}

fn not_checked(facts: &Facts) -> Option<Finding> {
    let unchecked = facts.unchecked();
    let more = match (facts.is_deep, facts.is_presigned) {
        (false, false) => "; a deep check asks for it",
        _ => "",
    };
    (!unchecked.is_empty()).then(|| ok("not checked", format!("{}{more}", unchecked.join("; "))))
}

fn cors(facts: &Facts, origin: &str) -> Vec<Finding> {
    let Cors { preflight, readable, refusals_readable, missing_methods, missing_headers, hidden_headers, max_age_s } =
        &facts.cors;
    let step = "set the CORS rules of the bucket or server";
    let shut = |what, cause: String| Finding {
        verdict: Verdict::Problem(ErrorKind::Unsupported),
        ..warning(what, cause, step)
    };
    let mut all = Vec::new();
    let missing: Vec<&str> = missing_methods.iter().chain(missing_headers).copied().collect();
    all.extend(preflight.map(|is_ok| match (is_ok, max_age_s) {
        (false, _) => shut("page preflight", format!("no page of {origin} may send requests here")),
        (true, _) if !missing.is_empty() => shut("page preflight", format!("it leaves out {}", missing.join(", "))),
        (true, Some(seconds)) if *seconds >= MAX_AGE_S_MIN => {
            ok("page preflight", format!("allowed, and remembered for {seconds} s"))
        }
        (true, _) => {
            let cause = "allowed, but not remembered for a minute: browsers ask before almost every request";
            warning("page preflight", cause, "set MaxAgeSeconds to 3600, where the server has it")
        }
    }));
    all.extend(readable.map(|is_readable| match is_readable {
        false => shut("page answers", format!("no page of {origin} may read answers")),
        true if hidden_headers.is_empty() => ok("page answers", "readable, with all headers that matter"),
        true => {
            let hidden = hidden_headers.join(", ");
            warning("page answers", format!("readable, but {hidden} are hidden"), "expose these headers")
        }
    }));
    all.extend(refusals_readable.map(|is_readable| match is_readable {
        true => ok("page refusals", "readable"),
        false => warning(
            "page refusals",
            "a refusal has no CORS headers: a page takes it for a broken network",
            "nothing, if the server can't: where a page reports the network, think of the keys too",
        ),
    }));
    all
}
