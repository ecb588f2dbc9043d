//! Names and arguments of queues and exchanges (protocol chapter 3.5).
//!
//! A server refuses to declare an existing queue or exchange again with other arguments. So names and
//! arguments are exactly Node's. Nodes of both languages share the queues of actions, and a node may come
//! back in the other language.

use lapin::types::{FieldTable, ShortString};

use super::AmqpOptions;
use crate::{PacketKind, Route, Subscription, Topics, TransportError};

/// The destination of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// The queue of this name, through the default exchange.
    Queue(ShortString),
    /// Every queue that is bound to this exchange.
    Exchange(ShortString),
}

/// The rule for the names of queues and exchanges.
const ALLOWED: &str = "names of queues and exchanges in AMQP have at most 255 bytes";

impl Destination {
    /// # Errors
    /// The rule for names, if this name breaks it.
    pub(super) fn of(topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self, &'static str> {
        let name = ShortString::try_new(topics.to(to, kind)).map_err(|_| ALLOWED)?;
        Ok(match to {
            Route::Broadcast => Self::Exchange(name),
            _ => Self::Queue(name),
        })
    }
}

/// How packets of a queue are handed over. This also decides the channel on which it is consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Packets about the cluster: without acknowledgements, and never behind data.
    Control,
    /// Responses and events for this node: without acknowledgements.
    Data,
    /// Requests and everything that the server balances: acknowledged, with at most `prefetch` at a time.
    Acked,
}

/// One queue as this node declares and consumes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Queue {
    pub(super) name: ShortString,
    pub(super) kind: PacketKind,
    pub(super) lane: Lane,
    pub(super) durable: bool,
    pub(super) exclusive: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: FieldTable,
    /// The fanout exchange to which it is bound, if any.
    pub(super) exchange: Option<ShortString>,
}

impl Queue {
    /// The queue for a subscription. The targeted and the broadcast packets of a kind share one queue.
    ///
    /// # Errors
    /// If the name is too long for AMQP.
    pub(super) fn of(
        options: &AmqpOptions,
        topics: &Topics,
        to: &Subscription,
    ) -> Result<Self, TransportError> {
        use PacketKind::{Event, Heartbeat, Request, Response};
        let (kind, balanced) = match to {
            Subscription::Broadcast(kind) | Subscription::Own(kind) => (*kind, false),
            Subscription::BalancedRequest { .. } => (Request, true),
            Subscription::BalancedEvent { .. } => (Event, true),
        };
        let (name, exchange) = match to {
            Subscription::Broadcast(kind) => {
                (topics.of(&Subscription::Own(*kind)), Some(short(&topics.of(to))?))
            }
            _ => (topics.of(to), None),
        };
        let lane = match kind {
            Request => Lane::Acked,
            _ if balanced => Lane::Acked,
            Event | Response => Lane::Data,
            _ => Lane::Control,
        };
        let given = &options.queue_options;
        let mut arguments = given.arguments.clone();
        // The queue of an action outlives every node. What waits in it is for the next node that offers the
        // action.
        let expires = matches!(kind, Request if !balanced) || matches!(kind, Response | Event);
        if let (true, Some(after)) = (expires, options.auto_delete_queues) {
            arguments.or_number("x-expires", millis(after));
        }
        let time_to_live = match kind {
            Event => options.event_time_to_live,
            Heartbeat => options.heartbeat_time_to_live,
            _ => None,
        };
        if let Some(time) = time_to_live {
            arguments.or_number("x-message-ttl", millis(time));
        }
        Ok(Self {
            name: short(&name)?,
            kind,
            lane,
            durable: given.durable.unwrap_or(true),
            exclusive: given.exclusive.unwrap_or(false),
            auto_delete: given.auto_delete.unwrap_or(kind.is_control()),
            arguments: arguments.table(),
            exchange,
        })
    }
}

