//! Metadata tampering: the clear header of every kind of object, and what the server says about objects.

use crate::Outcome;
use bytes::Bytes;
use tidelock_core::s3::Response;
use tidelock_sim::hostile::stage::{Kind, Stage};

const CLEAR_HEADER_BYTES: usize = 19;

pub(crate) fn class() -> Outcome {
    let stages = Stage::all(21);
    for stage in
        stages.iter().filter(|stage| !matches!(stage.kind, Kind::Header | Kind::Listing | Kind::Error | Kind::Head))
    {
        clear_header(stage)?;
    }
    stages.iter().filter(|stage| matches!(stage.kind, Kind::Manifest | Kind::Segment)).try_for_each(lying_etags)?;
    stages.iter().filter(|stage| stage.kind == Kind::Listing).try_for_each(lying_listing)
}

/// Every bit of the clear header, and every byte at its bounds.
fn clear_header(stage: &Stage) -> Outcome {
    let changes = (0..8u8).map(|bit| (1 << bit, 0)).chain([(0, 0xff), (0, 0)]);
    for (flip, set) in changes {
        for at in 0..CLEAR_HEADER_BYTES {
            let played = stage.play(&mut |_, truth| {
                let mut response = truth();
                let mut body = response.body.to_vec();
                let old = body[at];
                body[at] = if flip == 0 { set } else { old ^ flip };
                if body[at] == old {
                    body[at] = old ^ 0x55;
                }
                response.body = Bytes::from(body);
                Ok(response)
            });
            ensure!(played.holds == stage.without, "{:?}: byte {at} of the clear header is not checked", stage.kind);
        }
    }
    Ok(())
}

/// All objects have one ETag, or none, or one that changes with each answer: nothing depends on it.
fn lying_etags(stage: &Stage) -> Outcome {
    for lie in 0..3 {
        let mut count = 0;
        let played = stage.play(&mut |_, truth| {
            let mut response = truth();
            response.headers.retain(|(name, _)| name != "etag");
            count += 1;
            match lie {
                0 => response.headers.push(("etag".to_owned(), "\"0\"".to_owned())),
                1 => response.headers.push(("etag".to_owned(), format!("\"{count}\""))),
                _ => (),
            }
            Ok(response)
        });
        ensure!(stage.heal(played) == stage.healed, "{:?}: ETags that lie ({lie}) keep the truth out", stage.kind);
    }
    Ok(())
}

/// Sizes, times and ETags of a listing are somebody's word.
fn lying_listing(stage: &Stage) -> Outcome {
    for (old, new) in [
        ("<Size>", "<Size>9"),
        ("<ETag>&quot;", "<ETag>&quot;f"),
        ("</ETag>", "</ETag><LastModified>9999-12-31T23:59:59Z</LastModified>"),
        ("<ETag>", "<Owner><ID>me</ID></Owner><ETag>"),
    ] {
        let played = stage.play(&mut |_, truth| {
            let truth = truth();
            let text = String::from_utf8_lossy(&truth.body).replace(old, new);
            assert_ne!(text.as_bytes(), truth.body, "a listing has {old}");
            Ok(Response { body: Bytes::from(text), ..truth })
        });
        ensure!(played.holds == stage.without, "a listing with {new} changed what is held");
        ensure!(stage.heal(played) == stage.healed, "a listing with {new} keeps the truth out");
    }
    Ok(())
}
