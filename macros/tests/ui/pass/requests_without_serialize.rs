//! Where no client is made, nobody encodes what an action is asked.

#![deny(warnings)]

use ligand::{Params, Result, ServiceBroker, client, service};
use serde::Deserialize;

#[derive(Deserialize)]
struct Point {
    x: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trip {
    to: Point,
}

struct Trips;

#[service(name = "trips", client = false, strict)]
impl Trips {
    #[action]
    async fn near(&self, point: Point, _unused: Option<Point>) -> Result<f64> {
        Ok(point.x)
    }

    #[action]
    async fn import(&self, Params(trip): Params<Trip>) -> Result<f64> {
        Ok(trip.to.x)
    }
}

struct Rides;

#[service(name = "rides", strict)]
impl Rides {
    #[action(client = false)]
    async fn near(&self, point: Point) -> Result<f64> {
        Ok(point.x)
    }

    #[action(strict = false)]
    async fn count(&self) -> Result<u64> {
        Ok(0)
    }
}

/// A generic type is a service once per type that it is made for.
struct Store<T>(T);

#[service(name = "numbers", client = false)]
impl Store<u64> {
    #[action]
    async fn get(&self) -> Result<u64> {
        Ok(self.0)
    }
}

#[service(name = "texts", client = false)]
impl Store<String> {
    #[action]
    async fn all(&self) -> Result<String> {
        Ok(self.0.clone())
    }
}

#[client(name = "$node")]
trait Node {
    async fn list() -> Vec<serde_json::Value>;
}

#[client(name = "my mail", version = "1 beta")]
trait Mail {
    #[action(name = "send all")]
    async fn send_all();
}

fn main() {
    let broker = ServiceBroker::builder().service(Trips).service(Rides).service(Store(1)).service(Store("a".to_owned()));
    let broker = broker.build().unwrap();
    let _ = (RidesClient::new(&broker).count(), NodeClient::new(&broker).list(), MailClient::new(&broker).send_all());
    assert_eq!((NodeClient::NAME, MailClient::NAME), ("$node", "1 beta.my mail"));
}
