//! The services of async-nats: request and reply through its inbox, with an endpoint that answers one request
//! after the other.

use async_nats::Client;
use async_nats::service::ServiceExt as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::io;
use std::time::Duration;

use super::body;
use super::bus::Bus;
use crate::closed_loop;
use crate::figures::Figures;
use crate::load::Load;

async fn connect() -> io::Result<Client> {
    async_nats::connect(Bus::Nats.url()?).await.map_err(io::Error::other)
}

/// Serves until the process ends.
pub(super) async fn serve(namespace: &str) -> io::Result<()> {
    let service =
        connect().await?.service_builder().start("echo", "1.0.0").await.map_err(io::Error::other)?;
    let mut requests = service.endpoint(subject(namespace)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // The service ends with its last handle.
        let _service = service;
        while let Some(request) = requests.next().await {
            let body = request.message.payload.clone();
            if let Err(error) = request.respond(Ok(body)).await {
                eprintln!("an answer of nats-micro: {error}");
                std::process::exit(1);
            }
        }
    });
    Ok(())
}

fn subject(namespace: &str) -> String {
    format!("{namespace}.micro")
}

#[derive(Debug)]
pub(crate) struct Micro {
    client: Client,
    subject: String,
}

impl Micro {
    pub(super) async fn start(namespace: &str) -> io::Result<Self> {
        let micro = Self { client: connect().await?, subject: subject(namespace) };
        // The first request opens the inbox.
        call(micro.client.clone(), micro.subject.clone(), Bytes::new()).await?;
        Ok(micro)
    }

    pub(super) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        let Load::Calls { size, concurrency } = load else { return Err(io::ErrorKind::Unsupported.into()) };
        let (client, subject, body) = (self.client.clone(), self.subject.clone(), body(size));
        let call = move || call(client.clone(), subject.clone(), body.clone());
        closed_loop::calls(call, concurrency, time).await
    }
}

async fn call(client: Client, subject: String, body: Bytes) -> io::Result<()> {
    client.request(subject, body).await.map(drop).map_err(io::Error::other)
}
