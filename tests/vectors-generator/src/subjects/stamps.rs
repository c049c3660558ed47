//! Stamps (docs/format/replica.md, "Ops").

use crate::case::File;
use crate::ops::stamp_value;
use serde_json::{Value, json};

type Stamp = (u64, u32);

const MINUTES_5: u64 = 300_000;
const DAY: u64 = 86_400_000;

fn given(last: Stamp, foreign: Option<Stamp>, now_ms: u64) -> Value {
    match foreign {
        Some(foreign) => {
            json!({"last": stamp_value(last), "foreign": stamp_value(foreign), "now_ms": now_ms.to_string()})
        }
        None => json!({"last": stamp_value(last), "now_ms": now_ms.to_string()}),
    }
}

pub(crate) fn file() -> File {
    let mut file = File::new("stamps", "docs/format/replica.md: Ops");
    let next: [(&str, Stamp, u64, Stamp); 10] = [
        ("the clock went on", (10, 3), 11, (11, 0)),
        ("the clock stands", (10, 3), 10, (10, 4)),
        ("the clock went back", (10, 3), 9, (10, 4)),
        ("the clock is at 0", (10, 3), 0, (10, 4)),
        ("nothing before", (0, 0), 1, (1, 0)),
        ("the clock leaps", (10, 3), 1 << 40, (1 << 40, 0)),
        ("the counter is full", (10, u32::MAX), 10, (11, 0)),
        ("the clock went back by a day", (DAY + 10, 3), 10, (DAY + 10, 4)),
        ("the clock went back by more than a day", (DAY + 11, 3), 10, (10, 0)),
        ("the clock went back from the end of time", (u64::MAX, u32::MAX), 10, (10, 0)),
    ];
    for (name, last, now_ms, value) in next {
        file.value(format!("next: {name}"), "next-stamp", given(last, None, now_ms), stamp_value(value));
    }
    let seen: [(&str, Stamp, Stamp, u64, Stamp); 9] = [
        ("later", (10, 0), (12, 7), 10, (12, 7)),
        ("earlier", (10, 0), (9, 9), 10, (10, 0)),
        ("of the same millisecond, a later counter", (10, 3), (10, 4), 10, (10, 4)),
        ("of the same millisecond, an earlier counter", (10, 3), (10, 2), 10, (10, 3)),
        ("5 minutes ahead", (10, 0), (10 + MINUTES_5, 7), 10, (10 + MINUTES_5, 7)),
        ("a millisecond more ahead", (10, 0), (11 + MINUTES_5, 0), 10, (10, 0)),
        ("ahead, and the last one too", (99 + MINUTES_5, 0), (50 + MINUTES_5, 0), 60, (99 + MINUTES_5, 0)),
        ("the greatest", (10, 0), (u64::MAX, u32::MAX), 10, (10, 0)),
        ("the own clock behind the last stamp", (1_000_000, 0), (1_000_001, 0), 10, (1_000_000, 0)),
    ];
    for (name, last, foreign, now_ms, value) in seen {
        let given = given(last, Some(foreign), now_ms);
        file.value(format!("seen: {name}"), "stamp-after-seeing", given, stamp_value(value));
    }
    file
}
