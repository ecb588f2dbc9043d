//! A figure beside its target, and what becomes of one that misses it.

use std::time::{Duration, Instant};

/// What was measured in one scenario on one transporter.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) transporter: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) figures: Vec<Figure>,
    /// Why there are no figures, or no more.
    pub(crate) broken: Option<String>,
    /// How the calls failed, for people.
    pub(crate) reasons: String,
    from: Instant,
}

impl Row {
    pub(crate) fn new(transporter: &'static str, scenario: &'static str) -> Self {
        Self {
            transporter,
            scenario,
            figures: Vec::new(),
            broken: None,
            reasons: String::new(),
            from: Instant::now(),
        }
    }

    pub(crate) fn broken(transporter: &'static str, scenario: &'static str, why: String) -> Self {
        Self { broken: Some(why), ..Self::new(transporter, scenario) }
    }

    /// The same, shown at once.
    pub(crate) fn printed(self) -> Self {
        print!("{}", crate::report::lines(&self));
        println!("{} | {}: {:.1} s", self.transporter, self.scenario, self.from.elapsed().as_secs_f32());
        self
    }
}

/// One number. Less is better.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// Nothing if it never came to pass.
    value: Option<f64>,
    /// How long that was waited for.
    waited: Option<u64>,
    unit: &'static str,
    /// What it should be at most.
    target: Option<f64>,
    /// What it may be at most: more fails the run.
    limit: Option<f64>,
}

impl Figure {
    fn new(name: &'static str, value: Option<f64>, unit: &'static str) -> Self {
        Self { name, value, waited: None, unit, target: None, limit: None }
    }

    pub(crate) fn count(name: &'static str, count: usize) -> Self {
        Self::new(name, u32::try_from(count).ok().map(f64::from), "")
    }

    pub(crate) fn time(name: &'static str, time: impl Into<Option<Duration>>) -> Self {
        let time = time.into().filter(|time| *time != Duration::MAX);
        Self::new(name, time.map(|time| time.as_secs_f64() * 1000.0), " ms")
    }

    pub(crate) fn times(name: &'static str, ratio: Option<f64>) -> Self {
        Self::new(name, ratio, " ×")
    }

    pub(crate) fn kib(name: &'static str, kib: u64) -> Self {
        Self::new(name, u32::try_from(kib).ok().map(f64::from), " KiB")
    }

    /// Had it come to pass, it would have done so within these seconds.
    pub(crate) fn waited_for(self, seconds: u64) -> Self {
        Self { waited: Some(seconds), ..self }
    }

    /// What it should be; missing it is shown, and nothing else.
    pub(crate) fn target(self, most: f64) -> Self {
        Self { target: Some(most), ..self }
    }

    /// What it must be.
    pub(crate) fn limit(self, most: f64) -> Self {
        Self { limit: Some(most), ..self }
    }

    /// A promise: target and limit at once.
    pub(crate) fn must_be(self, most: f64) -> Self {
        self.target(most).limit(most)
    }

    pub(crate) fn misses_target(&self) -> bool {
        self.target.is_some_and(|most| self.value.is_none_or(|value| value > most))
    }

    pub(crate) fn breaks_limit(&self) -> bool {
        self.limit.is_some_and(|most| self.value.is_none_or(|value| value > most))
    }

    pub(crate) fn shown(&self) -> String {
        match (self.value, self.unit) {
            (None, _) => match self.waited {
                Some(seconds) => format!("never (in {seconds} s)"),
                None => "never".to_owned(),
            },
            (Some(value), " ×") => format!("{value:.1}{}", self.unit),
            (Some(value), _) => format!("{value:.0}{}", self.unit),
        }
    }

    pub(crate) fn target_shown(&self) -> String {
        match (self.target, self.limit) {
            (None, None) => "none".to_owned(),
            (None, Some(limit)) => format!("at most {limit}{}", self.unit),
            (Some(target), Some(limit)) if limit > target => {
                format!("≤ {target}{0} (fails above {limit}{0})", self.unit)
            }
            (Some(0.0), Some(_)) => "0 (promise)".to_owned(),
            (Some(target), Some(_)) => format!("≤ {target}{} (promise)", self.unit),
            (Some(target), None) => format!("≤ {target}{}", self.unit),
        }
    }
}
