//! Starts nodes of both kinds and lets them find each other.

mod child;
mod js;
mod pair;
mod place;
mod services;

pub(crate) use child::RustChild;
pub(crate) use js::{Js, Version, derives_keys, folder, node_version};
pub(crate) use pair::{Pair, services_of};
pub(crate) use place::{Cluster, built, rust_node};
pub(crate) use services::{Heard, mail, rs, shared};

pub(crate) use tests_support::until;

/// Logs of our own nodes, shown by the test runner beside a failure.
pub(crate) fn logs() {
    let filter = std::env::var("LIGAND_LOG").unwrap_or_else(|_| "ligand=debug".to_owned());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().with_ansi(false).finish();
    // An error says that an earlier test has installed it.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Makes two tests of an async function that takes a [`Version`]: one for each.
macro_rules! with_both_versions {
    ($($name:ident)*) => {$(
        mod $name {
            use crate::harness::{Version, logs};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_0_15() {
                logs();
                super::$name(Version::V015).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_0_14() {
                logs();
                super::$name(Version::V014).await;
            }
        }
    )*};
}
pub(crate) use with_both_versions;
