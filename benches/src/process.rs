//! What the kernel reports about a process: processor time and memory.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

/// The processor time, user and system, of all living threads of a process.
///
/// # Errors
/// If the process is gone, or the system has no `/proc`.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        sum += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// The memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// The total in KiB, including what it shares of its program and of libraries.
    pub resident: u64,
    /// The part in KiB that belongs only to this process: stacks, the heap, and what it has changed.
    pub own: u64,
}

/// Reads the memory of a process.
///
/// # Errors
/// If the process is gone, or the system has no `/proc`.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {name} of a process")))
    };
    Ok(Memory { resident: kib("VmRSS:")?, own: kib("RssAnon:")? })
}

/// Ports of the loopback interface that were free a moment ago.
///
/// # Errors
/// If none is left.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last one is known, so that no port is returned twice.
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// The median of some figures. If their number is even, the lower one of the two in the middle.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().checked_sub(1)? / 2).copied()
}
