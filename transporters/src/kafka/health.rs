//! Whether the servers are gone, when librdkafka says so.

/// What librdkafka calls a server that it knows from the configuration alone.
const BOOTSTRAP: &str = "/bootstrap:";

/// What it says of servers, and what that is worth. It also says that all are down when it only lets go of
/// some, which it counts like failures (librdkafka 2.12.1, `rd_kafka_broker_decommission`; mended later by its
/// pull request 5600).
#[derive(Debug, Default)]
pub(super) struct Health {
    /// What went wrong last between here and a server.
    trouble: Option<String>,
    /// Whether a server has ever answered.
    met: bool,
}

/// What to make of all servers being down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are, and why.
    Lost(String),
    /// None of them failed: only asking tells.
    Doubtful,
}

impl Health {
    /// Something went wrong with a server. Once one has answered, those of the configuration alone say
    /// nothing: that one told which there are.
    pub(super) fn failed(&mut self, why: &str) {
        if !(self.met && why.contains(BOOTSTRAP)) {
            self.trouble = Some(why.to_owned());
        }
    }

    /// A server has answered.
    pub(super) fn answered(&mut self) {
        (self.trouble, self.met) = (None, true);
    }

    /// What went wrong last.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Librdkafka says that all servers are down.
    pub(super) fn all_down(&self) -> Verdict {
        self.trouble.clone().map_or(Verdict::Doubtful, Verdict::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed";
    const CLOSED: &str = "[thrd:127.0.0.1:9093/1]: 127.0.0.1:9093/1: Disconnected (after 300ms in state UP)";

    #[test]
    fn servers_that_failed_are_gone() {
        let mut health = Health::default();
        health.failed(REFUSED);
        assert_eq!(health.all_down(), Verdict::Lost(REFUSED.to_owned()));
        health.answered();
        assert_eq!(health.trouble(), None);
        health.failed(CLOSED);
        assert_eq!(health.all_down(), Verdict::Lost(CLOSED.to_owned()));
    }

    #[test]
    fn servers_that_were_let_go_of_are_not() {
        let mut health = Health::default();
        assert_eq!(health.all_down(), Verdict::Doubtful);
        health.failed(REFUSED);
        health.answered();
        assert_eq!(health.all_down(), Verdict::Doubtful, "another one has answered since");
        health.failed(REFUSED);
        assert_eq!(health.all_down(), Verdict::Doubtful, "it is known from the configuration alone");
    }
}
