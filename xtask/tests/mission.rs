//! docs/MISSION.md names tests and pages: each of them is there.

use std::fs;
use std::path::Path;

#[test]
fn every_link_leads_to_what_it_names() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("MISSION.md")).unwrap();
    let links: Vec<(&str, &str)> = page.split('[').skip(1).filter_map(link).collect();
    assert!(links.len() > 50, "{} links", links.len());
    for (text, path) in links {
        let there = fs::read_to_string(docs.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        if let Some(test) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
            assert!(there.contains(test), "{path} has no test `{test}`");
        }
    }
}

/// The text and the path of a link that begins after its bracket.
fn link(rest: &str) -> Option<(&str, &str)> {
    let (text, rest) = rest.split_once("](")?;
    Some((text, rest.split_once(')')?.0))
}
