//! Frames of the TCP transporter, byte by byte (protocol chapter 4).

use tokio::io::{AsyncRead, AsyncReadExt as _};

pub const EVENT: u8 = 1;
pub const REQUEST: u8 = 2;
pub const RESPONSE: u8 = 3;
pub const PING: u8 = 4;
pub const PONG: u8 = 5;
pub const GOSSIP_REQ: u8 = 6;
pub const GOSSIP_RES: u8 = 7;
pub const HELLO: u8 = 8;

/// A whole frame with this type and payload.
pub fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = u32::try_from(payload.len() + 6).unwrap().to_be_bytes();
    let mut frame = vec![a ^ b ^ c ^ d ^ code, a, b, c, d, code];
    frame.extend_from_slice(payload);
    frame
}

/// The type and payload of the next frame. `None` at the end of the stream, or if it breaks off.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    stream.read_exact(&mut header).await.ok()?;
    let [_, a, b, c, d, code] = header;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap();
    let mut payload = vec![0; length - 6];
    stream.read_exact(&mut payload).await.ok()?;
    Some((code, payload))
}
