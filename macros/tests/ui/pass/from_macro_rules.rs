//! Services that are themselves written by a macro, at module level and within a function.

#![deny(warnings)]

use ligand::{IntoServiceDef, Params, Result, ServiceBroker, service};

macro_rules! store {
    ($service:ident, $vis:vis, $name:literal, $limit:expr, $item:ty, $result:ty, $action:ident($argument:ident)) => {
        $vis struct $service;

        #[service(name = $name, settings = std::collections::BTreeMap::from([("limit", $limit)]), client(vis = $vis))]
        impl $service {
            #[action(timeout = "1s")]
            async fn $action(&self, $argument: $item, other: Option<$item>) -> Result<$item> {
                Ok(other.unwrap_or($argument))
            }

            #[event($name, group = $name)]
            async fn on_event(&self) -> Result<()> {
                Ok(())
            }

            #[action]
            async fn whole(&self, all: Params<Vec<$item>>) -> $result {
                Ok(all.0.len())
            }
        }
    };
}

store!(Numbers, pub(crate), "numbers", 1 + 2, u64, Result<usize>, keep(number));

fn main() {
    store!(Texts, pub(crate), "texts", "x", std::string::String, ligand::Result<usize>, keep(text));

    let broker = ServiceBroker::builder().service(Numbers).service(Texts).build().unwrap();
    let _ = NumbersClient::new(&broker).keep(1, None);
    let _ = TextsClient::new(&broker).keep("a".into(), None);
    assert_eq!(Texts.into_service_def().full_name().as_str(), "texts");
}
