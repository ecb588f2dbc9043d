//! Packets that are refused, by this node or by their receiver.
//!
//! The limits of another node are not known. For a ligand node, this node's own limits are a fair guess,
//! because a cluster has the same options everywhere. So `meta` and `headers` are checked before they are
//! sent, and whoever set them learns of it. A Node.js node has no limits, so everything is sent to it. Checks
//! that would cost something for every packet are not made here. The other node refuses such a packet and
//! reports that.

use serde_json::json;

use super::Transit;
use crate::error::Error;
use crate::registry::Node;
use crate::serializer::{Bound, Problem};

/// The value of `client.type` in the INFO of a ligand node.
pub(super) const CLIENT: &str = "rust";

impl Transit {
    /// Why a ligand node would refuse a packet with these values beside its body, if it would. The receiver
    /// is looked up only if something is too large.
    #[inline]
    pub(super) fn oversize(
        &self,
        meta: &[u8],
        headers: &[u8],
        is_for_ours: impl FnOnce() -> bool,
    ) -> Option<Problem> {
        if meta.len().max(headers.len()) <= self.wire.limits.meta || !is_for_ours() {
            return None;
        }
        let (field, size) = if meta.len() > self.wire.limits.meta {
            ("meta", meta.len())
        } else {
            ("headers", headers.len())
        };
        Some(self.wire.limits.exceeded(field, Bound::Meta, Some(size)))
    }
}

/// Whether this is a ligand node.
pub(super) fn is_ours(node: &Node) -> bool {
    node.client().kind.as_str() == CLIENT
}

/// The error about a refused packet. `what` names the packet and begins a sentence.
pub(super) fn refused(what: &str, problem: &Problem) -> Error {
    let (advice, data) = match problem {
        Problem::Limit { bound, limit, size, .. } => {
            let option = bound.and_then(Bound::option);
            let advice = option.map(|option| format!(" with {size}: raise `{option}`, or send less"));
            (advice.unwrap_or_default(), limit_data(*bound, *limit, *size))
        }
        problem => (String::new(), json!({ "problem": problem.to_string() })),
    };
    Error::of_packet(502, "PACKET_REFUSED", format!("{what} is refused: {problem}{advice}."), data)
}

/// Which limit was exceeded, and by how much.
pub(super) fn limit_data(bound: Option<Bound>, limit: usize, size: usize) -> serde_json::Value {
    json!({ "limit": bound.and_then(Bound::option), "max": limit, "size": size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serializer::PacketLimits;

    #[test]
    fn a_refusal_names_the_option_and_both_sizes_or_what_is_wrong() {
        let problem = PacketLimits::default().exceeded("meta", Bound::Meta, Some(70_012));
        let error = refused("The answer of 'a.b'", &problem);
        assert_eq!(
            error.message(),
            "The answer of 'a.b' is refused: meta exceeds the limit of 65536 with 70012: raise \
             `transit.limits.meta`, or send less."
        );
        assert_eq!(
            error.data().unwrap(),
            &json!({ "limit": "transit.limits.meta", "max": 65_536, "size": 70_012 })
        );
        assert_eq!((error.error_type(), error.is_retryable()), (Some("PACKET_REFUSED"), false));
        let wrong = refused("It", &Problem::Wrong { field: "success", expected: "true or false" });
        assert_eq!(wrong.message(), "It is refused: `success` must be true or false.");
        assert_eq!(wrong.data().unwrap(), &json!({ "problem": "`success` must be true or false" }));
    }
}
