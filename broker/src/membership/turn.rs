//! One turn of the control loop: handles a message, if there is one, and whatever is due.

use ligand_transporters::NodeId;

use super::discoverer::Discoverer;
use super::driver::TICK;
use super::env::Env;
use super::mailbox::Message;

/// How nodes learn of each other, and what that acts on.
pub(super) struct Turn<'a> {
    pub(super) discoverer: &'a mut dyn Discoverer,
    pub(super) env: Env<'a>,
}

impl Turn<'_> {
    pub(super) fn run(&mut self, message: Option<Message>) {
        if let Some(message) = message {
            self.take(message);
        }
        if self.env.now >= self.env.state.next_tick().min(self.discoverer.next_tick()) {
            self.tick();
        }
        self.log();
    }

    pub(super) fn take(&mut self, message: Message) {
        let Self { discoverer, env } = self;
        match message {
            Message::Frame(frame) => self.frame(frame),
            Message::Sighted { node, addr, source } => discoverer.sighted(env, &node, &addr, source),
            Message::Lost { node } => self.lost(node),
            Message::Stranger { node, version } => discoverer.stranger(env, &node, version),
            Message::Discovered(event) => discoverer.store_event(env, event),
            Message::Up(how) => env.transit.came_up(env.broker, how),
            Message::WrongVersion { sender, ver } => env.wrong_version(&sender, &ver),
            Message::ServicesChanged => env.services_changed(),
            Message::Waiting => discoverer.waiting(env.now),
            Message::CaughtUp(done) => {
                // The receiver may be gone.
                let _ = done.send(());
            }
            Message::Claim(done) => self.claim(done),
            Message::Ready(done, info) => self.ready(done, info),
            Message::Announce(info) => self.announce_again(info),
            Message::TakeBack(done) => self.take_back(done),
            Message::Away => self.go_away(),
            Message::Back(info) => self.come_back(info),
            Message::Leaving(done) => self.announce_leaving(done),
            Message::Farewell(done) => self.leave(done),
        }
    }

    /// The connection to a node broke.
    fn lost(&mut self, node: NodeId) {
        self.discoverer.lost(&mut self.env, &node);
        if let Some(addr) = self.env.transit.stood_in_for(&node) {
            self.env.state.claim.conflict.unreachable(addr);
            self.settle_start();
        }
        // Calls may wait even for a node that was not known as online.
        self.env.fail_calls_soon(node);
    }

    /// Does what is due. May be called at any time.
    pub(super) fn tick(&mut self) {
        let now = self.env.now;
        self.defend();
        self.announce_changes();
        self.env.fail_calls_due();
        if self.env.state.claim.due().any(|at| now >= at) {
            self.settle_start();
        }
        self.discoverer.tick(&mut self.env);
        if now >= self.env.state.next_tick {
            self.env.state.next_tick = now + TICK;
            if self.discoverer.is_broadcast() {
                self.env.tell_of_versions();
            }
            self.env.report_conflicts();
        }
    }

    /// Logs what could not be logged before, and what shares one line with more of its kind. Must be called
    /// after every turn.
    fn log(&mut self) {
        self.env.log_departures();
        self.env.transit.uplink().log_outage(self.env.now);
        self.discoverer.log(&self.env);
    }
}
