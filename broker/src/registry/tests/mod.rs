//! What holds after any sequence of changes, and the rules of protocol chapters 5.4, 7 and 8.1.

mod events;
mod info;
mod own;
mod picking;
mod sequences;
mod sharing;
mod support;

use bytes::Bytes;
use ligand_transporters::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::protocol::{MAX_SEQ, Visibility};
use crate::serializer::Problem;

pub(super) use support::{id, learn, local, packet, parse, picked, registry, registry_of, service};