fn short(name: &str) -> Result<ShortString, TransportError> {
    ShortString::try_new(name).map_err(|_| TransportError::subscribe(name, ALLOWED))
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, Subscription};
    use lapin::types::AMQPValue;
    use std::time::Duration;

    fn queue(options: &AmqpOptions, to: &Subscription) -> Queue {
        Queue::of(options, &Topics::new("dev", NodeId::new("me").unwrap()), to).unwrap()
    }

    fn arguments(queue: &Queue) -> Vec<(String, i32)> {
        let number = |value: &AMQPValue| match value {
            AMQPValue::LongInt(number) => *number,
            other => panic!("{other:?}"),
        };
        queue.arguments.inner().iter().map(|(name, value)| (name.to_string(), number(value))).collect()
    }

    #[test]
    fn every_queue_has_the_arguments_that_node_gives_it() {
        use PacketKind::{Disconnect, Discover, Event, Heartbeat, Info, Ping, Pong, Request, Response};
        let options = AmqpOptions {
            event_time_to_live: Some(Duration::from_secs(5)),
            heartbeat_time_to_live: Some(Duration::from_secs(7)),
            ..AmqpOptions::default()
        };
        let expires = ("x-expires".to_owned(), 120_000);
        let ttl = |time| ("x-message-ttl".to_owned(), time);
        for (kind, lane, auto_delete, expected) in [
            (Request, Lane::Acked, false, vec![expires.clone()]),
            (Response, Lane::Data, false, vec![expires.clone()]),
            (Event, Lane::Data, false, vec![expires.clone(), ttl(5000)]),
            (Discover, Lane::Control, true, vec![]),
            (Info, Lane::Control, true, vec![]),
            (Ping, Lane::Control, true, vec![]),
            (Heartbeat, Lane::Control, true, vec![ttl(7000)]),
            (Disconnect, Lane::Control, true, vec![]),
            (Pong, Lane::Control, true, vec![]),
        ] {
            let queue = queue(&options, &Subscription::Own(kind));
            assert_eq!(queue.name.as_str(), format!("MOL-dev.{}.me", kind.as_str()));
            assert_eq!((queue.lane, queue.auto_delete, queue.durable), (lane, auto_delete, true), "{kind:?}");
            assert_eq!(arguments(&queue), expected, "{kind:?}");
        }
        let request = queue(&options, &Subscription::BalancedRequest { action: "math.add".into() });
        assert_eq!((request.name.as_str(), request.lane), ("MOL-dev.REQB.math.add", Lane::Acked));
        assert_eq!((arguments(&request), request.auto_delete), (vec![], false));
        let event = Subscription::BalancedEvent { event: "order.*".into(), group: "mail".into() };
        let event = queue(&options, &event);
        assert_eq!((event.name.as_str(), event.lane), ("MOL-dev.EVENTB.mail.order.*", Lane::Acked));
        assert_eq!(arguments(&event), [expires, ttl(5000)]);
    }

    #[test]
    fn a_broadcast_comes_by_the_nodes_own_queue_of_its_kind() {
        let options = AmqpOptions { auto_delete_queues: None, ..AmqpOptions::default() };
        let broadcast = queue(&options, &Subscription::Broadcast(PacketKind::Info));
        assert_eq!(broadcast.name.as_str(), "MOL-dev.INFO.me");
        assert_eq!(broadcast.exchange.unwrap().as_str(), "MOL-dev.INFO");
        let own = queue(&options, &Subscription::Own(PacketKind::Request));
        assert_eq!((arguments(&own), own.exchange), (vec![], None));
    }

    #[test]
    fn options_of_the_user_come_over_those_of_the_kind() {
        let mut options = AmqpOptions::default();
        options.queue_options.set("expires", "1000").unwrap();
        options.queue_options.set("autoDelete", "false").unwrap();
        let info = queue(&options, &Subscription::Own(PacketKind::Info));
        assert_eq!((arguments(&info), info.auto_delete), (vec![("x-expires".to_owned(), 1000)], false));
    }

    #[test]
    fn a_name_that_amqp_cannot_hold_is_an_error_and_no_panic() {
        let topics = Topics::new(&"n".repeat(250), NodeId::new("me").unwrap());
        let to = Subscription::Own(PacketKind::Request);
        let error = Queue::of(&AmqpOptions::default(), &topics, &to).unwrap_err();
        assert!(error.to_string().contains("255 bytes"));
        assert_eq!(Destination::of(&topics, &Route::Broadcast, PacketKind::Heartbeat), Err(ALLOWED));
        let topics = Topics::new("", NodeId::new("me").unwrap());
        let of = |event: usize| {
            let to = Route::BalancedEvent { event: "e".repeat(event).into(), group: "g".into() };
            Destination::of(&topics, &to, PacketKind::Event)
        };
        assert_eq!(of(243), Err(ALLOWED), "with `MOL.EVENTB.g.` before it");
        assert!(matches!(of(242), Ok(Destination::Queue(_))));
    }
}
