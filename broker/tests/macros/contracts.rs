//! `implements = …`: a service that keeps a contract, wherever that stands, and the contract's client that calls it.

use ligand::{ActionError, CallError, Context, Params, Payload, Reply, Result, service};

use crate::ways::on_every_way;

/// The contract, with types that nobody imports who keeps it.
mod terms {
    use ligand::{ActionError, client};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Reservation {
        pub(crate) sku: String,
        pub(crate) pieces: u32,
    }

    #[derive(Debug, PartialEq, thiserror::Error, ActionError)]
    pub(crate) enum StockError {
        #[error("no {sku} left")]
        SoldOut { sku: String },
    }

    /// What a stock does.
    #[client(name = "stock", version = 2, error = StockError)]
    pub(crate) trait Stock {
        async fn reserve(sku: String, pieces: u32) -> Result<Reservation, StockError>;
        #[action(name = "list.all", rename(only_free = "onlyFree"))]
        async fn list(only_free: Option<bool>) -> Vec<Reservation>;
        async fn import(#[params] all: Vec<Reservation>) -> usize;
        async fn echo(text: String) -> String;
        async fn close();
    }
}

/// Keeps it under its own name, by a path.
struct Warehouse;

#[service(name = "stock", version = 2, error = terms::StockError, implements = terms::Stock)]
impl Warehouse {
    #[action]
    async fn reserve(
        &self,
        ctx: Context,
        pieces: u32,
        sku: String,
        // Callers by the contract leave it out.
        note: Option<String>,
    ) -> Result<terms::Reservation, terms::StockError> {
        let _ = (ctx, note);
        match pieces {
            0 => Err(terms::StockError::SoldOut { sku }),
            _ => Ok(terms::Reservation { sku, pieces }),
        }
    }

    #[action(name = "list.all")]
    async fn all(&self, #[allow(non_snake_case)] onlyFree: Option<bool>) -> Result<Vec<terms::Reservation>> {
        let _ = onlyFree;
        Ok(Vec::new())
    }

    #[action]
    async fn import(&self, Params(all): Params<Vec<terms::Reservation>>) -> Result<usize> {
        Ok(all.len())
    }

    /// A raw action reads its params itself.
    #[action(raw)]
    async fn echo(&self, payload: Payload) -> Result<Reply> {
        let params: serde_json::Value = payload.take().map_err(ligand::Error::internal)?;
        Ok(Reply::typed(params["text"].as_str().unwrap_or_default().to_owned()))
    }

    #[action]
    async fn close(&self) -> ligand::Result<()> {
        Ok(())
    }

    /// More than the contract asks for.
    #[action]
    async fn more(&self, of: u8) -> Result<u8> {
        Ok(of)
    }

    #[cfg(any())]
    #[action]
    async fn never(&self, of: NoSuchType) -> Result<()> {}
}

/// Another way to say the same, in another module and generic: by a `use`, and by aliases of the types.
mod other {
    use super::terms::{self, Stock};
    use ligand::{Params, service};

    pub(super) trait Shelf: Send + Sync + 'static {
        const PIECES: u32;
    }

    pub(super) struct Shelves<S>(pub(super) S);

    type Held = terms::Reservation;

    #[service(name = "stock", version = "v2", client = false, implements = Stock)]
    impl<S: Shelf> Shelves<S> {
        #[cfg(test)]
        #[action]
        async fn reserve(&self, sku: String, pieces: u32) -> ligand::Result<Held> {
            let _ = &self.0;
            Ok(Held { sku, pieces: pieces.min(S::PIECES) })
        }

        #[cfg(not(test))]
        #[action]
        async fn reserve(&self, sku: u8, pieces: u8) -> ligand::Result<u8> {}

        #[action(name = "list.all", rename(free = "onlyFree"))]
        async fn all(&self, free: std::option::Option<bool>) -> ligand::Result<Vec<Held>> {
            let _ = free;
            Ok(Vec::new())
        }

        #[action]
        async fn import(&self, all: Params<Vec<Held>>) -> Result<usize, terms::StockError> {
            Ok(all.0.len() + 1)
        }

        #[action(blocking)]
        fn echo(&self, text: String) -> ligand::Result<String> {
            Ok(text)
        }

