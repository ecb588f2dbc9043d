//! Methods that are called what an `Arc`, a future or a client has methods of, too.

use std::sync::{Arc, Mutex};

use ligand::{Context, Payload, Reply, Result, ServiceCx, service};
use serde_json::json;

use crate::ways::{alone, on_every_way};

/// It clones, and it gets at something else, so that there is more than one `clone` and one `deref` to choose from.
#[derive(Clone, Default)]
struct Names {
    inner: String,
    noted: Arc<Mutex<Vec<&'static str>>>,
}

impl std::ops::Deref for Names {
    type Target = String;
    fn deref(&self) -> &String {
        &self.inner
    }
}

impl AsRef<str> for Names {
    fn as_ref(&self) -> &str {
        &self.inner
    }
}

impl From<Names> for String {
    fn from(names: Names) -> Self {
        names.inner
    }
}

impl Names {
    fn note(&self, what: &'static str) {
        self.noted.lock().unwrap().push(what);
    }
}

macro_rules! actions {
    ($($name:ident)*) => {
        #[service(name = "names")]
        impl Names {
            $(
                #[action]
                async fn $name(&self, ctx: Context) -> Result<String> {
                    Ok(format!("{}!", ctx.name()))
                }
            )*

            #[action]
            async fn clone(self: Arc<Self>, of: String) -> Result<String> {
                Ok(format!("a copy of {of}"))
            }

            // Found on a client are `new`, `into` and `try_into` of Rust's own.
            #[action(client = false)]
            async fn into(self: Arc<Self>) -> Result<usize> {
                Ok(Arc::strong_count(&self).min(1))
            }

            #[action(raw)]
            async fn to_owned(&self, payload: Payload) -> Result<Reply> {
                Ok(payload.into())
            }

            #[action(blocking)]
            fn borrow(&self, book: String) -> Result<String> {
                Ok(book)
            }

            #[action(client = false)]
            async fn new(&self) -> Result<usize> {
                Ok(2)
            }

            #[action(blocking)]
            fn upgrade(self: Arc<Self>, book: String) -> Result<String> {
                Ok(book)
            }

            #[event("names.downgraded")]
            async fn downgrade(&self, by: u32) -> Result<()> {
                self.note(if by == 3 { "downgrade" } else { "?" });
                Ok(())
            }

            #[event("names.upgraded")]
            async fn clone_from(self: Arc<Self>) -> Result<()> {
                self.note("clone_from");
                Ok(())
            }

            #[started]
            async fn deref(&self, cx: ServiceCx) -> Result<()> {
                let _ = cx;
                self.note("deref");
                Ok(())
            }

            #[stopped]
            async fn drop(self: Arc<Self>) -> Result<()> {
                self.note("drop");
                Ok(())
            }
        }

        async fn call_all(client: NamesClient<'_>) {
            $(
                let name = concat!("names.", stringify!($name), "!");
                assert_eq!(client.$name().await.unwrap(), name);
            )*
        }
    };
}

actions! {
    as_ref as_ptr as_mut borrow_mut deref_mut eq ne cmp partial_cmp hash fmt to_string try_from from default get_mut
    make_mut strong_count type_id poll into_future call dispatch origin emit name ctx params checks len trim build
    into_service_def
}

#[tokio::test]
async fn an_action_may_be_called_what_a_smart_pointer_has_a_method_of() {
    on_every_way(<Names as Default>::default, async |broker, way| {
        let client = NamesClient::new(broker);
        call_all(NamesClient::new(broker)).await;
        assert_eq!(client.clone("it".into()).await.unwrap(), "a copy of it", "{way:?}");
        assert_eq!(broker.call::<usize>("names.into", ()).await.unwrap(), 1, "{way:?}");
        assert_eq!(broker.call::<usize>("names.new", ()).await.unwrap(), 2, "{way:?}");
        assert_eq!(client.to_owned("text").await.unwrap(), json!("text"), "{way:?}");
        assert_eq!(client.borrow("a book".into()).await.unwrap(), "a book", "{way:?}");
        assert_eq!(client.upgrade("a book".into()).await.unwrap(), "a book", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn so_may_event_handlers_and_hooks() {
    let names = <Names as Default>::default();
    let noted = Arc::clone(&names.noted);
    let broker = alone(names).await;
    broker.broadcast_local("names.downgraded", json!({ "by": 3 })).await.unwrap();
    broker.broadcast_local("names.upgraded", ()).await.unwrap();
    broker.stop().await.unwrap();
    assert_eq!(*noted.lock().unwrap(), ["deref", "downgrade", "clone_from", "drop"]);
}
