//! Everything an interface can have, on one service.

use std::sync::Arc;

use ligand::{
    ActionError, Context, Params, Payload, Reply, Result, ServiceBroker, ServiceCx, Shared, client, service,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(code = 422)]
enum CartError {
    #[error("empty")]
    Empty,
    #[error("no {item}")]
    #[action_error(code = 404, type = "NO_ITEM", retryable)]
    Missing { item: String },
    #[error(transparent)]
    #[action_error(transparent)]
    Call(#[from] ligand::Error),
}

trait Store: Send + Sync + 'static {
    fn count(&self) -> u64;
}

struct Carts<S> {
    store: S,
}

#[service(
    name = "carts",
    version = "beta",
    depends_on = ["mail"],
    settings = json!({ "limit": 3 }),
    metadata = json!({ "count": self.store.count() }),
    client(vis = pub(crate), name = CartsApi),
)]
impl<S: Store> Carts<S> {
    #[action(timeout = "3s", visibility = "public", rename(who = "customer"), spawn, encode, rest = "POST /carts")]
    async fn open(&self, ctx: Context, who: u64, note: Option<String>) -> Result<Cart, CartError> {
        let _ = (ctx, who, note);
        Err(CartError::Empty)
    }

    #[action(name = "place.order", params = json!({ "items": "array" }), extra(cache = true))]
    async fn place(self: Arc<Self>, Params(cart): Params<Cart>) -> Result<Cart> {
        Ok(cart)
    }

    #[action(blocking)]
    fn hash(&self, text: String) -> Result<u64> {
        Ok(text.len() as u64 + self.store.count())
    }

    #[action(raw)]
    async fn echo(&self, payload: Payload, _ctx: Context) -> Result<Reply> {
        Ok(payload.into())
    }

    #[action(client = false)]
    async fn motto(&self) -> Result<&'static str> {
        Ok("first come")
    }

    #[cfg(any())]
    #[action]
    async fn never(&self, of: NoSuchType) -> Result<()> {}

    #[event("user.*", group = "carts", concurrency = 1)]
    async fn on_user(&self, id: u64) -> Result<(), CartError> {
        Err(CartError::Missing { item: id.to_string() })
    }

    #[event("cart.closed")]
    async fn on_closed(&self, ctx: Context, cart: Shared<Cart>) -> Result<()> {
        let _ = (ctx, cart.items.len());
        Ok(())
    }

    #[started]
    async fn opened(&self, cx: ServiceCx) -> Result<()> {
        cx.spawn(async {});
        Ok(())
    }

    #[stopped]
    async fn closed(&self) -> Result<()> {
        Ok(())
    }

    fn helper<'a, T>(&mut self, x: &'a T) -> &'a T {
        x
    }
}

/// Sends letters.
#[client(name = "mail", version = 2)]
trait Mail {
    async fn send(to: String, copy: Option<String>) -> u64;
    #[action(name = "list.clear", rename(older_than = "olderThan"))]
    fn clear(&self, older_than: u32) -> Result<()>;
    async fn import(#[params] cart: Cart);
}

async fn calls(broker: &ServiceBroker) -> Result<()> {
    let carts = CartsApi::new(broker);
    let _: Cart = carts.open(1, None).timeout(std::time::Duration::from_secs(1)).await?;
    let _: Cart = carts.place(Cart { items: Vec::new() }).await?;
    let _: u64 = carts.hash("a".into()).await?;
    let _: serde_json::Value = carts.echo(json!({})).await?;
    let mail = MailClient::new(broker);
    let _: u64 = mail.send("ada".into(), None).await?;
    mail.clear(3).await?;
    mail.import(Cart { items: Vec::new() }).await
}

fn main() {
    let _ = calls;
    assert_eq!((CartsApi::NAME, MailClient::NAME), ("beta.carts", "v2.mail"));
}