        #[action(strict)]
        async fn close(&self) -> ligand::Result<()> {
            Ok(())
        }
    }
}

struct Small;

impl other::Shelf for Small {
    const PIECES: u32 = 2;
}

#[tokio::test]
async fn a_service_that_keeps_a_contract_is_called_by_the_contracts_client() {
    on_every_way(
        || Warehouse,
        async |broker, way| {
            let stock = terms::StockClient::new(broker);
            let held = stock.reserve("chair".into(), 3).await.unwrap();
            assert_eq!(held, terms::Reservation { sku: "chair".into(), pieces: 3 }, "{way:?}");
            let refused = stock.reserve("chair".into(), 0).await.unwrap_err();
            let expected = terms::StockError::SoldOut { sku: "chair".into() };
            assert!(matches!(&refused, CallError::Service(error, _) if *error == expected), "{refused:?}");
            assert_eq!(stock.list(Some(true)).await.unwrap(), []);
            assert_eq!(stock.import(vec![held]).await.unwrap(), 1);
            assert_eq!(stock.echo("x".into()).await.unwrap(), "x");
            stock.close().await.unwrap();
            // The service's own client has more.
            assert_eq!(WarehouseClient::new(broker).more(3).await.unwrap(), 3);
        },
    )
    .await;
}

#[tokio::test]
async fn a_contract_is_kept_in_another_module_by_a_generic_service_and_under_conditions() {
    on_every_way(
        || other::Shelves(Small),
        async |broker, way| {
            let stock = terms::StockClient::new(broker);
            assert_eq!(stock.reserve("chair".into(), 3).await.unwrap().pieces, 2, "{way:?}");
            assert_eq!(stock.import(Vec::new()).await.unwrap(), 1);
            assert_eq!(stock.list(None).await.unwrap(), []);
            assert_eq!(stock.echo("x".into()).await.unwrap(), "x");
            stock.close().await.unwrap();
        },
    )
    .await;
}

/// Everything within a function, where the contract is nobody else's.
#[tokio::test]
async fn contract_and_service_may_stand_in_a_function() {
    #[ligand::client(name = "bell")]
    trait Bell {
        async fn ring(times: u32) -> u32;
    }

    struct Brass;

    #[service(name = "bell", client = false, implements = Bell)]
    impl Brass {
        #[action]
        async fn ring(&self, times: u32) -> Result<u32> {
            Ok(times)
        }
    }

    let broker = crate::ways::alone(Brass).await;
    assert_eq!(BellClient::new(&broker).ring(3).await.unwrap(), 3);
    broker.stop().await.unwrap();
}

/// A second contract of the same trait name and service, exported as the first is.
pub(crate) mod one {
    /// Rings.
    #[ligand::client(name = "bell")]
    pub trait Bell {
        /// Once.
        async fn ring() -> u32;
    }
}

/// The same again.
pub(crate) mod two {
    /// Rings.
    #[ligand::client(name = "bell")]
    pub trait Bell {
        /// Once.
        async fn ring() -> u32;
    }
}

struct Both;

#[service(name = "bell", client = false, implements = two::Bell)]
impl Both {
    #[action]
    async fn ring(&self) -> Result<u32> {
        Ok(2)
    }
}

#[tokio::test]
async fn contracts_of_one_name_stand_beside_each_other() {
    let broker = crate::ways::alone(Both).await;
    assert_eq!(one::BellClient::new(&broker).ring().await.unwrap(), 2);
    assert_eq!(two::BellClient::new(&broker).ring().await.unwrap(), 2);
    broker.stop().await.unwrap();
}

/// An error of its own that the contract knows nothing of is the service's business.
#[derive(Debug, thiserror::Error, ActionError)]
#[error("cracked")]
struct Cracked;

struct Old;

#[service(name = "bell", client = false, implements = one::Bell)]
impl Old {
    #[action]
    async fn ring(&self) -> Result<u32, Cracked> {
        Err(Cracked)
    }
}

#[tokio::test]
async fn a_contract_that_says_no_error_asks_for_none() {
    let broker = crate::ways::alone(Old).await;
    let error = one::BellClient::new(&broker).ring().await.unwrap_err();
    assert_eq!(error.error_type(), Some("CRACKED"));
    broker.stop().await.unwrap();
}
