//! What the benchmarks share: services to measure, packets, and figures about processes.

pub mod info;
pub mod process;
pub mod services;

/// Whether tokio's feature `test-util` was compiled in, which makes its clock slower.
///
/// No crate can ask for the features of another one. But `tokio::time::pause` exists only with this feature.
/// Without it, the name below refers to the function next to it.
#[must_use]
pub fn test_util() -> bool {
    struct Absent;
    trait Kind {
        const PRESENT: bool;
    }
    impl Kind for () {
        const PRESENT: bool = true;
    }
    impl Kind for Absent {
        const PRESENT: bool = false;
    }
    fn is_present<T: Kind>(_: fn() -> T) -> bool {
        T::PRESENT
    }
    #[allow(dead_code, reason = "shadowed by tokio's function, if that exists")]
    fn pause() -> Absent {
        Absent
    }
    {
        #[allow(unused_imports, reason = "see above")]
        use tokio::time::*;
        is_present(pause)
    }
}

/// How this program was built, as text for a table.
#[must_use]
pub fn build() -> String {
    let with = |present: bool| if present { "with" } else { "without" };
    format!("built {} `testing`, {} tokio's `test-util`", with(ligand::__bench::TESTING), with(test_util()))
}
