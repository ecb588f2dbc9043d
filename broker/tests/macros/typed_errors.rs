//! `error = …`: the client of a service that says its error type gives it back.

use ligand::call::{ByService, Call};
use ligand::testing::MockCaller;
use ligand::{ActionError, CallError, Context, Error, ErrorKind, Outcome, Result, client, service};
use serde_json::json;

use crate::ways::{alone, on_every_way};

#[derive(Debug, PartialEq, thiserror::Error, ActionError)]
#[action_error(code = 409)]
enum StockError {
    #[error("no {sku} left")]
    SoldOut { sku: String },
    #[error("closed")]
    #[action_error(retryable)]
    Closed,
    #[error("{note}")]
    Partly {
        #[action_error(skip)]
        note: String,
    },
}

struct Stock;

#[service(name = "stock", error = StockError)]
impl Stock {
    #[action]
    async fn take(&self, sku: String) -> Result<u32, StockError> {
        match &*sku {
            "chair" => Err(StockError::SoldOut { sku }),
            "partly" => Err(StockError::Partly { note: "half of it".into() }),
            _ => Ok(3),
        }
    }

    /// Whatever is a `ligand::Error` passes, too; one of its own is read back all the same.
    #[action]
    async fn move_all(&self, ctx: Context, to: String) -> Result<()> {
        match &*to {
            "nowhere" => ctx.call("nowhere.take", json!({})).await,
            "shop" => Err(Error::client(404, "CLOSED", "another service is closed")),
            _ => Err(StockError::Closed.into()),
        }
    }
}

struct Shop;

#[service(name = "shop")]
impl Shop {
    /// `?` makes the error what it was before.
    #[action]
    async fn buy(&self, ctx: Context, sku: String) -> Result<u32> {
        Ok(StockClient::new(&ctx).take(sku).await?)
    }
}

/// The same service, as another crate sees it.
#[client(name = "stock", error = StockError)]
trait Shelf {
    async fn take(sku: String) -> Result<u32, StockError>;
    async fn move_all(to: String) -> Result<(), Error>;
}

#[tokio::test]
async fn the_error_of_the_service_comes_back_as_what_it_was_beside_the_error_as_it_came() {
    on_every_way(
        || Stock,
        async |broker, way| {
            let stock = StockClient::new(broker);
            assert_eq!(stock.take("table".into()).await.unwrap(), 3, "{way:?}");
            let error = stock.take("chair".into()).await.unwrap_err();
            let CallError::Service(of, came) = &error else { panic!("{way:?}: {error:?}") };
            assert_eq!(*of, StockError::SoldOut { sku: "chair".into() });
            assert_eq!((came.kind(), came.outcome()), (ErrorKind::Application, Outcome::Ran));
            assert_eq!(came.data(), Some(&json!({ "sku": "chair" })));
            assert_eq!(error.to_string(), "no chair left", "{way:?}");
            assert_eq!(error.service(), Some(of));
            let untyped = broker.call::<u32>("stock.take", json!({ "sku": "chair" })).await.unwrap_err();
            let back = Error::from(error);
            let parts = |error: &Error| {
                (
                    error.kind(),
                    error.outcome(),
                    error.code().cloned(),
                    error.data().cloned(),
                    error.node().cloned(),
                    error.stack().map(str::len),
                    error.to_string(),
                )
            };
            assert_eq!(parts(&back), parts(&untyped), "{way:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn whatever_else_goes_wrong_is_other() {
    on_every_way(
        || Stock,
        async |broker, way| {
            let stock = StockClient::new(broker);
            // The error of an action that says `ligand::Result` is read back where it is the service's own.
            let own = stock.move_all("cellar".into()).await.unwrap_err();
            assert_eq!(own.service(), Some(&StockError::Closed), "{way:?}");
            assert!(own.error().is_retryable());
            // A class of another service, an error passed on, a variant that cannot be rebuilt.
            for (call, kind) in [
                (stock.move_all("shop".into()).await, ErrorKind::Application),
                (stock.move_all("nowhere".into()).await, ErrorKind::ServiceNotFound),
                (stock.take("partly".into()).await.map(drop), ErrorKind::Application),
            ] {
                let error = call.unwrap_err();
                assert!(
                    matches!(&error, CallError::Other(came) if came.kind() == kind),
                    "{way:?}: {error:?}"
                );
                assert_eq!(error.service(), None);
            }
        },
    )
    .await;
    let broker = alone(Stock).await;
    broker.stop().await.unwrap();
    let error = StockClient::new(&broker).take("chair".into()).await.unwrap_err();
    assert!(matches!(&error, CallError::Other(came) if came.outcome() == Outcome::NotRun), "{error:?}");
}

#[tokio::test]
async fn in_a_handler_the_error_becomes_one_of_the_broker_and_stays_what_it_was() {
    let broker = alone(Stock).await;
    broker.add(Shop).await.unwrap();
    let error = ShopClient::new(&broker).buy("chair".into()).await.unwrap_err();
    assert_eq!(error.downcast(), Some(StockError::SoldOut { sku: "chair".into() }));
    assert_eq!((error.error_type(), error.outcome()), (Some("SOLD_OUT"), Outcome::Ran));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_contract_gives_the_error_back_as_well_and_calls_can_be_refined() {
    on_every_way(
        || Stock,
        async |broker, way| {
            let call: Call<'_, u32, ByService<StockError>> = ShelfClient::new(broker).take("chair".into());
            let error = call.meta("who", "ada").timeout(std::time::Duration::from_secs(3)).await.unwrap_err();
            assert_eq!(error.service(), Some(&StockError::SoldOut { sku: "chair".into() }), "{way:?}");
            let ignored = ShelfClient::new(broker).take("chair".into()).ignore().await.unwrap_err();
            assert_eq!(ignored.service(), Some(&StockError::SoldOut { sku: "chair".into() }));
            ShelfClient::new(broker).take("table".into()).ignore().await.unwrap();
            let raw: Error = ShelfClient::new(broker).take("chair".into()).raw().await.unwrap_err();
            assert_eq!(raw.downcast(), Some(StockError::SoldOut { sku: "chair".into() }));
            let moved = ShelfClient::new(broker).move_all("cellar".into()).await.unwrap_err();
            assert_eq!(moved.service(), Some(&StockError::Closed));
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_read_back_is_other() {
    #[derive(Debug, PartialEq, thiserror::Error, ActionError)]
    #[error("rude")]
    struct RudeError {
        of: Rude,
    }
    #[derive(Debug, PartialEq, serde::Serialize)]
    struct Rude;
    impl<'de> serde::Deserialize<'de> for Rude {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("as it always does")
        }
    }
    #[client(name = "rude", error = RudeError)]
    trait RudeService {
        async fn ask();
    }
    let mock = MockCaller::new().fails("rude.ask", RudeError { of: Rude }.into());
    let error = RudeServiceClient::new(&mock).ask().await.unwrap_err();
    assert!(matches!(&error, CallError::Other(came) if came.error_type() == Some("RUDE_ERROR")), "{error:?}");
}
