//! Changes packets at random, but in the same way in each run.

/// Seeded dice (splitmix64), so that all runs are equal.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap()
    }

    /// Picks one of these.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// Returns the packet with up to four changes.
    pub fn mutated(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut packet = packet.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(packet.len());
            match self.below(6) {
                0 => packet.truncate(at),
                1 if at < packet.len() => packet[at] = u8::try_from(self.below(256)).unwrap(),
                2 if at < packet.len() => drop(packet.remove(at)),
                3 => packet.insert(at, b"\"{}[]:,0-e\\n"[self.below(12)]),
                4 => {
                    let part = packet[at..packet.len().min(at + 1 + self.below(20))].to_vec();
                    let to = self.below(packet.len());
                    packet.splice(to..to, part);
                }
                _ => {
                    let other = self.below(packet.len());
                    if at < packet.len() && other < packet.len() {
                        packet.swap(at, other);
                    }
                }
            }
        }
        packet
    }
}
