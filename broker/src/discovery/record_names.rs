//! The names of the records in the store. They are the same as Node's, byte for byte (protocol chapter 11.1).

use ligand_transporters::{Name, NodeId};

/// How many characters of an instance id are in the name of a beat.
const PREFIX: usize = 8;

/// The names that this node needs.
#[derive(Debug, Clone)]
pub(crate) struct RecordNames {
    /// The prefix of every beat.
    beats: String,
    /// The prefix of every INFO.
    infos: String,
    /// What precedes the sequence number in the names of this node's beats.
    own: String,
    own_info: String,
}

/// What the name of a beat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) node: NodeId,
    /// The beginning of its instance id.
    pub(crate) instance: Name,
    pub(crate) seq: u64,
}

impl RecordNames {
    pub(crate) fn new(namespace: &str, node: &NodeId, instance: &str) -> Self {
        let prefix = match namespace {
            "" => "MOL-DSCVR".to_owned(),
            namespace => format!("MOL-{namespace}-DSCVR"),
        };
        let beats = format!("{prefix}-BEAT:");
        let own = format!("{beats}{node}|{}|", beginning(instance));
        let infos = format!("{prefix}-INFO:");
        let own_info = format!("{infos}{node}");
        Self { beats, infos, own, own_info }
    }

    /// The prefix of all beats.
    pub(crate) fn beats(&self) -> &str {
        &self.beats
    }

    /// The prefix of all beats of this process.
    pub(crate) fn own_beats(&self) -> &str {
        &self.own
    }

    /// The name of this node's beat that belongs to its INFO with this number.
    pub(crate) fn own_beat(&self, seq: u64) -> String {
        format!("{}{seq}", self.own)
    }

    /// The name of this node's INFO.
    pub(crate) fn own_info(&self) -> String {
        self.own_info.clone()
    }

    /// The name of a node's INFO.
    pub(crate) fn info(&self, node: &NodeId) -> String {
        format!("{}{node}", self.infos)
    }

    /// Reads the name of a beat. Returns `None` if none of our nodes wrote it.
    pub(crate) fn read(&self, name: &str) -> Option<Beat> {
        let (rest, seq) = name.strip_prefix(&self.beats)?.rsplit_once('|')?;
        let (node, instance) = rest.rsplit_once('|')?;
        if instance.is_empty() || instance.len() > 255 || !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Beat { node: NodeId::foreign(node).ok()?, instance: instance.into(), seq: seq.parse().ok()? })
    }
}

/// The part of an instance id that is used in names.
pub(crate) fn beginning(instance: &str) -> &str {
    match instance.char_indices().nth(PREFIX) {
        Some((end, _)) => instance.get(..end).unwrap_or(instance),
        None => instance,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(id: &str) -> NodeId {
        NodeId::new(id).unwrap()
    }

    #[test]
    fn names_are_those_of_node() {
        let names = RecordNames::new("", &node("node-1"), "0a1b2c3d-4e5f-6789");
        assert_eq!(names.own_beat(3), "MOL-DSCVR-BEAT:node-1|0a1b2c3d|3");
        assert_eq!(names.info(&node("node-2")), "MOL-DSCVR-INFO:node-2");
        let names = RecordNames::new("dev", &node("node-1"), "0a1b2c3d-4e5f-6789");
        assert_eq!(names.own_beat(3), "MOL-dev-DSCVR-BEAT:node-1|0a1b2c3d|3");
        assert!(names.own_beat(3).starts_with(names.own_beats()));
    }

    #[test]
    fn what_nobody_of_us_wrote_is_not_read() {
        let names = RecordNames::new("", &node("a"), "12345678");
        for name in [
            "",
            "MOL-DSCVR-BEAT:",
            "MOL-DSCVR-BEAT:a",
            "MOL-DSCVR-BEAT:a|12345678",
            "MOL-DSCVR-BEAT:a|12345678|",
            "MOL-DSCVR-BEAT:a|12345678|x",
            "MOL-DSCVR-BEAT:a|12345678|+1",
            "MOL-DSCVR-BEAT:a|12345678|99999999999999999999999",
            "MOL-DSCVR-BEAT:a||1",
            "MOL-DSCVR-BEAT:|12345678|1",
            "MOL-DSCVR-INFO:a|12345678|1",
            "MOL-dev-DSCVR-BEAT:a|12345678|1",
        ] {
            assert_eq!(names.read(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(id in "[a-zA-Z0-9.:@$~_-]{1,40}", instance in ".{1,40}", seq: u64) {
            let instance = instance.replace('|', "x");
            let names = RecordNames::new("ns", &node(&id), &instance);
            let beat = names.read(&names.own_beat(seq)).unwrap();
            prop_assert_eq!(beat.node.as_str(), id);
            prop_assert!(instance.starts_with(beat.instance.as_str()));
            prop_assert_eq!(beat.seq, seq);
        }

        #[test]
        fn nothing_that_is_read_panics(name in "(MOL-DSCVR-BEAT:)?.{0,60}") {
            let _ = RecordNames::new("", &node("a"), "12345678").read(&name);
        }
    }
}
