//! A node's connection to the network.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::pin::pin;
use std::sync::Arc;

use super::hub::{Hub, Space, Tally};
use super::inbox::Inbox;
use super::port::{DENIED, Port, Refused};
use super::routes::Routes;
use crate::{
    Connection, Frame, Link, PacketKind, Route, SendError, Subscription, TransportError, Up, WriteFrame,
    collect,
};

/// Dropping it removes the node from the network.
#[derive(Debug)]
pub(crate) struct Live {
    hub: Arc<Hub>,
    port: Arc<Port>,
    space: Space,
    namespace: String,
}

impl Live {
    pub(crate) fn open(hub: Arc<Hub>, link: &Link) -> Result<Self, TransportError> {
        let namespace = link.namespace().to_owned();
        let (port, space) = hub.join(link.node(), &namespace)?;
        link.up(Up::First);
        link.read(Inbox::new(Arc::clone(&port)));
        link.spawn(Arc::clone(&port).report(link.clone()));
        Ok(Self { hub, port, space, namespace })
    }

    fn carry(&self, to: &Port, frame: Frame) -> Result<(), Refused> {
        self.hub.carry(self.port.id(), to, frame)
    }

    /// Sends to every receiver. It is enough if one accepts. There are several only if an id is used twice.
    fn to_all<'a>(
        &self,
        receivers: impl Iterator<Item = &'a Arc<Port>>,
        frame: Frame,
    ) -> Result<(), SendError> {
        let mut receivers = receivers.peekable();
        let (mut full, mut arrived) = (false, false);
        while let Some(receiver) = receivers.next() {
            let result = if receivers.peek().is_none() {
                match self.carry(receiver, frame) {
                    Ok(()) => return Ok(()),
                    Err(refused) if !arrived => return self.settle(full || refused.is_full()),
                    Err(_) => return Ok(()),
                }
            } else {
                self.carry(receiver, Frame::new(frame.kind, frame.payload.clone()))
            };
            match result {
                Ok(()) => arrived = true,
                Err(refused) => full |= refused.is_full(),
            }
        }
        self.settle(full)
    }

    /// Sends to the first receiver that accepts.
    fn to_one<'a>(
        &self,
        receivers: impl Iterator<Item = &'a Arc<Port>>,
        mut frame: Frame,
    ) -> Result<(), SendError> {
        let mut full = false;
        for receiver in receivers {
            let (kind, payload) = (frame.kind, frame.payload.clone());
            match self.carry(receiver, frame) {
                Ok(()) => return Ok(()),
                Err(refused) => full |= refused.is_full(),
            }
            frame = Frame::new(kind, payload);
        }
        self.settle(full)
    }

    fn to_everybody(&self, receivers: &[Arc<Port>], frame: &Frame) {
        for receiver in receivers {
            if let Err(refused) = self.carry(receiver, Frame::new(frame.kind, frame.payload.clone())) {
                let tally = &self.hub.tally;
                Tally::add(if refused.is_full() { &tally.overflowed } else { &tally.unrouted });
            }
        }
        if receivers.is_empty() {
            Tally::add(&self.hub.tally.unrouted);
        }
    }

    /// The result for a frame that nobody accepted. A bus does not know who is there, so only a full queue is
    /// an error.
    fn settle(&self, full: bool) -> Result<(), SendError> {
        if full {
            return Err(SendError::Full);
        }
        Tally::add(&self.hub.tally.unrouted);
        Ok(())
    }

    /// Whether a frame to `to` would find room, or no receiver.
    fn has_room(&self, to: &Route) -> bool {
        let routes = self.space.load();
        // Each receiver is asked, so that each notifies when it has room.
        let any = |ports: &mut dyn Iterator<Item = &Arc<Port>>| {
            let asked: Vec<bool> = ports.map(|port| port.has_room()).collect();
            asked.is_empty() || asked.contains(&true)
        };
        match to {
            Route::Broadcast => true,
            Route::Node { id, .. } => any(&mut routes.to_id(id)),
            Route::BalancedRequest { action } => any(&mut routes.request(action)),
            Route::BalancedEvent { event, group } => any(&mut routes.event(event, group)),
        }
    }
}

impl Refused {
    fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }
}

#[async_trait]
impl Connection for Live {
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        self.hub.resubscribe(&self.port, &self.namespace, |all, denied| {
            if let Some(denied) = to.iter().find(|one| denied.contains(*one)) {
                return Err(TransportError::subscribe(self.port.topic(&self.namespace, denied), DENIED));
            }
            all.extend(to.iter().cloned());
            Ok(())
        })
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        self.hub.resubscribe(&self.port, &self.namespace, |all, _| {
            all.retain(|one| !from.contains(one));
            Ok(())
        })
    }

    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        _token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        if !self.port.is_connected() {
            return Err(SendError::Disconnected);
        }
        let frame = Frame::new(kind, collect(write, self.hub.options.max_frame)?);
        let routes = self.space.load();
        let routes: &Routes = &routes;
        match to {
            Route::Node { id, .. } => self.to_all(routes.own(id, kind), frame),
            Route::Broadcast => {
                self.to_everybody(routes.everybody(kind), &frame);
                Ok(())
            }
            Route::BalancedRequest { action } => self.to_one(routes.request(action), frame),
            Route::BalancedEvent { event, group } => self.to_one(routes.event(event, group), frame),
        }
    }

    fn room<'a>(&'a self, to: &'a Route) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            loop {
                let mut notified = pin!(self.hub.room.notified());
                // Subscribes before the check, so that no notification is missed in between.
                notified.as_mut().enable();
                if !self.port.is_connected() || self.has_room(to) {
                    return;
                }
                notified.await;
            }
        })
    }

    async fn close(&self) -> Result<(), TransportError> {
        // The frames that were accepted are already in the queues of their receivers.
        self.hub.leave(&self.port, &self.namespace);
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.hub.leave(&self.port, &self.namespace);
    }
}
