//! Opens sessions.

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

use super::RedisOptions;
use super::end::End;
use super::guard::{self, Guard};
use super::line::{Identity, Line};
use super::options::Mode;
use super::places::Places;
use super::reader::{Arrivals, Gate, Reader};
use super::sentinel::Sentinel;
use super::session::RedisSession;
use super::stream::Dialer;
use super::topology;
use crate::bus::{Client, Port, Server};
use crate::{PacketKind, Route, Topics, TransportError};

/// The time in which the other connection must show whether the server is still there.
const SECOND_OPINION: Duration = Duration::from_millis(250);

/// Opens sessions with the servers.
pub(super) struct RedisClient {
    options: Arc<RedisOptions>,
    dialer: Arc<Dialer>,
    places: Arc<Places>,
}

impl RedisClient {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, TransportError> {
        let options = Arc::new(options.clone());
        Ok(Self {
            dialer: Arc::new(Dialer::new(&options)?),
            places: Arc::new(Places::new(&options)),
            options,
        })
    }

    /// The identity of this node for a Redis server.
    fn identity(&self, server: &Server, port: &Port) -> Identity {
        let listed = || self.options.servers.iter();
        let own = |server: &Server| (server.user.clone(), server.password.clone());
        let (user, password) = match own(server) {
            (None, None) => match (self.options.username.clone(), self.options.password.clone()) {
                // Servers of one list share the credentials that one of them has.
                (None, None) => {
                    listed().map(own).find(|(_, password)| password.is_some()).unwrap_or_default()
                }
                own => own,
            },
            own => own,
        };
        let name = self.options.connection_name.clone();
        let name = name.unwrap_or_else(|| format!("ligand:{}", port.link().node()));
        Identity { user, password, name, db: self.options.db }
    }

    /// Opens both connections. As in Node, the one that listens comes first.
    async fn pair(&self, server: &Server, end: &End, port: &Port) -> Result<(Line, Line), TransportError> {
        let refused =
            |why: Box<dyn std::error::Error + Send + Sync>| TransportError::connect(server.to_string(), why);
        let identity = self.identity(server, port);
        let secure = self.options.is_secure();
        let limit = self.options.command_timeout;
        let (listening, publishing) = (watch::Sender::new(false), watch::Sender::new(false));
        let over = [listening.subscribe(), publishing.subscribe()];

        let arrivals = Arc::new(Arrivals::default());
        let push = Arc::clone(&arrivals).take_in(port.link().topics().clone());
        let stream = self.dialer.dial(server, secure).await.map_err(|why| refused(why.into()))?;
        let max_incoming = self.options.max_incoming;
        let gate = Gate { stream, arrivals: Arc::clone(&arrivals), max_incoming, end: end.clone() };
        let opened = Line::open(gate, &identity, limit, Some(push)).await;
        let (listener, driver) = opened.map_err(|why| refused(why.into()))?;
        port.read(Reader { driver, arrivals, intake: port.intake(), over: listening, ended: false });

        let stream = self.dialer.dial(server, secure).await.map_err(|why| refused(why.into()))?;
        let none: Option<fn(redis::PushInfo)> = None;
        let opened = Line::open(stream, &identity, limit, none).await;
        let (publisher, driver) = opened.map_err(|why| refused(why.into()))?;
        port.spawn(async move {
            driver.await;
            publishing.send_replace(true);
        });

        let named = tokio::try_join!(listener.name(&identity), publisher.name(&identity));
        named.map_err(|why| refused(why.into()))?;
        port.spawn(closed(over, publisher.clone(), end.clone()));
        Ok((listener, publisher))
    }
}

/// Finds out which of the two connections the server closed.
async fn closed([mut listening, mut publishing]: [watch::Receiver<bool>; 2], publisher: Line, end: End) {
    // An error means that a task has ended with the session.
    tokio::select! {
        _ = listening.wait_for(|over| *over) => {}
        _ = publishing.wait_for(|over| *over) => {}
    }
    let alone = *listening.borrow() && matches!(timeout(SECOND_OPINION, publisher.ping()).await, Ok(Ok(())));
    end.with(TransportError::Lost(if alone {
        "the server closed the connection that listens, but not the other one: if this node was too \
                 slow for it, see the server's `client-output-buffer-limit pubsub`"
            .to_owned()
    } else {
        "the server closed the connection".to_owned()
    }));
}

#[async_trait]
impl Client for RedisClient {
    type Topic = Arc<str>;
    type Session = RedisSession;

    /// Any text is a valid channel.
    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self::Topic, &'static str> {
        Ok(topics.to(to, kind).into())
    }

    fn servers(&self) -> usize {
        self.places.count()
    }

    fn server(&self, number: usize) -> String {
        self.places.at(number).to_string()
    }

    async fn open(&self, server: usize, port: &Port) -> Result<RedisSession, TransportError> {
        let listed = self.places.at(server);
        let end = End::default();
        let mut sentinel = None;
        let server = match self.options.mode {
            Mode::Single | Mode::Cluster => listed,
            Mode::Sentinel => {
                let asked = Sentinel::new(&self.options, &self.dialer, listed, port);
                let told = asked.master().await?;
                let (host, number) = self.options.mapped(&told.0, told.1);
                sentinel = Some((Box::new(asked), told));
                let scheme = if self.options.is_secure() { "rediss" } else { "redis" }.to_owned();
                Server { scheme, host, port: number, user: None, password: None, path: None }
            }
        };
        let (listener, publisher) = self.pair(&server, &end, port).await?;
        let guard = match sentinel {
            Some((sentinel, told)) => {
                guard::master(&publisher)
                    .await
                    .map_err(|why| TransportError::connect(server.to_string(), why))?;
                Guard::Sentinel { sentinel, told, places: Arc::clone(&self.places) }
            }
            None if self.options.mode == Mode::Cluster => {
                let (options, places) = (Arc::clone(&self.options), Arc::clone(&self.places));
                let watch = topology::Watch::new(options, places);
                watch
                    .look(&publisher)
                    .await
                    .map_err(|why| TransportError::connect(server.to_string(), why))?;
                Guard::Cluster(watch)
            }
            None => Guard::None,
        };
        let lines = [listener.clone(), publisher.clone()];
        port.spawn(guard.watch(lines, self.options.ping_interval, end.clone()));
        Ok(RedisSession::start(listener, publisher, port.link().topics().clone(), end, port))
    }
}

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisClient").field("options", &self.options).finish_non_exhaustive()
    }
}
