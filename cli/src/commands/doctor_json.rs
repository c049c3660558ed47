//! What `doctor --json` prints.

use serde_json::{Value, json};
use tidelock::{Cors, Diagnosis, EtagForm, Finding, ListVersion, Verdict};

/// A diagnosis, all of it.
pub(crate) fn diagnosis_json(diagnosis: &Diagnosis) -> Value {
    let access = diagnosis.access;
    json!({
        "store": diagnosis.store.to_string(),
        "provider": diagnosis.profile.name,
        "page": format!("docs/providers/{}", diagnosis.profile.page),
        "usable": diagnosis.problem().is_none(),
        "requests": diagnosis.requests,
        "access": {
            "list": access.list,
            "get": access.get,
            "put": access.put,
            "delete": access.delete,
            "delete_many": access.delete_many,
        },
        "conditional_writes": diagnosis.conditional_writes.map(|found| found.name()),
        "listing": diagnosis.listing.map(|version| match version {
            ListVersion::V1 => 1,
            ListVersion::V2 => 2,
        }),
        "etags": diagnosis.etags.map(EtagForm::name),
        "listed_etags": diagnosis.listed_etags.map(EtagForm::name),
        "content_md5": diagnosis.content_md5,
        "clock_offset_ms": diagnosis.clock_offset_ms,
        "not_checked": diagnosis.unchecked,
        "cors": diagnosis.cors.as_ref().map(cors_json),
        "findings": diagnosis.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn cors_json(cors: &Cors) -> Value {
    json!({
        "usable": cors.is_usable(),
        "preflight": cors.preflight,
        "readable": cors.readable,
        "refusals_readable": cors.refusals_readable,
        "missing_methods": cors.missing_methods,
        "missing_headers": cors.missing_headers,
        "hidden_headers": cors.hidden_headers,
        "max_age": cors.max_age_s,
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "what": finding.what,
        "verdict": finding.verdict.name(),
        "kind": match finding.verdict {
            Verdict::Problem(kind) => Some(kind.name()),
            Verdict::Ok | Verdict::Warning => None,
        },
        "cause": finding.cause,
        "hint": finding.next_step,
        "paste": finding.paste,
    })
}
