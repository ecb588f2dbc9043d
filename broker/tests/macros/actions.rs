//! Each way to write an action, each option of one.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use ligand::{Codec, Context, Error, ErrorKind, Outcome, Params, Payload, Reply, Result, service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ways::{Way, alone, on_every_way, on_way};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    items: Vec<String>,
    /// Known in this process only.
    #[serde(skip)]
    note: String,
}

impl Order {
    fn new() -> Self {
        Self { items: vec!["tea".into()], note: "for the cook".into() }
    }
}

struct Desk {
    barrier: Arc<Barrier>,
}

impl Desk {
    fn new() -> Self {
        Self { barrier: Arc::new(Barrier::new(2)) }
    }
}

#[service(name = "desk", version = 2)]
impl Desk {
    #[action]
    async fn join(&self, first: String, second: Option<String>, third: Option<u32>) -> Result<String> {
        Ok(format!("{first} {second:?} {third:?}"))
    }

    #[action]
    async fn whoami(&self, asked: u32, ctx: Context, again: u32) -> Result<String> {
        Ok(format!("{} {asked} {again}", ctx.name()))
    }

    #[action]
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    #[action]
    async fn place(&self, Params(order): Params<Order>) -> Result<Order> {
        Ok(order)
    }

    #[action]
    async fn place_whole(&self, order: Params<Order>, ctx: Context) -> Result<(usize, String)> {
        Ok((order.0.items.len(), ctx.name().to_string()))
    }

    #[action(encode)]
    async fn made_encoded(&self) -> Result<Order> {
        Ok(Order::new())
    }

    #[action(encode)]
    async fn place_encoded(&self, Params(order): Params<Order>) -> Result<Order> {
        Ok(order)
    }

    #[action(raw)]
    async fn echo(&self, payload: Payload) -> Result<Reply> {
        Ok(payload.into())
    }

    #[action(raw)]
    async fn size(&self, ctx: Context, payload: Payload) -> Result<Reply> {
        let bytes = payload.peek(Codec::Json)?.map_or(0, |bytes| bytes.len());
        Ok(Reply::typed(format!("{} {bytes}", ctx.name())))
    }

    #[action(blocking)]
    fn block(&self, text: String, ctx: Context) -> Result<String> {
        self.barrier.wait();
        Ok(format!("{} {text}", ctx.name()))
    }

    #[action]
    async fn release(self: Arc<Self>) -> Result<()> {
        // Waiting here would stop the only thread of the runtime, unless `block` is on another.
        self.barrier.wait();
        Ok(())
    }

    #[action]
    async fn task(&self) -> Result<Option<String>> {
        Ok(tokio::task::try_id().map(|id| id.to_string()))
    }

    #[action(spawn)]
    async fn own_task(&self) -> Result<Option<String>> {
        Ok(tokio::task::try_id().map(|id| id.to_string()))
    }

    #[action(timeout = "30ms")]
    async fn forever(&self) -> Result<()> {
        std::future::pending().await
    }

    #[action(name = "of.another.name", rename(from = "fromCity", r#type = "kind"))]
    async fn renamed(&self, from: String, r#type: Option<String>) -> Result<String> {
        Ok(format!("{from} {}", r#type.unwrap_or_default()))
    }

    #[action(rename(_id = "_id"))]
    async fn unused(&self, name: String, _tag: Option<u32>, _id: Option<u32>) -> Result<String> {
        Ok(format!("{name} {_id:?}"))
    }

    #[action(visibility = "public")]
    async fn public(&self) -> Result<u8> {
        Ok(1)
    }

    #[action(visibility = "protected")]
    async fn protected(&self) -> Result<u8> {
        Ok(2)
    }

    #[action(visibility = "private")]
    async fn private(&self) -> Result<u8> {
        Ok(3)
    }

    #[action]
    async fn ask_private(&self, ctx: Context) -> Result<u8> {
        DeskClient::new(&ctx).private().await
    }

    #[action(client = false)]
    async fn motto(&self) -> Result<&'static str> {
        Ok("first come, first served")
    }

    /// Not an action, and borrowed data is fine here.
    fn helper<'a>(&self, text: &'a str) -> (&'a str, usize) {
        (text, Arc::strong_count(&self.barrier))
    }
}

