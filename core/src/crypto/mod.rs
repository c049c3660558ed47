//! Keys, sealed objects, signatures and slots. Nothing invented: every construction is a published one.
