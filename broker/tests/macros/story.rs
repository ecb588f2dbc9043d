//! Services that call each other as the design shows them: concurrent calls through typed clients, a refusal that is
//! no failure, an error of one's own that wraps those of others.

use std::sync::Mutex;
use std::time::Duration;

use ligand::{ActionError, Context, Params, Result, ResultExt, ServiceBroker, service};
use serde::{Deserialize, Serialize};
use serde_json::json;

const OFFER_PATIENCE: Duration = Duration::from_secs(1);

type RiderId = u64;
type DriverId = u64;
type TripId = usize;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Quote {
    cents: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Offer {
    Accepted,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Trip {
    id: TripId,
    rider: RiderId,
    driver: DriverId,
    quote: Quote,
}

struct Pricing;

#[service(name = "pricing")]
impl Pricing {
    #[action]
    async fn quote(&self, from: Point, to: Point) -> Result<Quote> {
        Ok(Quote { cents: ((to.x - from.x).hypot(to.y - from.y) * 100.0) as u32 })
    }
}

struct Drivers;

#[service(name = "drivers")]
impl Drivers {
    #[action]
    async fn nearest(&self, from: Point, count: usize) -> Result<Vec<DriverId>> {
        Ok(if from.x < 0.0 { Vec::new() } else { (1..=3).take(count).collect() })
    }

    #[action]
    async fn offer(&self, driver: DriverId, quote: Quote) -> Result<Offer> {
        Ok(if driver == 2 && quote.cents > 0 { Offer::Accepted } else { Offer::Refused })
    }
}

#[derive(Default)]
struct Trips {
    opened: Mutex<Vec<Trip>>,
    started: Mutex<Vec<TripId>>,
}

#[derive(Debug, thiserror::Error, ActionError)]
enum TripError {
    #[error("no driver near {near:?}")]
    #[action_error(code = 404, type = "NO_DRIVER", retryable)]
    NoDriver { near: Point },
    #[error("unknown trip {0}")]
    #[action_error(code = 404, type = "UNKNOWN_TRIP")]
    Unknown(TripId),
    #[error(transparent)]
    #[action_error(transparent)]
    Call(#[from] ligand::Error),
}

#[service(name = "trips", version = 1, depends_on = ["drivers", "pricing"])]
impl Trips {
    /// Books the nearest free driver for a rider.
    #[action(timeout = "3s")]
    async fn request(&self, ctx: Context, rider: RiderId, from: Point, to: Point) -> Result<Trip, TripError> {
        let drivers = DriversClient::new(&ctx);
        let (quote, nearby) =
            tokio::try_join!(PricingClient::new(&ctx).quote(from, to), drivers.nearest(from, 5),)?;
        for driver in nearby {
            // A refusal is an answer, not a failure: try the next one.
            if drivers.offer(driver, quote.clone()).timeout(OFFER_PATIENCE).await? == Offer::Accepted {
                let trip = self.open(rider, driver, quote).or_internal("opening trip")?;
                ctx.emit("trip.started", &trip).await?;
                return Ok(trip);
            }
        }
        Err(TripError::NoDriver { near: from })
    }

    #[action]
    async fn get(&self, id: TripId) -> Result<Trip, TripError> {
        self.opened.lock().unwrap().get(id).cloned().ok_or(TripError::Unknown(id))
    }

    #[event("trip.started", group = "trips", concurrency = 1)]
    async fn on_started(&self, Params(trip): Params<Trip>) -> Result<()> {
        self.started.lock().unwrap().push(trip.id);
        Ok(())
    }

    #[stopped]
    async fn flush(&self) -> Result<()> {
        self.started.lock().unwrap().clear();
        Ok(())
    }
}

impl Trips {
    fn open(&self, rider: RiderId, driver: DriverId, quote: Quote) -> Result<Trip, std::fmt::Error> {
        let mut opened = self.opened.lock().unwrap();
        let trip = Trip { id: opened.len(), rider, driver, quote };
        opened.push(trip.clone());
        Ok(trip)
    }
}

#[tokio::test]
async fn a_trip_is_requested_offered_around_and_found_again() {
    let broker =
        ServiceBroker::builder().service(Trips::default()).service(Drivers).service(Pricing).build().unwrap();
    broker.start().await.unwrap();
    let trips = TripsClient::new(&broker);
    let (here, there) = (Point { x: 0.0, y: 0.0 }, Point { x: 3.0, y: 4.0 });

    let trip = trips.request(7, here, there).await.unwrap();
    assert_eq!(trip, Trip { id: 0, rider: 7, driver: 2, quote: Quote { cents: 500 } });
    assert_eq!(trips.get(0).await.unwrap(), trip);

    let Some(TripError::Unknown(1)) = trips.get(1).await.unwrap_err().downcast() else {
        panic!("no such trip")
    };
    let nowhere = Point { x: -1.0, y: 0.0 };
    let error = trips.request(7, nowhere, there).await.unwrap_err();
    let Some(TripError::NoDriver { near }) = error.downcast() else { panic!("{error:?}") };
    assert_eq!(near, nowhere);
    assert!(error.is_retryable());

    let text: serde_json::Value = broker.call("v1.trips.get", json!({ "id": 0 })).await.unwrap();
    assert_eq!(text["quote"]["cents"], 500);
    broker.stop().await.unwrap();
}
