//! tarpc with bincode over TCP.

use futures_util::StreamExt as _;
use std::io;
use std::time::{Duration, Instant};
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

use super::{MAX_FRAME, body};
use crate::closed_loop;
use crate::figures::Figures;
use crate::load::Load;

#[tarpc::service]
pub(crate) trait Echo {
    /// Returns its argument.
    async fn echo(body: String) -> String;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: context::Context, body: String) -> String {
        body
    }
}

pub(super) async fn serve(ports: &[u16]) -> io::Result<()> {
    let mut listener = serde_transport::tcp::listen(("127.0.0.1", ports[1]), Bincode::default).await?;
    listener.config_mut().max_frame_length(MAX_FRAME);
    tokio::spawn(async move {
        while let Some(Ok(transport)) = listener.next().await {
            let channel = BaseChannel::with_defaults(transport);
            tokio::spawn(channel.execute(Server.serve()).for_each(|answer| async {
                tokio::spawn(answer);
            }));
        }
    });
    Ok(())
}

pub(super) async fn start(ports: &[u16]) -> io::Result<EchoClient> {
    let mut connect = serde_transport::tcp::connect(("127.0.0.1", ports[1]), Bincode::default);
    connect.config_mut().max_frame_length(MAX_FRAME);
    let mut config = client::Config::default();
    config.max_in_flight_requests = 1024;
    Ok(EchoClient::new(config, connect.await?).spawn())
}

pub(super) async fn run(client: &EchoClient, load: Load, time: Duration) -> io::Result<Figures> {
    let Load::Calls { size, concurrency } = load else { return Err(io::ErrorKind::Unsupported.into()) };
    let body = String::from_utf8_lossy(&body(size)).into_owned();
    let client = client.clone();
    let call = move || {
        let (client, body) = (client.clone(), body.clone());
        async move {
            let mut context = context::current();
            // The default of ten seconds is too short when 512 callers wait for 64 KiB each.
            context.deadline = Instant::now() + Duration::from_secs(60);
            client.echo(context, body).await.map(drop).map_err(io::Error::other)
        }
    };
    closed_loop::calls(call, concurrency, time).await
}
