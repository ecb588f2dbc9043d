//! Calls whose answer does not matter are written without naming its type.

use ligand::{Context, Result, ServiceBroker, service};
use serde_json::json;

struct Math;

#[service(name = "math")]
impl Math {
    #[action]
    async fn add(&self, a: i64, b: i64) -> Result<i64> {
        Ok(a + b)
    }

    #[action]
    async fn relay(&self, ctx: Context) -> Result<()> {
        ctx.call("math.add", json!({ "a": 1, "b": 2 })).ignore().await
    }
}

#[tokio::test]
async fn an_answer_that_does_not_matter_needs_no_type() -> Result<(), Box<dyn std::error::Error>> {
    let broker = ServiceBroker::builder().service(Math).build()?;
    broker.start().await?;
    let params = json!({ "a": 1, "b": 2 });

    broker.call::<()>("math.add", &params).await?;
    broker.call("math.add", &params).ignore().await?;
    broker.call("math.add", &params).meta("user", 7).ignore().await?;
    broker.call("math.relay", ()).ignore().await?;
    assert_eq!(broker.call("math.add", &params).raw().await?.decode::<i64>()?, 3);

    let math = MathClient::new(&broker);
    math.add(1, 2).ignore().await?;
    assert_eq!(math.add(1, 2).raw().await?.decode::<i64>()?, 3);

    let sum: i64 = broker.call("math.add", &params).await?;
    assert_eq!(sum, math.add(1, 2).await?);
    broker.stop().await?;
    Ok(())
}
