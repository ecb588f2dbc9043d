//! The typed client: of the service itself, of a contract, through a broker, a context or a caller of one's own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use ligand::call::{Caller, OutgoingCall, Response};
use ligand::{Codec, Context, Params, Payload, Result, ServiceDef, client, service};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::ways::{Way, alone, on_every_way, on_way};

/// Counts how often it goes through a codec, in either direction. One test uses it, so nobody else counts.
#[derive(Debug, PartialEq)]
struct Counted(u64);

static CODEC_RUNS: AtomicU32 = AtomicU32::new(0);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CODEC_RUNS.fetch_add(1, Ordering::Relaxed);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CODEC_RUNS.fetch_add(1, Ordering::Relaxed);
        u64::deserialize(deserializer).map(Self)
    }
}

struct Counter;

#[service(name = "counter")]
impl Counter {
    #[action]
    async fn next(&self, of: Counted) -> Result<Counted> {
        Ok(Counted(of.0 + 1))
    }

    #[action]
    async fn next_whole(&self, Params(of): Params<Counted>) -> Result<Counted> {
        Ok(Counted(of.0 + 1))
    }

    #[action]
    async fn twice(&self, ctx: Context, of: Counted) -> Result<Counted> {
        let client = CounterClient::new(&ctx);
        let once = client.next(of).await?;
        client.next_whole(once).await
    }
}

#[tokio::test]
async fn within_a_process_the_client_moves_values_and_no_codec_runs() {
    for (way, expected) in [(Way::Moved, 0), (Way::Encoded, 12), (Way::Remote, 4)] {
        on_way(way, Counter, async |broker| {
            let before = CODEC_RUNS.load(Ordering::Relaxed);
            assert_eq!(CounterClient::new(broker).twice(Counted(1)).await.unwrap(), Counted(3));
            assert_eq!(CODEC_RUNS.load(Ordering::Relaxed) - before, expected, "{way:?}");
        })
        .await;
    }
}

struct Letters;

/// What the service really is.
#[service(name = "letters", version = "beta", client = false)]
impl Letters {
    #[action]
    async fn send(&self, to: String, copy: Option<String>) -> Result<String> {
        Ok(format!("{to} {copy:?}"))
    }

    #[action(name = "list.clear")]
    async fn clear(&self, #[allow(non_snake_case)] olderThan: u32) -> Result<u32> {
        Ok(olderThan)
    }

    #[action]
    async fn import(&self, Params(all): Params<Vec<String>>) -> Result<usize> {
        Ok(all.len())
    }

    #[action]
    async fn import_all(&self, Params(all): Params<Vec<String>>) -> Result<usize> {
        Ok(all.len() + 1)
    }

