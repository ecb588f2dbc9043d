//! Owned and borrowed clients: who may keep them, and what their calls live by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use ligand::call::{AnyCaller, Call, Caller, OutgoingCall, Response};
use ligand::testing::MockCaller;
use ligand::{Context, Payload, Result, ServiceBroker, service};
use serde_json::json;

use crate::ways::{Way, alone, on_every_way};

/// What a handler keeps and what it borrows.
struct Echo;

#[service(name = "echo")]
impl Echo {
    #[action]
    async fn say(&self, text: String) -> Result<String> {
        Ok(text)
    }

    #[action]
    async fn who(&self, ctx: Context) -> Result<(String, Option<String>)> {
        Ok((ctx.request_id().to_string(), ctx.meta().get("who")))
    }

    /// Whether a call of an owned client belongs to this one as one of a borrowed client does.
    #[action]
    async fn both(&self, ctx: Context) -> Result<bool> {
        ctx.meta().set("who", "ada")?;
        let borrowed = EchoClient::new(&ctx).who().await?;
        let owned = EchoClient::new(ctx.clone());
        let spawned = tokio::spawn(owned.who().into_future()).await.map_err(ligand::Error::internal)??;
        Ok(borrowed == spawned && spawned.1.as_deref() == Some("ada"))
    }
}

/// Keeps its client, as a service or a gateway does.
#[derive(Debug, Clone)]
struct Gateway {
    echo: EchoClient<'static>,
}

impl Gateway {
    fn new(caller: impl Into<AnyCaller<'static>>) -> Self {
        Self { echo: EchoClient::new(caller) }
    }
}

#[tokio::test]
async fn an_owned_client_is_kept_cloned_and_its_calls_are_spawned() {
    on_every_way(
        || Echo,
        async |broker, way| {
            let gateway = Gateway::new(broker.clone());
            let calls = ["a", "b"].map(|text| {
                let gateway = gateway.clone();
                let call: Call<'static, String> = gateway.echo.say(text.into());
                drop(gateway);
                tokio::spawn(call.into_future())
            });
            for (call, text) in calls.into_iter().zip(["a", "b"]) {
                assert_eq!(call.await.unwrap().unwrap(), text, "{way:?}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_call_outlives_the_client_it_was_made_by() {
    on_every_way(
        || Echo,
        async |broker, _way: Way| {
            let call = EchoClient::new(broker).say("x".into());
            assert_eq!(call.await.unwrap(), "x");
            let call = EchoClient::new(broker.clone()).say("y".into());
            assert_eq!(call.await.unwrap(), "y");
            let both = tokio::try_join!(
                EchoClient::new(broker).say("x".into()),
                EchoClient::new(broker.clone()).say("y".into()),
            );
            assert_eq!(both.unwrap(), ("x".to_owned(), "y".to_owned()));
        },
    )
    .await;
}

#[tokio::test]
async fn an_owned_context_passes_on_what_a_borrowed_one_does() {
    on_every_way(
        || Echo,
        async |broker, way| {
            assert!(EchoClient::new(broker).both().await.unwrap(), "{way:?}");
        },
    )
    .await;
}

/// A caller of the user's.
struct Counting {
    calls: AtomicU32,
    next: ServiceBroker,
}

impl Caller for Counting {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.next.dispatch(call).await
        })
    }
}

#[tokio::test]
async fn whatever_calls_can_be_borrowed_and_owned() {
    let broker = alone(Echo).await;
    let counting = Arc::new(Counting { calls: AtomicU32::new(0), next: broker.clone() });
    let as_dyn: Arc<dyn Caller> = counting.clone();
    let boxed: Box<dyn Caller> = Box::new(broker.clone());
    let clients: [EchoClient<'_>; 6] = [
        EchoClient::new(&*counting),
        EchoClient::new(&*as_dyn),
        EchoClient::new(&as_dyn),
        EchoClient::new(Arc::clone(&counting)),
        EchoClient::new(Arc::clone(&as_dyn)),
        EchoClient::new(AnyCaller::from(Arc::clone(&as_dyn))),
    ];
    for client in &clients {
        assert_eq!(client.say("x".into()).await.unwrap(), "x");
        assert_eq!(client.say("x".into()).raw().await.unwrap().decode::<String>().unwrap(), "x");
    }
    assert_eq!(counting.calls.load(Ordering::Relaxed), 12);
    assert_eq!(EchoClient::new(&boxed).say("x".into()).await.unwrap(), "x");
    let mock = MockCaller::new().on("echo.say", |p| Ok(json!(p["text"])));
    assert_eq!(Gateway::new(mock.clone()).echo.say("x".into()).await.unwrap(), "x");
    // Clones of a mock share what they were asked.
    assert_eq!(mock.calls("echo.say"), [json!({ "text": "x" })]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_future_of_an_owned_client_keeps_the_caller_until_it_is_dropped() {
    struct Never(Arc<()>);
    impl Caller for Never {
        fn dispatch(&self, _call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
            Box::pin(async move {
                let _held = &self.0;
                std::future::pending().await
            })
        }
    }
    let alive = Arc::new(());
    let call = EchoClient::new(Arc::new(Never(Arc::clone(&alive)))).say("x".into());
    let mut future = Box::pin(call.into_future());
    assert!(futures_util::poll!(&mut future).is_pending());
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(future);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn a_call_can_be_made_of_an_owned_caller_by_hand() {
    let broker = alone(Echo).await;
    let params = Ok(Payload::typed(json!({ "text": "x" })));
    let call: Call<'static, String> = Call::new(broker.clone(), "echo.say", params);
    assert_eq!(tokio::spawn(call.into_future()).await.unwrap().unwrap(), "x");
    broker.stop().await.unwrap();
}