#[tokio::test]
async fn named_arguments_are_fields_of_the_params_and_options_may_be_missing() {
    on_every_way(Desk::new, async |broker, way| {
        let client = DeskClient::new(broker);
        let text = client.join("a".into(), None, Some(3)).await.unwrap();
        assert_eq!(text, "a None Some(3)", "{way:?}");
        let text: String = broker.call("v2.desk.join", json!({ "first": "a", "third": 3 })).await.unwrap();
        assert_eq!(text, "a None Some(3)", "{way:?}");
        let text: String = broker
            .call("v2.desk.join", json!({ "first": "a", "second": null, "third": 3, "more": [] }))
            .await
            .unwrap();
        assert_eq!(text, "a None Some(3)", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn params_that_do_not_fit_name_the_field_as_nodes_validator_does() {
    on_every_way(Desk::new, async |broker, way| {
        let call = async |params: Value| broker.call::<String>("v2.desk.join", params).await.unwrap_err();
        for (params, field, kind) in [
            (json!({ "second": "x" }), "first", "required"),
            (json!({ "first": 1 }), "first", "string"),
            (json!({ "first": "a", "third": "x" }), "third", "number"),
            (json!("text"), "", "object"),
        ] {
            let error = call(params.clone()).await;
            assert_eq!(error.kind(), ErrorKind::Validation, "{way:?} {params} {error:?}");
            let data = &error.data().unwrap()[0];
            assert_eq!(
                (&data["field"], &data["type"]),
                (&json!(field), &json!(kind)),
                "{way:?} {params} {data}"
            );
            assert_eq!(data["action"], "v2.desk.join");
        }
        let message = call(json!("text")).await.data().unwrap()[0]["message"].to_string();
        assert!(message.contains("an object, the params of `v2.desk.join`"), "{way:?} {message}");
    })
    .await;
}

#[tokio::test]
async fn the_context_may_stand_anywhere_and_is_not_part_of_the_params() {
    on_every_way(Desk::new, async |broker, way| {
        let text = DeskClient::new(broker).whoami(1, 2).await.unwrap();
        assert_eq!(text, "v2.desk.whoami 1 2", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn an_action_without_arguments_accepts_whatever_it_is_given() {
    on_every_way(Desk::new, async |broker, _| {
        DeskClient::new(broker).nothing().await.unwrap();
        for params in [json!({}), json!(null), json!([1]), json!({ "a": 1 })] {
            broker.call::<()>("v2.desk.nothing", params).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_whole_object_is_moved_within_a_process_and_encoded_beyond_it() {
    on_every_way(Desk::new, async |broker, way| {
        let client = DeskClient::new(broker);
        let expected =
            if way == Way::Moved { Order::new() } else { Order { note: String::new(), ..Order::new() } };
        assert_eq!(client.place(Order::new()).await.unwrap(), expected, "{way:?}");
        let (items, name) = client.place_whole(Order::new()).await.unwrap();
        assert_eq!((items, &*name), (1, "v2.desk.place_whole"), "{way:?}");
        let untyped: Value = broker.call("v2.desk.place", json!({ "items": ["tea"] })).await.unwrap();
        assert_eq!(untyped, json!({ "items": ["tea"] }), "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn an_encoded_action_sees_what_every_node_would_see() {
    on_every_way(Desk::new, async |broker, way| {
        let order = DeskClient::new(broker).place_encoded(Order::new()).await.unwrap();
        assert_eq!(order, Order { note: String::new(), ..Order::new() }, "{way:?}");
        let order = DeskClient::new(broker).made_encoded().await.unwrap();
        assert_eq!(order, Order { note: String::new(), ..Order::new() }, "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn a_raw_action_gets_the_payload_unread_and_builds_the_reply() {
    on_every_way(Desk::new, async |broker, way| {
        let client = DeskClient::new(broker);
        let answer = client.echo(json!({ "b": [1, 2.5] })).await.unwrap();
        assert_eq!(answer, json!({ "b": [1, 2.5] }), "{way:?}");
        assert_eq!(client.echo("text").await.unwrap(), json!("text"), "{way:?}");
        assert_eq!(client.size([0; 3]).await.unwrap(), json!("v2.desk.size 7"), "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn a_blocking_action_does_not_hold_up_the_runtime() {
    on_every_way(Desk::new, async |broker, way| {
        let client = DeskClient::new(broker);
        let (blocked, released) = tokio::join!(client.block("done".into()), client.release());
        released.unwrap();
        assert_eq!(blocked.unwrap(), "v2.desk.block done", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn a_spawned_action_has_a_task_of_its_own() {
    let here = tokio::task::try_id().map(|id| id.to_string());
    on_way(Way::Moved, Desk::new(), async |broker| {
        let client = DeskClient::new(broker);
        assert_eq!(client.task().await.unwrap(), here);
        let own = client.own_task().await.unwrap();
        assert!(own.is_some() && own != here, "{own:?}");
    })
    .await;
}

#[tokio::test]
async fn the_timeout_of_an_action_holds_for_every_caller() {
    on_every_way(Desk::new, async |broker, way| {
        let error = DeskClient::new(broker).forever().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTimeout, "{way:?} {error:?}");
        assert_ne!(error.outcome(), Outcome::NotRun, "{way:?}");
        // The caller's own word counts more.
        let error = DeskClient::new(broker).forever().timeout(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTimeout, "{way:?} {error:?}");
    })
    .await;
}

#[tokio::test]
async fn names_on_the_wire_are_the_renamed_ones() {
    on_every_way(Desk::new, async |broker, way| {
        let text = DeskClient::new(broker).renamed("Rome".into(), Some("city".into())).await.unwrap();
        assert_eq!(text, "Rome city", "{way:?}");
        let params = json!({ "fromCity": "Rome", "kind": "city" });
        let text: String = broker.call("v2.desk.of.another.name", params).await.unwrap();
        assert_eq!(text, "Rome city", "{way:?}");
        let error =
            broker.call::<Value>("v2.desk.of.another.name", json!({ "from": "Rome" })).await.unwrap_err();
        assert_eq!(error.data().unwrap()[0]["field"], "fromCity", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn an_argument_that_is_not_used_yet_keeps_its_name_on_the_wire() {
    on_every_way(Desk::new, async |broker, way| {
        let params = json!({ "name": "a", "tag": "no number", "_id": 3 });
        let error = broker.call::<Value>("v2.desk.unused", params).await.unwrap_err();
        assert_eq!(error.data().unwrap()[0]["field"], "tag", "{way:?}");
        let params = json!({ "name": "a", "_tag": "nobody's", "_id": 3 });
        assert_eq!(broker.call::<String>("v2.desk.unused", params).await.unwrap(), "a Some(3)", "{way:?}");
        let text = DeskClient::new(broker).unused("a".into(), Some(1), Some(2)).await.unwrap();
        assert_eq!(text, "a Some(2)", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn visibility_decides_who_may_call() {
    on_every_way(Desk::new, async |broker, way| {
        let client = DeskClient::new(broker);
        assert_eq!(client.public().await.unwrap(), 1, "{way:?}");
        let refused =
            |error: Error| assert_eq!(error.kind(), ErrorKind::ServiceNotFound, "{way:?} {error:?}");
        match client.protected().await {
            Ok(answer) if way != Way::Remote => assert_eq!(answer, 2),
            other => refused(other.unwrap_err()),
        }
        refused(client.private().await.unwrap_err());
        // The service itself may.
        assert_eq!(client.ask_private().await.unwrap(), 3, "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn the_client_can_leave_an_action_out() {
    on_every_way(Desk::new, async |broker, way| {
        let text: String = broker.call("v2.desk.motto", json!({})).await.unwrap();
        assert_eq!(text, "first come, first served", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn methods_without_an_attribute_are_not_actions() {
    let broker = alone(Desk::new()).await;
    assert_eq!(Desk::new().helper("x"), ("x", 1));
    let error = broker.call::<Value>("v2.desk.helper", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
}
