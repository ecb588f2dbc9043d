//! What a service says about itself, as other nodes read it.

use ligand::{Context, IntoServiceDef, Result, ServiceBroker, service};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ways::{alone, on_every_way};

struct Catalogue {
    limit: u32,
}

#[derive(Serialize)]
struct Settings {
    limit: u32,
    secret: &'static str,
    #[serde(rename = "$secureSettings")]
    secure: [&'static str; 1],
}

#[service(
    name = "catalogue",
    version = 3,
    settings = Settings { limit: self.limit, secret: "s", secure: ["secret"] },
    metadata = json!({ "region": format!("eu-{}", self.limit) }),
)]
impl Catalogue {
    /// Looks one up.
    #[action(
        timeout = "1m",
        visibility = "public",
        rest = json!({ "method": "GET", "path": "/:id" }),
        params = json!({ "id": { "type": "number", "positive": true } }),
        extra(cache = json!({ "keys": ["id"] }), description = "looks one up", tags = ["read"]),
    )]
    async fn get(&self, id: u32) -> Result<u32> {
        Ok(id + self.limit)
    }

    #[action(rest = "POST /")]
    async fn add(&self) -> Result<()> {
        Ok(())
    }

    #[event("item.*", group = "shelf", extra(context = true))]
    async fn on_item(&self, ctx: Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }
}

#[tokio::test]
async fn every_key_of_the_definition_is_published_untouched() {
    on_every_way(
        || Catalogue { limit: 9 },
        async |broker, way| {
            let query = json!({ "withActions": true, "withEvents": true, "skipInternal": true });
            let services: Value = broker.call("$node.services", query).await.unwrap();
            let service = services.as_array().unwrap().iter().find(|one| one["name"] == "catalogue").unwrap();
            assert_eq!(
                (&service["fullName"], &service["version"]),
                (&json!("v3.catalogue"), &json!(3)),
                "{way:?}"
            );
            assert_eq!(service["settings"], json!({ "limit": 9 }), "{way:?}");
            assert_eq!(service["metadata"]["region"], "eu-9", "{way:?}");
            assert_eq!(
                service["actions"]["v3.catalogue.get"],
                json!({
                    "name": "v3.catalogue.get",
                    "rawName": "get",
                    "timeout": 60_000,
                    "visibility": "public",
                    "rest": { "method": "GET", "path": "/:id" },
                    "params": { "id": { "type": "number", "positive": true } },
                    "cache": { "keys": ["id"] },
                    "description": "looks one up",
                    "tags": ["read"],
                }),
                "{way:?}"
            );
            assert_eq!(service["actions"]["v3.catalogue.add"]["rest"], "POST /", "{way:?}");
            assert_eq!(
                service["events"]["item.*"],
                json!({ "name": "item.*", "group": "shelf", "context": true }),
                "{way:?}"
            );
        },
    )
    .await;
}

/// One interface over any store.
struct Shelf<S, const N: usize> {
    store: S,
}

trait Store: Send + Sync + 'static {
    type Failure: Into<ligand::Error> + Send;
    fn count(&self) -> std::result::Result<usize, Self::Failure>;
}

struct Memory;

impl Store for Memory {
    type Failure = ligand::Error;
    fn count(&self) -> Result<usize> {
        Ok(3)
    }
}

#[service(name = "shelf")]
impl<S, const N: usize> Shelf<S, N>
where
    S: Store,
{
    #[action]
    async fn count(&self) -> Result<usize, S::Failure> {
        Ok(self.store.count()? + N)
    }
}

#[tokio::test]
async fn a_generic_service_has_one_interface() {
    on_every_way(
        || Shelf::<_, 4> { store: Memory },
        async |broker, way| {
            assert_eq!(ShelfClient::new(broker).count().await.unwrap(), 7, "{way:?}");
        },
    )
    .await;
}

struct Conditional;

#[service(name = "conditional")]
impl Conditional {
    #[cfg(any())]
    #[action]
    async fn size(&self, of: NoSuchType) -> Result<NoSuchType> {
        Err(of)
    }

    #[cfg(not(any()))]
    #[action]
    async fn size(&self, of: String) -> Result<usize> {
        Ok(of.len())
    }

    #[cfg(any())]
    #[event("size.*")]
    async fn on_size(&self, of: NoSuchType) -> Result<()> {}

    #[cfg(any())]
    #[started]
    async fn open(&self, cx: NoSuchModule::ServiceCx) -> Result<()> {}
}

#[tokio::test]
async fn what_a_condition_leaves_out_leaves_nothing_behind() {
    let def = Conditional.into_service_def();
    assert_eq!(
        format!("{def:?}"),
        r#"ServiceDef { name: "conditional", actions: ["size"], events: [], .. }"#
    );
    let broker = alone(Conditional).await;
    assert_eq!(ConditionalClient::new(&broker).size("four".into()).await.unwrap(), 4);
    broker.stop().await.unwrap();
}

/// The macro finds ligand where it is told to; `macros/tests/renamed.rs` does without `::ligand` altogether.
mod elsewhere {
    pub(crate) use ligand as bus;

    pub(crate) struct Bell;

    #[bus::service(name = "bell", crate = bus)]
    impl Bell {
        #[action]
        async fn ring(&self, times: u32) -> Result<u32, RingError> {
            if times == 0 { Err(RingError) } else { Ok(times) }
        }
    }

    #[derive(Debug, thiserror::Error, bus::ActionError)]
    #[error("silence")]
    #[action_error(crate = bus, code = 418)]
    pub(crate) struct RingError;

    #[bus::client(name = "bell", crate = bus)]
    pub(crate) trait Ringer {
        async fn ring(times: u32) -> u32;
    }
}

#[tokio::test]
async fn the_path_to_ligand_can_be_given() {
    let broker: ServiceBroker = alone(elsewhere::Bell).await;
    assert_eq!(elsewhere::BellClient::new(&broker).ring(2).await.unwrap(), 2);
    let error = elsewhere::RingerClient::new(&broker).ring(0).await.unwrap_err();
    assert_eq!(error.code(), Some(&ligand::Code::Number(418)));
    assert!(error.downcast::<elsewhere::RingError>().is_some());
    broker.stop().await.unwrap();
}
