//! The seed that finds each planted bug: red with it, green without. `cargo xtask sim --planted all` finds them anew.

/// Name of the bug, and its seed.
pub const FOUND: &[(&str, u64)] = &[
    ("304 ends it", 2),
    ("beacon not repaired", 36),
    ("segment sealed again on retry", 2),
    ("late PUT trusted", 37),
    ("frozen again with another body", 1),
    ("refused PUT taken for published", 11),
    ("published op turned into a void", 3),
    ("later stamp wins", 0),
    ("delete hides a concurrent put", 0),
    ("deletion in a log forgotten", 0),
    ("stale commit taken for done", 3),
    ("island taken for prefix", 2),
    ("bad object stops the pull", 2),
    ("damage not named", 90),
    ("trimmed beyond the snapshot", 142),
    ("vector adopted before the rows", 4),
    ("merge keeps what was replaced", 4),
    ("merge brings back what was replaced", 4),
    ("replaced write kept", 0),
    ("snapshot without deletions", 4),
    ("absent taken for deleted", 45),
    ("stamp goes back with the clock", 7),
    ("vector inferred, not stated", 0),
    ("any foreign stamp taken", 8),
    ("retries without end", 13),
    ("Retry-After ignored", 13),
    ("device name in a header", 0),
    ("salt repeated", 0),
    ("conflict not listed", 0),
    ("own manifest not read", 1204),
    ("beacon not merged", 19),
    ("durable too early", 12),
    ("vector ahead of what is applied", 11),
    ("leave without carry", 68),
    ("plain dots without tags", 76),
    ("observed vector only", 199),
    ("mend forgotten", 274),
    ("published before it is durable", 311),
    ("debt forgotten", 788),
    ("name from entropy alone", 1026),
];

/// Bugs that no seed has found yet.
pub const NOT_FOUND: &[&str] =
    &["tombstone dropped on cover alone", "snapshot while merging", "contexts not joined", "tombstone dropped at once"];
