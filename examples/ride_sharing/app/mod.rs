//! The app: acts as the riders, observes the events, and reports.

mod flow;
mod input;
mod journal;
mod progress;
mod ready;
mod report;
mod riders;

use std::sync::Arc;
use std::time::Duration;

use ligand::{BrokerBuilder, Error, Id, ServiceBroker};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Failure;
use crate::bus::Bus;
use crate::cli::Cli;
use crate::events::RideId;
use crate::nodes;
use crate::ride::RidesClient;
use crate::role::Role;

pub(crate) use input::{Input, InputError};

use input::Request;
use journal::{Journal, JournalService};
use progress::Progress;
use riders::{Riders, Session};

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Complete,
    Incomplete,
}

/// A node with only one service, which listens.
#[derive(Debug)]
pub(crate) struct App {
    broker: ServiceBroker,
    journal: Arc<Journal>,
    riders: Arc<Riders>,
    in_flight: usize,
    patience: Duration,
    from: Instant,
}

/// A requested ride.
#[derive(Debug)]
pub(crate) struct Ride {
    request: Request,
    request_id: String,
    /// The node that logged the rider in.
    logged_in_by: Option<String>,
    /// Its number at the ride service, if that has accepted it.
    number: Option<RideId>,
    refused: Option<Error>,
    asked: Instant,
}

/// The node of the app, for [`App::start`].
pub(crate) fn node(bus: &Bus) -> BrokerBuilder {
    nodes::builder(bus, Role::App.node_id(1))
}

impl App {
    /// Joins the cluster, and waits until it is complete.
    pub(crate) async fn start(cli: &Cli, node: BrokerBuilder) -> Result<Self, Failure> {
        let journal = Arc::new(Journal::new());
        let broker = node.service(JournalService(Arc::clone(&journal))).build()?;
        broker.start().await?;
        if let Err(failure) = ready::wait(&broker, cli.replicas()).await {
            // The incomplete cluster is reported. An error of this stop would add nothing.
            let _ = broker.stop().await;
            return Err(failure);
        }
        Ok(Self {
            broker,
            journal,
            riders: Arc::default(),
            in_flight: cli.in_flight(),
            patience: cli.patience(),
            from: Instant::now(),
        })
    }

    /// Runs all rides, a limited number at a time, in the order of the input.
    pub(crate) async fn run(&self, input: &Input) -> Vec<Ride> {
        let progress = Progress::of(input.rides.len());
        let mut waiting = input.rides.iter();
        let mut under_way = JoinSet::new();
        let mut done = Vec::with_capacity(input.rides.len());
        loop {
            while under_way.len() < self.in_flight
                && let Some(request) = waiting.next()
            {
                under_way.spawn(self.passenger().ride(request.clone()));
            }
            let Some(ride) = under_way.join_next().await else { break };
            done.push(ride.expect("a ride's task is neither cancelled nor does it panic"));
            progress.one_more();
        }
        done.sort_unstable_by_key(|ride: &Ride| ride.request.line);
        done
    }

    /// Leaves the cluster, and prints what happened. `killed` contains the nodes that did not leave by themselves.
    pub(crate) async fn conclude(
        self,
        input: &Input,
        rides: &[Ride],
        killed: &[String],
    ) -> Result<Verdict, Failure> {
        let took = self.from.elapsed();
        self.broker.stop().await?;
        let (report, verdict) = report::write(input, rides, &self.journal, killed, took);
        print!("{report}");
        Ok(verdict)
    }

    fn passenger(&self) -> Passenger {
        Passenger {
            broker: self.broker.clone(),
            journal: Arc::clone(&self.journal),
            riders: Arc::clone(&self.riders),
            patience: self.patience,
        }
    }
}

/// What a task needs for a ride.
struct Passenger {
    broker: ServiceBroker,
    journal: Arc<Journal>,
    riders: Arc<Riders>,
    patience: Duration,
}

impl Passenger {
    /// Requests a ride, and waits until its flow is complete or no more events arrive.
    async fn ride(self, request: Request) -> Ride {
        let request_id = Id::random().to_string();
        let session = self.riders.session(&self.broker, &request.trip.rider).await;
        let logged_in_by = session.as_ref().ok().map(|session| session.node.clone());
        self.journal.expect(&request_id);
        let asked = Instant::now();
        let (number, refused) = match self.ask(session, &request, &request_id).await {
            Ok(number) => (Some(number), None),
            Err(error) => (None, Some(error)),
        };
        if number.is_some() {
            self.journal.complete(&request_id, self.patience).await;
        }
        Ride { request, request_id, logged_in_by, number, refused, asked }
    }

    async fn ask(
        &self,
        session: Result<Session, Error>,
        request: &Request,
        request_id: &str,
    ) -> Result<RideId, Error> {
        let trip = &request.trip;
        let rides = RidesClient::new(&self.broker);
        let call = rides.request(session?.token, trip.from, trip.to, trip.card.clone());
        let call = call.request_id(request_id);
        let call = if let Some(mark) = request.mark { call.meta(mark, true) } else { call };
        Ok(call.await?.ride)
    }
}
