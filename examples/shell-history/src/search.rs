//! Finding commands: by letters in their order for people, by literal parts for what is to be deleted.

use crate::entry::Entry;
use frizbee::{Config, Matcher, Matching};
use std::collections::BTreeSet;

/// The entries that match, best first, and of equal ones the newest first; of each command the newest entry alone.
/// `entries` are keys and entries, oldest first. An empty query matches all.
///
/// Each word of the query must be found, its letters in order: `gst` finds `git status`. `'word` is literal, `^word` begins the
/// command, `word$` ends it, `!word` must not be found. Capitals count where the word has one.
pub fn search<'a>(entries: &'a [(String, Entry)], query: &str) -> Vec<&'a Entry> {
    let mut seen = BTreeSet::new();
    let newest: Vec<&Entry> =
        entries.iter().rev().map(|(_, entry)| entry).filter(|entry| seen.insert(&entry.command)).collect();
    if query.trim().is_empty() {
        return newest;
    }
    let commands: Vec<&str> = newest.iter().map(|entry| entry.command.as_str()).collect();
    found(&commands, query, Matching::Fuzzy).into_iter().filter_map(|index| newest.get(index).copied()).collect()
}

/// The entries that match a pattern, in their order: as a query of [`search`], but every word is literal. Nothing matches an empty
/// one.
pub fn literally<'a>(entries: &'a [(String, Entry)], pattern: &str) -> Vec<&'a (String, Entry)> {
    if pattern.trim().is_empty() {
        return Vec::new();
    }
    let commands: Vec<&str> = entries.iter().map(|(_, entry)| entry.command.as_str()).collect();
    let mut indexes = found(&commands, pattern, Matching::Substring);
    indexes.sort_unstable();
    indexes.into_iter().filter_map(|index| entries.get(index)).collect()
}

/// Which commands match, best first. One place for both, since the matcher takes long to compile.
fn found(commands: &[&str], query: &str, matching: Matching) -> Vec<usize> {
    let mut matcher = Matcher::from_query(query, &Config::default().matching(matching));
    matcher.match_list(commands).into_iter().map(|found| found.index as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(commands: &[&str]) -> Vec<(String, Entry)> {
        let entry = |(at, command): (usize, &&str)| {
            let time = jiff::Timestamp::from_second(at as i64).unwrap().to_string();
            let json = serde_json::json!({ "command": command, "start_time": time, "end_time": time });
            (at.to_string(), serde_json::from_value(json).unwrap())
        };
        commands.iter().enumerate().map(entry).collect()
    }

    fn searched(commands: &[&str], query: &str) -> Vec<String> {
        search(&entries(commands), query).into_iter().map(|entry| entry.command.clone()).collect()
    }

    #[test]
    fn letters_in_their_order_find_a_command_and_words_must_all_be_found() {
        let all = ["git status", "cargo test -p hist", "git stash pop", "ls -l"];
        assert_eq!(searched(&all, "gstat"), ["git status"]);
        assert_eq!(searched(&all, "git pop"), ["git stash pop"]);
        assert_eq!(searched(&all, "crgtst"), ["cargo test -p hist"]);
        assert_eq!(searched(&all, "^git !stash"), ["git status"]);
        assert!(searched(&all, "zz").is_empty());
    }

    #[test]
    fn of_equal_matches_the_newest_comes_first_and_once() {
        assert_eq!(searched(&["make a", "make b", "make a"], "make"), ["make a", "make b"]);
        assert_eq!(searched(&["one", "two", "one"], ""), ["one", "two"]);
    }

    #[test]
    fn what_is_deleted_matches_literally() {
        let all = entries(&["git status", "export TOKEN=abc", "gist"]);
        let meant = |pattern: &str| -> Vec<&str> {
            literally(&all, pattern).into_iter().map(|(_, entry)| entry.command.as_str()).collect()
        };
        assert_eq!(meant("gst"), Vec::<&str>::new());
        assert_eq!(meant("TOKEN="), ["export TOKEN=abc"]);
        assert_eq!(meant("^g !status"), ["gist"]);
        assert!(meant(" ").is_empty());
    }
}
