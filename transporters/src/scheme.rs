//! Makes a transporter from a URL.

use std::sync::Arc;

#[cfg(feature = "_bus")]
#[allow(unused_imports, reason = "some take Node's options in a way of their own")]
use crate::bus::OptionText as _;

use crate::suggest::nearest;
use crate::{TransportError, Transporter};

/// What the table below needs of a transporter.
#[cfg(any(
    feature = "tcp",
    feature = "nats",
    feature = "redis",
    feature = "mqtt",
    feature = "amqp",
    feature = "kafka"
))]
trait Configured: Transporter + Sized {
    fn by_url(url: &str) -> Result<Self, TransportError>;
    fn by_options(options: Vec<(String, String)>) -> Result<Self, TransportError>;
}

/// Lists all transporters: the schemes of their URLs (the first one is also Moleculer's name), the feature
/// that contains them, and their type.
macro_rules! schemes {
    ($([$first:literal $(, $alias:literal)*] if $feature:literal => $transporter:path;)*) => {
        /// The schemes that this build supports, each with the feature that contains it. The feature is empty
        /// if none is needed.
        pub const SCHEMES: &[(&str, &str)] = &[
            ("memory", ""),
            $(#[cfg(feature = $feature)] ($first, $feature),)*
        ];

        /// The schemes of all transporters, whether compiled in or not.
        const KNOWN: &[(&str, &str)] = &[$(($first, $feature), $(($alias, $feature),)*)*];

        /// Makes the transporter for a URL such as `tcp://` or `memory://name`, or for a plain name such as
        /// `TCP`, as Moleculer writes it.
        ///
        /// # Errors
        /// [`TransportError::Config`] if the scheme is unknown or not compiled in, or if the URL has an
        /// error. The message says what to do.
        pub fn transporter_for(url: &str) -> Result<Arc<dyn Transporter>, TransportError> {
            let scheme = url.split_once("://").map_or(url, |(scheme, _)| scheme).to_ascii_lowercase();
            match scheme.as_str() {
                "memory" => Ok(Arc::new(crate::memory::Memory::from_url(url)?)),
                $(
                    #[cfg(feature = $feature)]
                    $first $(| $alias)* => Ok(Arc::new(<$transporter>::by_url(url)?)),
                )*
                other => Err(unknown(other)),
            }
        }

        /// Makes the transporter of a kind (`TCP`) with the option names of Node, as in Node's `{ type,
        /// options }`. Objects among the values are JSON.
        ///
        /// # Errors
        /// [`TransportError::Config`] names an unknown kind, an unknown option, or an invalid value.
        pub fn transporter_with(
            kind: &str,
            options: impl IntoIterator<Item = (String, String)>,
        ) -> Result<Arc<dyn Transporter>, TransportError> {
            let options: Vec<_> = options.into_iter().collect();
            match kind.to_ascii_lowercase().as_str() {
                $(
                    #[cfg(feature = $feature)]
                    $first $(| $alias)* => Ok(Arc::new(<$transporter>::by_options(options)?)),
                )*
                "memory" => match options.into_iter().next() {
                    None => transporter_for("memory"),
                    Some((key, _)) => Err(TransportError::Config(format!(
                        "the memory transporter has no option `{key}`: name its network by a URL, `memory://name`"
                    ))),
                },
                other => Err(unknown(other)),
            }
        }
    };
}

schemes! {
    ["tcp"] if "tcp" => crate::tcp::Tcp;
    ["nats", "tls"] if "nats" => crate::nats::Nats;
    ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"] if "redis" => crate::redis::Redis;
    ["mqtt", "mqtts"] if "mqtt" => crate::mqtt::Mqtt;
    ["amqp", "amqps"] if "amqp" => crate::amqp::Amqp;
    ["kafka", "kafka+tls"] if "kafka" => crate::kafka::Kafka;
}

/// How each of them is made from a URL, or from named options.
macro_rules! configured {
    ($($feature:literal: $transporter:ident by $options:ident in $module:ident, set by $set:ident, $made:expr;)*) => {$(
        #[cfg(feature = $feature)]
        impl Configured for crate::$module::$transporter {
            fn by_url(url: &str) -> Result<Self, TransportError> {
                Self::from_url(url)
            }

            fn by_options(options: Vec<(String, String)>) -> Result<Self, TransportError> {
                let mut all = crate::$module::$options::default();
                for (name, value) in options {
                    all.$set(&name, &value)?;
                }
                $made(Self::with_options(all))
            }
        }
    )*};
}

configured! {
    "tcp": Tcp by TcpOptions in tcp, set by set, Ok;
    "nats": Nats by NatsOptions in nats, set by set, std::convert::identity;
    "redis": Redis by RedisOptions in redis, set by configure, std::convert::identity;
    "mqtt": Mqtt by MqttOptions in mqtt, set by set, std::convert::identity;
    "amqp": Amqp by AmqpOptions in amqp, set by set, Ok;
    "kafka": Kafka by KafkaOptions in kafka, set by set, std::convert::identity;
}

fn unknown(scheme: &str) -> TransportError {
    let compiled: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    let compiled = compiled.join(", ");
    let feature_of = |scheme: &str| KNOWN.iter().find(|(known, _)| *known == scheme);
    TransportError::Config(match feature_of(scheme) {
        Some((_, feature)) => format!(
            "the transporter `{scheme}` is not compiled in: enable the feature `{feature}` of ligand (compiled in: {compiled})"
        ),
        // If it is not a scheme, it may contain a password.
        None if !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => format!(
            "a transporter is named by a URL such as `nats://host:4222`, and this has no `://`: compiled in are {compiled}"
        ),
        None => {
            let known = KNOWN.iter().map(|(known, _)| *known).chain(["memory"]);
            let hint = nearest(scheme, known).map(|near| format!(", did you mean `{near}`?"));
            let hint = hint.unwrap_or_default();
            format!("unknown transporter scheme `{scheme}`{hint} (compiled in: {compiled})")
        }
    })
}

/// Everything that names a transporter: a URL, or a configured transporter.
pub trait IntoTransporter: sealed::Sealed {
    /// Makes the transporter.
    ///
    /// # Errors
    /// The same as for [`transporter_for`].
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError>;
}

impl IntoTransporter for &str {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(self)
    }
}

impl IntoTransporter for String {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(&self)
    }
}

impl IntoTransporter for &String {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(self)
    }
}

impl<T: Transporter> IntoTransporter for T {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        Ok(Arc::new(self))
    }
}

impl IntoTransporter for Arc<dyn Transporter> {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        Ok(self)
    }
}

mod sealed {
    use super::{Arc, Transporter};

    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl<T: Transporter> Sealed for T {}
    impl Sealed for Arc<dyn Transporter> {}
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
