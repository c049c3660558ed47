//! The hostile bucket: one test a class of attack, each shown to fail on an engine that lacks the check in question.
mod answers;
