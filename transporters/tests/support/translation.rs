//! Replaces one run of bytes in a stream by another of the same length.

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Translation {
    from: Vec<u8>,
    to: Vec<u8>,
    /// What may be the beginning of such a run, and was not passed on yet.
    held: Vec<u8>,
}

impl Translation {
    pub(super) fn new(from: Vec<u8>, to: Vec<u8>) -> Self {
        assert_eq!(from.len(), to.len(), "lengths are written in front of what is replaced");
        Self { from, to, held: Vec::new() }
    }

    /// What to pass on of what has arrived.
    pub(super) fn apply(&mut self, arrived: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(arrived);
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if rest.starts_with(&self.from) {
                bytes[at..at + self.from.len()].copy_from_slice(&self.to);
                at += self.from.len();
            } else if self.from.starts_with(rest) {
                self.held = bytes.split_off(at);
            } else {
                at += 1;
            }
        }
        bytes
    }
}

#[test]
fn a_run_is_replaced_wherever_it_is_cut() {
    for cut in 0..=12 {
        let text = b"xx1.2:ab1.2yy";
        let mut translation = Translation::new(b"1.2:a".to_vec(), b"1.2:Z".to_vec());
        let mut passed = translation.apply(&text[..cut]);
        passed.extend(translation.apply(&text[cut..]));
        assert_eq!(passed, b"xx1.2:Zb1.2yy");
    }
}
