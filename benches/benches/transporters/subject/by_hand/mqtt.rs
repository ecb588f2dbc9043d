//! rumqttc: a topic for each place, QoS 0, protocol 3.1.1.

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};
use std::io;

use super::{Names, To};
use crate::subject::MAX_FRAME;
use crate::subject::bus::Bus;

/// Larger than the number of frames that ever wait: the task that polls the event loop also sends, so the
/// queue in between must not become full.
const QUEUE: usize = 8192;

pub(super) struct Mqtt {
    client: AsyncClient,
    topics: Names<String>,
}

impl super::Wire for Mqtt {
    type Source = EventLoop;

    async fn open(namespace: &str, places: &[To]) -> io::Result<(Self, Vec<Self::Source>)> {
        let address = Bus::Mqtt.address()?;
        let topics = Names::new(namespace, std::convert::identity);
        let mut options = MqttOptions::new(topics.of(places[0]), address.host, address.port);
        options.set_max_packet_size(MAX_FRAME, MAX_FRAME);
        if let Some((name, password)) = address.user {
            options.set_credentials(name, password);
        }
        let (client, mut source) = AsyncClient::new(options, QUEUE);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        source.set_network_options(network);
        for place in places {
            client.subscribe(topics.of(*place), QoS::AtMostOnce).await.map_err(io::Error::other)?;
        }
        let mut granted = 0;
        while granted < places.len() {
            if let Event::Incoming(Packet::SubAck(_)) = source.poll().await.map_err(io::Error::other)? {
                granted += 1;
            }
        }
        Ok((Self { client, topics }, vec![source]))
    }

    async fn send(&self, to: To, frames: &[Bytes]) -> io::Result<()> {
        for frame in frames {
            let topic = self.topics.of(to);
            let published = self.client.publish_bytes(topic, QoS::AtMostOnce, false, frame.clone()).await;
            published.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl super::Source for EventLoop {
    async fn batch(&mut self) -> io::Result<Vec<Bytes>> {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.poll().await.map_err(io::Error::other)? {
                return Ok(vec![publish.payload]);
            }
        }
    }
}
