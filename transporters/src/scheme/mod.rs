//! Finds the transporter for a URL.

mod backend;
mod into;
#[cfg(test)]
mod places;
mod registry;
mod url;

use serde_json::Value;
use std::sync::Arc;

#[allow(unused_imports, reason = "the in-memory network has a URL only")]
pub(crate) use backend::{Backend, backend};
pub use into::{IntoTransporter, TransporterChoice};
pub use registry::Schemes;
pub use url::TransporterUrl;

use crate::suggest::nearest;
use crate::{TransportError, Transporter};
use registry::is_of_scheme;

/// The transporters that exist. Each has a module, the schemes of its URLs, and the feature that compiles it
/// in. The first scheme is also the name that Moleculer knows.
macro_rules! schemes {
    ($($module:ident::$Backend:ident: [$first:literal $(, $alias:literal)*] if $feature:literal;)*) => {
        /// The schemes that this build understands, each with the feature that compiles it in. The feature is
        /// empty for a scheme that needs none.
        pub const SCHEMES: &[(&str, &str)] = &[
            ("memory", ""),
            $(#[cfg(feature = $feature)] ($first, $feature),)*
        ];

        /// Schemes of transporters that exist, whether compiled in or not.
        const KNOWN: &[(&str, &str)] = &[("memory", ""), $(($first, $feature), $(($alias, $feature),)*)*];

        /// The transporter of a scheme that is compiled in.
        fn built_in(scheme: &str, url: &TransporterUrl) -> Option<Result<Arc<dyn Transporter>, TransportError>> {
            Some(match scheme {
                "memory" => made::<crate::memory::Memory>(url),
                $(
                    #[cfg(feature = $feature)]
                    $first $(| $alias)* => made::<crate::$module::$Backend>(url),
                )*
                _ => return None,
            })
        }

        /// The transporters of this build.
        pub mod backends {
            #[doc(inline)]
            pub use crate::memory;
            #[cfg(feature = "_bus")]
            #[doc(inline)]
            pub use crate::{BusLimits, TlsOptions};
            $(
                #[cfg(feature = $feature)]
                #[doc(inline)]
                pub use crate::$module;
            )*
        }

        /// The options of each transporter of this build, by its first scheme.
        #[cfg(test)]
        pub(crate) fn tables() -> Vec<crate::options::Table> {
            vec![$(
                #[cfg(feature = $feature)]
                crate::options::Table::of($first, crate::$module::$Backend::new().options()),
            )*]
        }
    };
}

schemes! {
    tcp::Tcp: ["tcp"] if "tcp";
    nats::Nats: ["nats", "tls"] if "nats";
    redis::Redis: ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"]
        if "redis";
    mqtt::Mqtt: ["mqtt", "mqtts"] if "mqtt";
    amqp::Amqp: ["amqp", "amqps"] if "amqp";
    kafka::Kafka: ["kafka", "kafka+tls"] if "kafka";
}

fn made<B: Backend>(url: &TransporterUrl) -> Result<Arc<dyn Transporter>, TransportError> {
    Ok(Arc::new(B::by_url(url)?))
}

/// The transporter for a URL such as `tcp://` or `memory://name`, or for a bare name such as `TCP`, as
/// Moleculer writes it.
///
/// # Errors
/// [`TransportError::Config`] if the scheme is unknown or not compiled in, or if the URL has an error. The
/// message says what to do.
pub fn transporter_for(url: &str) -> Result<Arc<dyn Transporter>, TransportError> {
    Schemes::default().transporter(&TransporterUrl::new(url))
}

/// The transporter of a kind such as `TCP`, with options by Node's names, as in Node's `{ type, options }`. A
/// value that is an object is JSON.
///
/// # Errors
/// [`TransportError::Config`] names the unknown kind, the unknown option, or the value that is not valid.
pub fn transporter_with(
    kind: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Arc<dyn Transporter>, TransportError> {
    let options = options.into_iter().map(|(name, text)| (name, Value::String(text)));
    Schemes::default().transporter(&TransporterUrl::new(kind).with_options(options))
}

/// The error for a scheme that no transporter has. `own` are the schemes that the program has added.
fn unknown<'a>(scheme: &str, own: impl Iterator<Item = &'a str> + Clone) -> TransportError {
    let compiled: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).chain(own.clone()).collect();
    let compiled = compiled.join(", ");
    let feature_of = |scheme: &str| KNOWN.iter().find(|(known, _)| *known == scheme);
    TransportError::Config(match feature_of(scheme) {
        Some((_, feature)) => format!(
            "the transporter `{scheme}` is not compiled in: enable the feature `{feature}` of ligand (compiled in: {compiled})"
        ),
        // Text that is not a scheme may contain a password.
        None if !scheme.chars().all(is_of_scheme) => format!(
            "a transporter is named by a URL such as `nats://host:4222`, and this has no `://`: compiled in are {compiled}"
        ),
        None => {
            let known = KNOWN.iter().map(|(known, _)| *known).chain(own);
            let hint = nearest(scheme, known).map(|near| format!(", did you mean `{near}`?"));
            let hint = hint.unwrap_or_default();
            format!("unknown transporter scheme `{scheme}`{hint} (compiled in: {compiled})")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        transporter_for(url).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_misspelt_scheme_is_answered_with_the_nearest() {
        for (url, near) in [
            ("nat://a", "nats"),
            ("nast://a", "nats"),
            ("redsi://a", "redis"),
            ("ampq://a", "amqp"),
            ("kakfa://a", "kafka"),
            ("memroy://a", "memory"),
            ("tcpp://", "tcp"),
            ("mqttss", "mqtts"),
        ] {
            assert!(refused(url).contains(&format!("did you mean `{near}`?")), "{url}: {}", refused(url));
        }
        assert!(!refused("carrierpigeon://a").contains("did you mean"), "{}", refused("carrierpigeon://a"));
    }

    #[test]
    fn what_is_no_url_is_not_printed() {
        for text in ["nats:user:canary@host", "user:canary@host:4222", "canary/x"] {
            let said = refused(text);
            assert!(said.contains("no `://`") && !said.contains("canary"), "{said}");
        }
    }

    #[test]
    fn a_transporter_shows_its_servers_without_credentials() {
        let shown = |url: &str| transporter_for(url).unwrap().url();
        assert_eq!(shown("memory://test-net"), "memory://test-net");
        #[cfg(feature = "tcp")]
        assert_eq!(shown("tcp://"), "tcp://");
        #[cfg(feature = "nats")]
        assert_eq!(shown("nats://user:s3cret@a,b:4333?token=s3cret"), "nats://a:4222,b:4333");
        #[cfg(feature = "redis")]
        assert_eq!(shown("redis-cluster://:s3cret@a,b"), "redis-cluster://a:6379,b:6379");
        #[cfg(feature = "mqtt")]
        assert_eq!(shown("mqtt://user:s3cret@a"), "mqtt://a:1883");
        #[cfg(feature = "amqp")]
        assert_eq!(shown("amqp://user:s3cret@a/vhost"), "amqp://a:5672");
        #[cfg(feature = "kafka")]
        assert_eq!(shown("kafka://user:s3cret@a,b:9093"), "kafka://a:9092,b:9093");
    }
}
