//! Tells the listeners of this node what happens in the cluster.

use ligand_transporters::Name;
use serde_json::{Value, json};

use super::{LocalEvent, ServiceBroker};
use crate::membership::Message;

impl ServiceBroker {
    /// Publishes a local event of the broker. Handlers of local services run in a task on the broker's
    /// runtime. They never run on the caller's thread, which may be that of the control loop.
    pub(crate) fn publish_local(&self, name: &'static str, data: Value) {
        let shared = self.shared();
        let event = LocalEvent { name: Name::from_static(name), data };
        shared.local_bus.publish(&event);
        // Services get no events before the start, and none after all hooks have run.
        let listening =
            shared.lifecycle.is_open() && !shared.registry.load().local_handlers(name, &[], true).is_empty();
        if listening && let Some(runtime) = shared.runtime.get() {
            let broker = self.clone();
            let task = async move {
                // The broker may have stopped before this task begins. Then nobody listens any more.
                if let Err(error) = broker.broadcast_local(name, &event.data).await
                    && broker.shared().lifecycle.is_open()
                {
                    tracing::warn!(event = name, error = %error, "local event failed");
                }
            };
            shared.tracker.spawn_on(task, runtime);
        }
    }

    /// Services were added or removed, on this node (`local`) or on another one.
    pub(crate) fn services_changed(&self, local: bool) {
        let shared = self.shared();
        shared.changed.send_modify(|count| *count = count.wrapping_add(1));
        self.publish_local("$services.changed", json!({ "localService": local }));
        if local && let Some(transit) = shared.transit() {
            transit.tell(Message::ServicesChanged);
        }
    }
}
