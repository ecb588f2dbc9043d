//! What a layer is told of the function that it wraps.

use ligand_transporters::Name;
use std::cell::OnceCell;

use crate::protocol::ActionInfo;
use crate::service::{ActionDef, EventDef};

/// Which side of a call a function stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The action is hosted here.
    Local,
    /// The action is hosted by another node, and this is the way there.
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
    /// What another node published, read for the first that asks.
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

    /// Whether it is hosted here, or this is the way to another node.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Its definition. On the remote side it is what the other node published, without typed
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

    /// The subscription: its event or pattern, and its options.
    #[must_use]
    pub fn def(&self) -> &'a EventDef {
        self.def
    }
}
