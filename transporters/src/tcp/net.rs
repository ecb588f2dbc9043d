//! Sockets and their options.

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// The number of connections that the operating system may queue before they are accepted.
const BACKLOG: i32 = 1024;

/// A dead host is detected after `IDLE + PROBES · BETWEEN` = 11 s.
const IDLE: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_secs(2);
#[cfg(unix)]
const PROBES: u32 = 3;

/// Splits `host:port`. The port follows the last colon. Brackets around the host are removed.
pub(crate) fn host_and_port(addr: &str) -> Option<(&str, u16)> {
    let (host, port) = addr.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port_number(port)?;
    (!host.is_empty()).then_some((host, port))
}

/// A port from 1 to 65535 in decimal digits.
pub(crate) fn port_number(text: &str) -> Option<u16> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run may linger in TIME_WAIT. On Windows, the option would allow sharing.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether this host has the address.
pub(crate) fn is_own(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || if_addrs::get_if_addrs().is_ok_and(|all| all.iter().any(|own| own.ip() == ip))
}

/// Connects from the address on which `from` listens, if it is a specific one: a peer uses the source address
/// of this node's connection to answer.
pub(crate) async fn dial(host: &str, port: u16, from: IpAddr) -> io::Result<TcpStream> {
    // Node announces IPv4 addresses in their IPv6-mapped form. A host without IPv6 cannot connect to those.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return connect((ip.to_canonical(), port).into(), from).await;
    }
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for addr in tokio::net::lookup_host((host, port)).await? {
        match connect(addr, from).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn connect(addr: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    if from.is_unspecified() || from.is_ipv4() != addr.is_ipv4() {
        return TcpStream::connect(addr).await;
    }
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((from, 0).into())?;
    match socket.connect(addr).await {
        // There is no route from that address. The peer then chooses where it answers.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::AddrNotAvailable
                    | io::ErrorKind::NetworkUnreachable
            ) =>
        {
            TcpStream::connect(addr).await
        }
        result => result,
    }
}

/// Sets options for both directions. If one cannot be set, that costs speed or detection, but not
/// correctness.
pub(crate) fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small frames may wait for larger ones, the system refuses `TCP_NODELAY`");
    }
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(BETWEEN);
    #[cfg(unix)]
    let keepalive = keepalive.with_retries(PROBES);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "a dead peer is noticed late, the system refuses keep-alive probes");
    }
}

/// Makes the operating system give up a peer that acknowledges nothing for this long, if it has that option.
pub(crate) fn limit_unacknowledged(stream: &TcpStream, timeout: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, timeout);
}

/// A UDP socket on the wildcard address.
pub(crate) fn udp(port: u16, share_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if share_port {
        socket.set_reuse_address(true)?;
        // Without it, a second node on this host could not listen.
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

/// Joins a group on one interface and sends through that interface.
pub(crate) fn udp_multicast(
    port: u16,
    share_port: bool,
    group: Ipv4Addr,
    interface: Ipv4Addr,
    ttl: u32,
) -> io::Result<UdpSocket> {
    let socket = udp(port, share_port)?;
    // Without this, a socket also receives what other sockets of the host have joined on other interfaces.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4(&group, &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_ttl_v4(ttl)?;
    UdpSocket::from_std(socket.into())
}

/// Allows or forbids further sockets on the port of this one.
pub(crate) fn share_port(socket: &UdpSocket, share: bool) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_reuse_address(share)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(share)?;
    Ok(())
}

pub(crate) fn udp_broadcast(port: u16, share_port: bool) -> io::Result<UdpSocket> {
    let socket = udp(port, share_port)?;
    socket.set_broadcast(true)?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    #[tokio::test]
    async fn a_tuned_socket_probes_a_silent_peer_after_5_s_every_2_s_3_times() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let listener = listen((here, 0).into()).unwrap();
        let port = listener.local_addr().unwrap().port();
        for from in [here, Ipv4Addr::UNSPECIFIED.into()] {
            let (dialled, accepted) = tokio::join!(dial("127.0.0.1", port, from), listener.accept());
            for stream in [dialled.unwrap(), accepted.unwrap().0] {
                tune(&stream);
                assert!(stream.nodelay().unwrap());
                let socket = SockRef::from(&stream);
                assert!(socket.keepalive().unwrap());
                assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(5));
                assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(2));
                assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            }
        }
    }

    #[test]
    fn the_port_follows_the_last_colon() {
        assert_eq!(host_and_port("host:80"), Some(("host", 80)));
        assert_eq!(host_and_port("::1:80"), Some(("::1", 80)));
        assert_eq!(host_and_port("[::1]:80"), Some(("::1", 80)));
        for bad in ["host", "host:", ":80", "host:0", "host:70000", "host:-1", "host:1e3", "host:+80", ""] {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
