//! The CPU load of this machine, for heartbeats.

/// Measures the load since it was last asked. Without the feature `cpu` the load is never known.
#[derive(Debug)]
pub(super) struct Cpu {
    #[cfg(feature = "cpu")]
    system: sysinfo::System,
}

impl Cpu {
    #[cfg(feature = "cpu")]
    pub(super) fn new() -> Self {
        let mut system = sysinfo::System::new();
        system.refresh_cpu_usage();
        Self { system }
    }

    /// The load in percent, rounded as Node rounds it.
    #[cfg(feature = "cpu")]
    pub(super) fn measure(&mut self) -> Option<u32> {
        self.system.refresh_cpu_usage();
        let load = self.system.global_cpu_usage();
        // The value is between 0 and 100, so nothing is lost.
        load.is_finite().then(|| load.round().clamp(0.0, 100.0) as u32)
    }

    #[cfg(not(feature = "cpu"))]
    pub(super) fn new() -> Self {
        Self {}
    }

    #[cfg(not(feature = "cpu"))]
    #[allow(clippy::unused_self, reason = "the other variant has a state")]
    pub(super) fn measure(&mut self) -> Option<u32> {
        None
    }
}
