//! Options that Node passes to its client library, for queues, exchanges, messages and consumers.
//!
//! Each option has the name that the library gives it (`messageTtl`). It stands for a field of the protocol,
//! or for an argument that RabbitMQ names itself (`x-message-ttl`).

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::collections::BTreeMap;

use crate::options::kind::{count, flag, parsed};
use crate::options::{Expected, Unfit};

/// Arguments by name, with their values as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arguments(BTreeMap<String, AMQPValue>);

impl Arguments {
    /// Sets an argument. Integers, `true` and `false` keep their type. Everything else is text.
    fn set(&mut self, name: &str, value: &str) -> Result<(), Expected> {
        if name.is_empty() || ShortString::try_new(name).is_err() {
            return Err("an argument whose name has 1 to 255 bytes");
        }
        let value = match value {
            "true" => AMQPValue::Boolean(true),
            "false" => AMQPValue::Boolean(false),
            text => match text.parse() {
                Ok(number) => integer(number),
                Err(_) => AMQPValue::LongString(text.into()),
            },
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    fn set_number(&mut self, name: &str, value: &str) -> Result<(), Expected> {
        let number: u32 = parsed(value, "a number of 0 or more")?;
        self.0.insert(name.to_owned(), integer(number.into()));
        Ok(())
    }

    fn set_text(&mut self, name: &str, value: &str) -> Result<(), Expected> {
        self.0.insert(name.to_owned(), AMQPValue::LongString(value.into()));
        Ok(())
    }

    /// Adds a number, unless the argument exists.
    pub(super) fn or_number(&mut self, name: &str, number: i64) {
        self.0.entry(name.to_owned()).or_insert_with(|| integer(number));
    }

    /// The arguments in the client library's form.
    pub(super) fn table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in &self.0 {
            if let Ok(name) = ShortString::try_new(name.as_str()) {
                table.insert(name, value.clone());
            }
        }
        table
    }
}

/// The free part of a name.
fn free<'a>(name: &'a str, prefix: &str) -> Result<&'a str, Unfit> {
    name.strip_prefix(prefix).ok_or(Unfit::Unknown)
}

/// Servers treat integers of all widths alike.
fn integer(number: i64) -> AMQPValue {
    i32::try_from(number).map_or(AMQPValue::LongLongInt(number), AMQPValue::LongInt)
}

/// `queueOptions`: how every queue is declared. It takes precedence over what a queue gets by its kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct QueueOptions {
    pub(super) durable: Option<bool>,
    pub(super) exclusive: Option<bool>,
    pub(super) auto_delete: Option<bool>,
    pub(super) arguments: Arguments,
}

impl QueueOptions {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        let arguments = &mut self.arguments;
        Ok(match name {
            "durable" => flag(value).map(|on| self.durable = Some(on)),
            "exclusive" => flag(value).map(|on| self.exclusive = Some(on)),
            "autoDelete" => flag(value).map(|on| self.auto_delete = Some(on)),
            "expires" => arguments.set_number("x-expires", value),
            "messageTtl" => arguments.set_number("x-message-ttl", value),
            "maxLength" => arguments.set_number("x-max-length", value),
            "maxPriority" => arguments.set_number("x-max-priority", value),
            "deadLetterExchange" => arguments.set_text("x-dead-letter-exchange", value),
            "deadLetterRoutingKey" => arguments.set_text("x-dead-letter-routing-key", value),
            "overflow" => arguments.set_text("x-overflow", value),
            "queueMode" => arguments.set_text("x-queue-mode", value),
            other => arguments.set(free(other, "arguments.")?, value),
        }?)
    }
}

/// `exchangeOptions`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExchangeOptions {
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    pub(super) arguments: Arguments,
}

impl Default for ExchangeOptions {
    fn default() -> Self {
        Self { durable: true, auto_delete: false, internal: false, arguments: Arguments::default() }
    }
}

impl ExchangeOptions {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        Ok(match name {
            "durable" => flag(value).map(|on| self.durable = on),
            "autoDelete" => flag(value).map(|on| self.auto_delete = on),
            "internal" => flag(value).map(|on| self.internal = on),
            "alternateExchange" => self.arguments.set_text("alternate-exchange", value),
            other => self.arguments.set(free(other, "arguments.")?, value),
        }?)
    }
}

/// `messageOptions`: the properties of every published message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MessageOptions {
    properties: BasicProperties,
    headers: Arguments,
}

