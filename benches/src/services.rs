//! Services whose handlers do next to nothing.

use ligand::layer::{Layer, WrappedAction};
use ligand::{ActionFn, Context, Error, ServiceBroker, ServiceDef};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Parameters of `math.add`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// One addend.
    pub a: i64,
    /// The other one.
    pub b: i64,
}

impl Pair {
    /// The sum.
    ///
    /// # Errors
    /// Never. Handlers return results.
    #[allow(clippy::unused_async, reason = "a handler")]
    pub async fn add(self) -> Result<i64, Error> {
        Ok(self.a.wrapping_add(self.b))
    }
}

/// The service `math` with `add` and 200 other actions.
#[must_use]
pub fn math() -> ServiceDef {
    let mut service = ServiceDef::builder("math").action("add", |_cx: Context, pair: Pair| pair.add());
    for other in 0..200 {
        service = service
            .action(ligand::ActionDef::new(format!("other{other}")), |_cx: Context, pair: Pair| pair.add());
    }
    service.build()
}

/// A layer that changes nothing, in both chains.
#[derive(Debug, Clone, Copy)]
pub struct PassOn;

impl Layer for PassOn {
    fn name(&self) -> &'static str {
        "pass-on"
    }

    fn around(&self, _action: &str, next: ActionFn) -> ActionFn {
        pass_on(next)
    }

    fn action(&self, _action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        pass_on(next)
    }
}

fn pass_on(next: ActionFn) -> ActionFn {
    Arc::new(move |cx, params| {
        let answer = next(cx, params);
        Box::pin(answer)
    })
}

/// A started broker with these services and without a transporter.
///
/// # Panics
/// If it cannot be built or started.
pub async fn started(builder: ligand::BrokerBuilder) -> ServiceBroker {
    let broker = builder.build().expect("the configuration is valid");
    broker.start().await.expect("nothing can fail without a transporter");
    broker
}