    #[action]
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

/// What a caller knows of it, in another crate or of a service in another language.
#[client(name = "letters", version = "beta")]
trait Post {
    async fn send(to: String, copy: Option<String>) -> String;
    #[action(name = "list.clear", rename(older_than = "olderThan"))]
    fn clear(&self, older_than: u32) -> Result<u32>;
    async fn import(#[params] all: Vec<String>) -> Result<usize, ligand::Error>;
    async fn import_all(all: Params<Vec<String>>) -> usize;
    async fn nothing();
    #[cfg(any())]
    async fn never(of: NoSuchType);
}

#[tokio::test]
async fn the_client_of_a_contract_calls_a_service_it_does_not_know() {
    on_every_way(
        || Letters,
        async |broker, way| {
            let post = PostClient::new(broker);
            assert_eq!(post.send("ada".into(), None).await.unwrap(), "ada None", "{way:?}");
            assert_eq!(
                post.send("ada".into(), Some("bob".into())).await.unwrap(),
                "ada Some(\"bob\")",
                "{way:?}"
            );
            assert_eq!(post.clear(3).await.unwrap(), 3, "{way:?}");
            assert_eq!(post.import(vec!["x".into()]).await.unwrap(), 1, "{way:?}");
            assert_eq!(post.import_all(vec!["x".into()]).await.unwrap(), 2, "{way:?}");
            post.nothing().await.unwrap();
        },
    )
    .await;
    assert_eq!(PostClient::NAME, "beta.letters");
}

/// Answers by itself, and keeps what it was asked.
struct Fake(Mutex<Vec<(String, Value)>>);

impl Caller for Fake {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        let params = call.params.peek(Codec::Json).unwrap().unwrap_or_default();
        let params = serde_json::from_slice(&params).unwrap_or_default();
        self.0.lock().unwrap().push((call.action, params));
        Box::pin(async {
            let node = ligand::NodeId::new("fake").map_err(ligand::Error::internal)?;
            Ok(Response::new(Payload::typed("sent".to_owned()), node))
        })
    }
}

#[tokio::test]
async fn a_client_works_through_any_caller() {
    let fake = Fake(Mutex::default());
    assert_eq!(PostClient::new(&fake).send("ada".into(), None).await.unwrap(), "sent");
    assert_eq!(PostClient::new(&fake).send("ada".into(), Some("bob".into())).await.unwrap(), "sent");
    let asked = fake.0.into_inner().unwrap();
    // What is not given is left out, as a JavaScript caller would.
    assert_eq!(asked[0], ("beta.letters.send".to_owned(), json!({ "to": "ada" })));
    assert_eq!(asked[1], ("beta.letters.send".to_owned(), json!({ "to": "ada", "copy": "bob" })));
}

#[tokio::test]
async fn a_call_of_a_client_can_be_refined() {
    let meta = ServiceDef::builder("counter").action_raw("next", |ctx: Context, _| async move {
        let who = ctx.meta().get::<String>("who").unwrap_or_default();
        Ok::<_, ligand::Error>(ligand::Reply::typed(who.len() as u64))
    });
    on_every_way(
        || meta.clone(),
        async |broker, way| {
            let call = CounterClient::new(broker).next(Counted(1)).meta("who", "ada").header("h", 1);
            assert_eq!(call.await.unwrap(), Counted(3), "{way:?}");
            CounterClient::new(broker).next(Counted(1)).ignore().await.unwrap();
        },
    )
    .await;
}

/// A client for other crates, under a name of its own.
mod shop {
    use ligand::{Result, service};

    pub(crate) struct Shop;

    #[service(name = "shop", client(vis = pub(crate), name = ShopApi))]
    impl Shop {
        #[action]
        async fn open(&self) -> Result<bool> {
            Ok(true)
        }
    }
}

#[tokio::test]
async fn the_client_has_the_name_and_the_visibility_that_were_asked_for() {
    let broker = alone(shop::Shop).await;
    let client: shop::ShopApi<'_> = shop::ShopApi::new(&broker);
    assert!(client.open().await.unwrap());
    assert_eq!(shop::ShopApi::NAME, "shop");
    broker.stop().await.unwrap();
}

/// The broker's own service: its name is no word of Rust, and none that a service of ours may have.
#[client(name = "$node")]
trait Node {
    async fn list() -> Vec<Value>;
    #[action(name = "services", rename(only_local = "onlyLocal"))]
    async fn services_of(only_local: bool) -> Vec<Value>;
}

/// What Node lets pass as a name of a service, a version and an action.
#[client(name = "my mail", version = "1 beta")]
trait MyMail {
    #[action(name = "send all")]
    async fn send_all(to: Vec<String>) -> u32;
}

#[tokio::test]
async fn a_client_may_be_of_a_service_whose_name_is_no_word_of_rust() {
    on_way(Way::Moved, Counter, async |broker| {
        let node = NodeClient::new(broker);
        assert_eq!(node.list().await.unwrap().len(), 1);
        assert_eq!(node.services_of(true).await.unwrap().len(), 2);
        assert_eq!(NodeClient::NAME, "$node");
    })
    .await;
    let caller = ligand::testing::MockCaller::new()
        .on("1 beta.my mail.send all", |params| Ok(json!(params["to"].as_array().map(Vec::len))));
    assert_eq!(MyMailClient::new(&caller).send_all(vec!["a".into()]).await.unwrap(), 1);
}
