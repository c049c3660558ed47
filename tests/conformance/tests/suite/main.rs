//! Devices in step through real stores: each case on each store, named `case::store`.

/// Runs cases, each a function of a fresh [`tidelock_conformance::Place`], on every store.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use tidelock_conformance::{Place, Store};

            #[test]
            fn embedded() {
                super::$case(&Place::new(Store::Embedded));
            }

            #[test]
            fn versitygw() {
                super::$case(&Place::new(Store::Versitygw));
            }

            #[test]
            fn minio() {
                super::$case(&Place::new(Store::Minio));
            }

            #[test]
            fn folder() {
                super::$case(&Place::new(Store::Folder));
            }
        }
    )*};
}

mod clock;
mod convergence;
mod counts;
mod evidence;
mod faults;
mod load;
mod refusals;
mod secrecy;
