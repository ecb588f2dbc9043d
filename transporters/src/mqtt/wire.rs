//! MQTT 3.1.1 and 5 behind one interface. The library has a module for each, of the same shape.

use bytes::Bytes;
use rumqttc::v5;

use crate::TransportError;

/// An event of a connection.
#[derive(Debug)]
pub(super) enum ServerEvent {
    /// The server accepted the connection. `max_packet` is the largest packet that it accepts, if it says so.
    Connected { max_packet: Option<usize> },
    /// A message arrived.
    Message { topic: Bytes, payload: Bytes },
    /// The answer to a subscription: for each topic, why it was refused, if it was.
    Subscribed(Vec<Option<String>>),
    /// The answer to an unsubscribe.
    Unsubscribed,
    /// A publish of quality 1 or 2 was sent under this id.
    Published { id: u16 },
    /// The server's final answer to such a publish, and why it was refused, if it was.
    Settled { id: u16, refused: Option<String> },
    /// Everything has been sent, including DISCONNECT.
    Left,
}

/// The end that sends requests.
#[derive(Clone)]
pub(super) enum Requester {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The end that must be polled all the time.
pub(super) enum Loop {
    V4(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// The event loop has ended and accepts no more requests.
#[derive(Debug)]
pub(super) struct Ended;

impl From<Ended> for TransportError {
    fn from(Ended: Ended) -> Self {
        Self::Lost("the MQTT client has ended".to_owned())
    }
}

impl Requester {
    pub(super) async fn publish(&self, topic: &str, qos: u8, payload: Bytes) -> Result<(), Ended> {
        match self {
            Self::V4(client) => {
                client.publish_bytes(topic, qos_4(qos), false, payload).await.map_err(|_| Ended)
            }
            Self::V5(client) => client.publish(topic, qos_5(qos), false, payload).await.map_err(|_| Ended),
        }
    }

    pub(super) async fn subscribe(&self, topics: &[String], qos: u8) -> Result<(), Ended> {
        match self {
            Self::V4(client) => {
                let filters =
                    topics.iter().map(|topic| rumqttc::SubscribeFilter::new(topic.clone(), qos_4(qos)));
                client.subscribe_many(filters).await.map_err(|_| Ended)
            }
            Self::V5(client) => {
                let filters =
                    topics.iter().map(|topic| v5::mqttbytes::v5::Filter::new(topic.clone(), qos_5(qos)));
                client.subscribe_many(filters).await.map_err(|_| Ended)
            }
        }
    }

    pub(super) async fn unsubscribe(&self, topic: &str) -> Result<(), Ended> {
        match self {
            Self::V4(client) => client.unsubscribe(topic).await.map_err(|_| Ended),
            Self::V5(client) => client.unsubscribe(topic).await.map_err(|_| Ended),
        }
    }

    /// Disconnects once everything before this call has been sent.
    pub(super) async fn disconnect(&self) -> Result<(), Ended> {
        match self {
            Self::V4(client) => client.disconnect().await.map_err(|_| Ended),
            Self::V5(client) => client.disconnect().await.map_err(|_| Ended),
        }
    }
}

impl Loop {
    /// Waits for events, and appends all that have arrived.
    ///
    /// # Errors
    /// The reason, if the connection is gone.
    pub(super) async fn next(&mut self, arrived: &mut Vec<ServerEvent>) -> Result<(), String> {
        match self {
            Self::V4(events) => {
                let first = events.poll().await.map_err(|error| error.to_string())?;
                arrived.extend(read_4(first));
                while let Some(event) = events.state.events.pop_front() {
                    arrived.extend(read_4(event));
                }
            }
            Self::V5(events) => {
                let first = events.poll().await.map_err(|error| error.to_string())?;
                arrived.extend(read_5(first));
                while let Some(event) = events.state.events.pop_front() {
                    arrived.extend(read_5(event));
                }
            }
        }
        Ok(())
    }
}

fn read_4(event: rumqttc::Event) -> Option<ServerEvent> {
    use rumqttc::{Event, Outgoing, Packet, SubscribeReasonCode};
    Some(match event {
        Event::Incoming(Packet::ConnAck(_)) => ServerEvent::Connected { max_packet: None },
        Event::Incoming(Packet::Publish(publish)) => {
            ServerEvent::Message { topic: Bytes::from(publish.topic), payload: publish.payload }
        }
        Event::Incoming(Packet::SubAck(ack)) => {
            let reason = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => None,
                SubscribeReasonCode::Failure => Some("the server refuses it".to_owned()),
            };
            ServerEvent::Subscribed(ack.return_codes.iter().map(reason).collect())
        }
        Event::Incoming(Packet::UnsubAck(_)) => ServerEvent::Unsubscribed,
        Event::Incoming(Packet::PubAck(ack)) => ServerEvent::Settled { id: ack.pkid, refused: None },
        Event::Incoming(Packet::PubComp(ack)) => ServerEvent::Settled { id: ack.pkid, refused: None },
        Event::Outgoing(Outgoing::Publish(id)) if id != 0 => ServerEvent::Published { id },
        Event::Outgoing(Outgoing::Disconnect) => ServerEvent::Left,
        _ => return None,
    })
}

fn read_5(event: v5::Event) -> Option<ServerEvent> {
    use v5::mqttbytes::v5::{Packet, PubAckReason, PubRecReason, SubscribeReasonCode};
    Some(match event {
        v5::Event::Incoming(Packet::ConnAck(ack)) => ServerEvent::Connected {
            max_packet: ack.properties.and_then(|says| says.max_packet_size).map(|bytes| bytes as usize),
        },
        v5::Event::Incoming(Packet::Publish(publish)) => {
            ServerEvent::Message { topic: publish.topic, payload: publish.payload }
        }
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let reason = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => None,
                refused => Some(format!("the server refuses it: {refused:?}")),
            };
            ServerEvent::Subscribed(ack.return_codes.iter().map(reason).collect())
        }
        v5::Event::Incoming(Packet::UnsubAck(_)) => ServerEvent::Unsubscribed,
        v5::Event::Incoming(Packet::PubAck(ack)) => {
            let fine = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            ServerEvent::Settled { id: ack.pkid, refused: (!fine).then(|| format!("{:?}", ack.reason)) }
        }
        v5::Event::Incoming(Packet::PubRec(ack)) => match ack.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => return None,
            refused => ServerEvent::Settled { id: ack.pkid, refused: Some(format!("{refused:?}")) },
        },
        v5::Event::Incoming(Packet::PubComp(ack)) => ServerEvent::Settled { id: ack.pkid, refused: None },
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(id)) if id != 0 => ServerEvent::Published { id },
        v5::Event::Outgoing(rumqttc::Outgoing::Disconnect) => ServerEvent::Left,
        _ => return None,
    })
}

fn qos_4(qos: u8) -> rumqttc::QoS {
    match qos {
        0 => rumqttc::QoS::AtMostOnce,
        1 => rumqttc::QoS::AtLeastOnce,
        _ => rumqttc::QoS::ExactlyOnce,
    }
}

fn qos_5(qos: u8) -> v5::mqttbytes::QoS {
    match qos {
        0 => v5::mqttbytes::QoS::AtMostOnce,
        1 => v5::mqttbytes::QoS::AtLeastOnce,
        _ => v5::mqttbytes::QoS::ExactlyOnce,
    }
}
