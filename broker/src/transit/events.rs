//! Events of other nodes: finds the handlers and runs them.

use ligand_transporters::{Ack, Name, NodeId};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Transit;
use super::load::InHand;
use super::stats::Counters;
use crate::broker::{ServiceBroker, Spread, Waiting, run_local};
use crate::context::{At, Bag, Context, Deadline, Descent, Scope};
use crate::id::LazyId;
use crate::payload::Payload;
use crate::protocol::Event;

impl Transit {
    pub(super) fn receive_event(
        self: &Arc<Self>,
        broker: &ServiceBroker,
        sender: NodeId,
        event: &Event,
        ack: Option<Ack>,
    ) {
        let shared = broker.shared();
        let size = event.context.frame.len();
        let under_way = shared.tracker.len();
        // A stop that begins meanwhile waits for this event too.
        let _counted = shared.tracker.token();
        if shared.lifecycle.is_stopping() || !self.load.has_room_for_event(size, under_way) {
            Counters::add(&self.stats.events_dropped);
            return;
        }
        let groups: Vec<Name> =
            event.groups().map(|groups| groups.map(Name::from).collect()).unwrap_or_default();
        let snapshot = shared.registry.load();
        let handlers = snapshot.local_handlers(event.event(), &groups, event.broadcast);
        drop(snapshot);
        if handlers.is_empty() {
            return;
        }
        let data = match event.data() {
            Some(data) => Payload::from_encoded(self.wire.codec, data.into_bytes()),
            None => Payload::empty(),
        };
        let data = match handlers.len() {
            1 => Ok(data),
            _ => data.into_shared(self.wire.codec),
        };
        let Ok(data) = data else { return };
        let context = &event.context;
        let descent = Descent {
            request_id: context.request_id().map(Into::into),
            parent_id: context.parent_id().map(Into::into),
            caller: context.caller().map(Into::into),
            from: Some(sender),
            pinned: None,
            groups,
        };
        let scope = Scope {
            name: Some(event.event().into()),
            // As in Node, the context gets an id of its own.
            id: LazyId::default(),
            level: context.level.unwrap_or(1),
            tracing: context.tracing,
            awaited: AtomicBool::new(false),
            spread: Some(if event.broadcast { Spread::Broadcast } else { Spread::Emit }),
            meta: Bag::from_raw(context.meta().into_bytes()),
            headers: context.headers().map(|headers| Bag::from_raw(headers.into_bytes())).unwrap_or_default(),
            deadline: Deadline::after(None),
            descent: Some(Box::new(descent)),
        };
        let cx = Context::new(broker.clone(), At::Unpicked, scope);
        run_local(&cx, &handlers, data, &Waiting::GoOn(Some(InHand::until_acknowledged(self, size, ack))));
    }
}
