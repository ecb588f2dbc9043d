//! Services that are themselves written by a macro, at module level and within a function.

#![deny(warnings)]

use ligand::{IntoServiceDef, Params, Result, ServiceBroker, service};

macro_rules! store {
    ($service:ident, $name:literal, $item:ty, $result:ty, $action:ident($argument:ident)) => {
        struct $service;

        #[service(name = $name)]
        impl $service {
            #[action(timeout = "1s")]
            async fn $action(&self, $argument: $item, other: Option<$item>) -> Result<$item> {
                Ok(other.unwrap_or($argument))
            }

            #[action]
            async fn whole(&self, all: Params<Vec<$item>>) -> $result {
                Ok(all.0.len())
            }
        }
    };
}

store!(Numbers, "numbers", u64, Result<usize>, keep(number));

fn main() {
    store!(Texts, "texts", std::string::String, ligand::Result<usize>, keep(text));

    let broker = ServiceBroker::builder().service(Numbers).service(Texts).build().unwrap();
    let _ = NumbersClient::new(&broker).keep(1, None);
    let _ = TextsClient::new(&broker).keep("a".into(), None);
    assert_eq!(&**Texts.into_service_def().name(), "texts");
}
