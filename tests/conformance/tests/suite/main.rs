//! Devices in step through real stores: each case on each store, named `case::store`.

/// Runs cases, each a function of a fresh [`tidelock_conformance::Place`], on every store; in a group of its own, on every
/// dialect but those where time passes, which run the cases that say so.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use tidelock_conformance::{Place, Store};

            use super::$case as case;

            on_stores! { embedded: Embedded, versitygw: Versitygw, minio: Minio, moto: Moto, rclone: Rclone, folder: Folder }

            on_garage!();
            on_ceph!();

            mod dialects {
                use tidelock_conformance::{Dialect, Place, Store};
                use super::case;

                on_dialects! {
                    conditions_not_implemented: ConditionsNotImplemented,
                    conditions_invalid: ConditionsInvalid,
                    conditions_ignored: ConditionsIgnored,
                    quoted_never_matches: QuotedNeverMatches,
                    quoted_refused: QuotedRefused,
                    list_v1_only: ListV1Only,
                    list_v2_refused: ListV2Refused,
                    list_without_etags: ListWithoutEtags,
                    list_bare_etags: ListBareEtags,
                    no_batch_delete: NoBatchDelete,
                    md5_required: Md5Required,
                    md5_refused: Md5Refused,
                    random_etags: RandomEtags,
                    html_errors: HtmlErrors,
                    hides_children: HidesChildren,
                    bare_403: Bare403,
                    garage: Garage,
                    rclone: Rclone,
                    encoding_only_claimed: EncodingOnlyClaimed,
                    list_v2_goes_nowhere: ListV2GoesNowhere,
                    ceph: Ceph,
                    ceph_suspended: CephSuspended,
                    racy_conditions: RacyConditions,
                    any_keys: AnyKeys,
                    never_not_modified: NeverNotModified,
                }
            }
        }
    )*};
}

/// Runs cases on one of the dialects where time passes.
macro_rules! on_dialect {
    ($name:ident: $dialect:ident; $($case:ident),* $(,)?) => {
        mod $name {
            use tidelock_conformance::{Dialect, Place, Store};

            $(
                #[test]
                fn $case() {
                    super::$case(&Place::new(Store::Dialect(Dialect::$dialect)));
                }
            )*
        }
    };
}

/// `case` on stores.
macro_rules! on_stores {
    ($($name:ident: $store:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            case(&Place::new(Store::$store));
        }
    )*};
}

/// `case` on Garage, on request.
macro_rules! on_garage {
    () => {
        #[test]
        #[ignore = "its build takes minutes: cargo xtask servers garage -- cargo test … -- --ignored garage"]
        fn garage() {
            case(&Place::new(Store::Garage));
        }
    };
}

/// `case` on Ceph, in a suite of its own.
macro_rules! on_ceph {
    () => {
        #[test]
        #[ignore = "Ceph's programs are large: cargo xtask test ceph"]
        fn ceph() {
            case(&Place::new(Store::Ceph));
        }
    };
}

/// `case` on dialects.
macro_rules! on_dialects {
    ($($name:ident: $dialect:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            case(&Place::new(Store::Dialect(Dialect::$dialect)));
        }
    )*};
}

mod clock;
mod convergence;
mod counts;
mod doctor;
mod documents;
mod evidence;
mod faults;
mod kinds;
mod load;
mod mirrors;
mod objects;
mod odd_keys;
mod policy;
mod race;
mod refusals;
mod secrecy;
mod space;
