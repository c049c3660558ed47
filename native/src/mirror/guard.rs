//! When a mirror may delete: a source that is not there, or only half, must not empty its copy.

use super::MirrorReport;
use crate::{Error, ErrorKind};

/// The most that one run deletes: their names are held in memory.
pub(super) const DELETIONS_MAX: usize = 1_000_000;

/// What is known when all else is done.
pub(super) struct Deletion<'a> {
    /// Where it would be deleted.
    pub(super) target: &'a str,
    /// How many.
    pub(super) doomed: u64,
    /// Files that the target had.
    pub(super) at_target: u64,
    /// Files that the source has.
    pub(super) at_source: u64,
    pub(super) max_percent: u8,
}

impl Deletion<'_> {
    /// Refuses what looks like a mistake.
    ///
    /// # Errors
    /// `Invalid`, with the reason.
    pub(super) fn check(&self, report: &MirrorReport) -> Result<(), Error> {
        let refused = |why: String, step: &str| {
            Err(Error::new(ErrorKind::Invalid, format!("nothing was deleted: {why}")).on(self.target).next_step(step))
        };
        let share = u128::from(self.doomed) * 100;
        if report.failed > 0 {
            refused(format!("{} files failed", report.failed), "see to what failed, and run it again")
        } else if self.doomed == 0 {
            Ok(())
        } else if self.at_source == 0 {
            refused(
                "the source has no files".into(),
                "check that it is the one you mean, and its disk is connected; to empty the target, use `s3 rm` or `rm`",
            )
        } else if self.doomed > DELETIONS_MAX as u64 {
            refused(format!("{} files would go, more than one run deletes", self.doomed), "delete them by other means")
        } else if share > u128::from(self.max_percent) * u128::from(self.at_target) {
            let percent = share.div_ceil(u128::from(self.at_target.max(1)));
            refused(
                format!("{} of {} files would go", self.doomed, self.at_target),
                &format!("if that is right, run it with --max-delete {}", percent.min(100)),
            )
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_source_deletes_and_only_a_part() {
        let whole = MirrorReport::default();
        let failed = MirrorReport { failed: 1, ..MirrorReport::default() };
        for (doomed, at_target, at_source, max_percent, report, allowed) in [
            (0, 4, 4, 25, &whole, true),
            (1, 4, 3, 25, &whole, true),
            (2, 4, 2, 25, &whole, false),
            (2, 4, 2, 50, &whole, true),
            (26, 100, 74, 25, &whole, false),
            (25, 100, 75, 25, &whole, true),
            (1, 1, 0, 100, &whole, false),
            (1, 1, 1, 100, &whole, true),
            (1, 100, 99, 0, &whole, false),
            (0, 0, 0, 25, &whole, true),
            (1, 100, 99, 25, &failed, false),
            (0, 100, 99, 25, &failed, false),
            (1_000_001, 10_000_000, 9_000_000, 25, &whole, false),
        ] {
            let deletion = Deletion { target: "t", doomed, at_target, at_source, max_percent };
            let checked = deletion.check(report);
            assert_eq!(checked.is_ok(), allowed, "{doomed} of {at_target}, {at_source}, {max_percent} %");
            assert!(checked.err().is_none_or(|error| error.kind() == ErrorKind::Invalid));
        }
    }
}