impl MessageOptions {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        let before = self.properties.clone();
        let short = |value: &str| ShortString::try_new(value).map_err(|_| "at most 255 bytes");
        let properties = match name {
            // Node only logs the messages that are returned.
            "mandatory" => match flag(value) {
                Ok(false) => Ok(before),
                _ => Err("false: messages that the server returns are of no use to anybody here"),
            },
            "persistent" => flag(value).map(|on| before.with_delivery_mode(if on { 2 } else { 1 })),
            "deliveryMode" => match value {
                "1" | "false" => Ok(before.with_delivery_mode(1)),
                "2" | "true" => Ok(before.with_delivery_mode(2)),
                _ => Err("1 (not persistent) or 2 (persistent)"),
            },
            "expiration" => parsed::<u32>(value, "a number of milliseconds")
                .and_then(|time| short(&time.to_string()))
                .map(|time| before.with_expiration(time)),
            "priority" => parsed(value, "a number from 0 to 255").map(|p| before.with_priority(p)),
            "contentType" => short(value).map(|text| before.with_content_type(text)),
            "contentEncoding" => short(value).map(|text| before.with_content_encoding(text)),
            "type" => short(value).map(|text| before.with_type(text)),
            "appId" => short(value).map(|text| before.with_app_id(text)),
            "userId" => short(value).map(|text| before.with_user_id(text)),
            other => return Ok(self.headers.set(free(other, "headers.")?, value)?),
        };
        self.properties = properties?;
        Ok(())
    }

    pub(super) fn properties(&self) -> BasicProperties {
        if self.headers == Arguments::default() {
            self.properties.clone()
        } else {
            self.properties.clone().with_headers(self.headers.table())
        }
    }
}

/// `consumeOptions`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ConsumeOptions {
    pub(super) exclusive: bool,
    pub(super) no_local: bool,
    pub(super) arguments: Arguments,
}

impl ConsumeOptions {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        Ok(match name {
            "exclusive" => flag(value).map(|on| self.exclusive = on),
            "noLocal" => flag(value).map(|on| self.no_local = on),
            "priority" => count(value)
                .map_err(|_| "a number above 0")
                .and_then(|_| self.arguments.set_number("x-priority", value)),
            // The protocol defines what is acknowledged.
            "noAck" => Err("nothing: requests and balanced events are acknowledged, the rest is not"),
            other => self.arguments.set(free(other, "arguments.")?, value),
        }?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &FieldTable, name: &str) -> Option<AMQPValue> {
        table.inner().iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn names_of_the_client_library_become_arguments_of_the_server() {
        let mut options = QueueOptions::default();
        for (name, text) in [("messageTtl", "500"), ("overflow", "reject-publish"), ("durable", "false")] {
            options.set(name, text).unwrap();
        }
        options.set("arguments.x-queue-type", "quorum").unwrap();
        options.set("arguments.x-max-length-bytes", "5000000000").unwrap();
        options.set("arguments.x-single-active-consumer", "true").unwrap();
        let table = options.arguments.table();
        assert_eq!(value(&table, "x-message-ttl"), Some(AMQPValue::LongInt(500)));
        assert_eq!(value(&table, "x-overflow"), Some(AMQPValue::LongString("reject-publish".into())));
        assert_eq!(value(&table, "x-queue-type"), Some(AMQPValue::LongString("quorum".into())));
        assert_eq!(value(&table, "x-max-length-bytes"), Some(AMQPValue::LongLongInt(5_000_000_000)));
        assert_eq!(value(&table, "x-single-active-consumer"), Some(AMQPValue::Boolean(true)));
        assert_eq!(options.durable, Some(false));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_unknown_is_not_taken() {
        let mut queue = QueueOptions::default();
        assert!(queue.set("expires", "-1").is_err());
        assert!(matches!(queue.set("noSuchThing", "1"), Err(Unfit::Unknown)));
        let long = format!("arguments.{}", "x".repeat(256));
        assert!(queue.set(&long, "1").is_err());
        let mut message = MessageOptions::default();
        assert!(message.set("contentType", &"x".repeat(256)).is_err());
        assert!(matches!(message.set("CC", "elsewhere"), Err(Unfit::Unknown)));
        assert!(ConsumeOptions::default().set("noAck", "true").is_err());
    }

    #[test]
    fn messages_carry_the_properties_that_were_asked_for() {
        let mut message = MessageOptions::default();
        message.set("persistent", "true").unwrap();
        message.set("headers.x-team", "blue").unwrap();
        let properties = message.properties();
        assert_eq!(properties.delivery_mode(), &Some(2));
        let headers = properties.headers().clone().unwrap();
        assert_eq!(value(&headers, "x-team"), Some(AMQPValue::LongString("blue".into())));
        assert_eq!(MessageOptions::default().properties(), BasicProperties::default());
    }
}
