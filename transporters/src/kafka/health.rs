//! Decides whether the servers are gone, when librdkafka says so.

/// The part of a name by which librdkafka marks a server that it knows only from the configuration.
const BOOTSTRAP: &str = "/bootstrap:";

/// What librdkafka says about servers, and how far to trust it. It also says that all servers are down when
/// it only drops some of them, which it counts as failures (librdkafka 2.12.1,
/// `rd_kafka_broker_decommission`; fixed later by its pull request 5600).
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The last error between this node and a server.
    trouble: Option<String>,
    /// Whether a server has ever answered.
    met: bool,
}

/// What it means that all servers are down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are down, for this reason.
    Lost(String),
    /// None of them has failed. Only asking shows whether they are there.
    Doubtful,
}

impl Health {
    /// Notes an error with a server. Once a server has answered, errors of servers from the configuration do
    /// not count, because that server has said which servers there are.
    pub(super) fn failed(&mut self, why: &str) {
        if !(self.met && why.contains(BOOTSTRAP)) {
            self.trouble = Some(why.to_owned());
        }
    }

    /// Notes that a server has answered.
    pub(super) fn answered(&mut self) {
        (self.trouble, self.met) = (None, true);
    }

    /// The last error.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Decides what it means that librdkafka reports all servers down.
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
