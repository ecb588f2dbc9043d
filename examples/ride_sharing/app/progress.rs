//! A progress bar on standard error, for many rides.

use indicatif::{ProgressBar, ProgressStyle};

use super::report::FEW;

/// Shows how many rides are done. Shows nothing if standard error is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn of(rides: usize) -> Self {
        if rides <= FEW {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rides in {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(rides as u64).with_style(style))
    }

    pub(crate) fn one_more(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
