//! What a layer learns about the function that it wraps.

use ligand_transporters::Name;
use std::cell::OnceCell;

use crate::protocol::ActionInfo;
use crate::service::{ActionDef, EventDef};

/// Which side of a call a function is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The action is hosted here.
    Local,
    /// The action is hosted by another node, and the function is the way there.
    Remote,
}

/// An action that a layer may wrap.
#[derive(Debug)]
pub struct WrappedAction<'a> {
    name: &'a Name,
    service: &'a Name,
    side: Side,
    def: Def<'a>,
}

#[derive(Debug)]
enum Def<'a> {
    Own(&'a ActionDef),
    /// What another node published. It is converted when it is first asked for.
    Published(&'a ActionInfo, OnceCell<Box<ActionDef>>),
}

impl<'a> WrappedAction<'a> {
    pub(crate) fn local(service: &'a Name, name: &'a Name, def: &'a ActionDef) -> Self {
        Self { name, service, side: Side::Local, def: Def::Own(def) }
    }

    pub(crate) fn remote(service: &'a Name, info: &'a ActionInfo) -> Self {
        Self { name: &info.name, service, side: Side::Remote, def: Def::Published(info, OnceCell::new()) }
    }

    /// Full name of the action.
    #[must_use]
    pub fn name(&self) -> &'a Name {
        self.name
    }

    /// Full name of its service.
    #[must_use]
    pub fn service(&self) -> &'a Name {
        self.service
    }

    /// Whether the action is hosted here, or the function is the way to another node.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Its definition. On the remote side, this is what the other node published, without typed
    /// [options](ActionDef::option).
    #[must_use]
    pub fn def(&self) -> &ActionDef {
        match &self.def {
            Def::Own(def) => def,
            Def::Published(info, def) => def.get_or_init(|| Box::new(ActionDef::published_by(info))),
        }
    }
}

/// A subscription of this node that a layer may wrap.
#[derive(Debug)]
pub struct WrappedEvent<'a> {
    pub(crate) service: &'a Name,
    pub(crate) def: &'a EventDef,
}

impl<'a> WrappedEvent<'a> {
    /// Full name of the service that subscribes.
    #[must_use]
    pub fn service(&self) -> &'a Name {
        self.service
    }

    /// The subscription: its event name or pattern, and its options.
    #[must_use]
    pub fn def(&self) -> &'a EventDef {
        self.def
    }
}
