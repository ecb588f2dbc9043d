//! Finds mistakes that make a definition impossible to offer (pure).
//!
//!
//! `#[service]` reports most of them at compile time. For a service that was built by hand, the broker
//! reports them.

use std::collections::HashSet;

use super::names::{wrong_length, wrong_name, wrong_pattern};
use super::{ActionDef, EventDef, RunMode, ServiceDef, ServiceVersion};
use crate::broker::StartError;

/// Keys of an action's published definition that other options set. `protected` is Moleculer's older name for
/// a visibility.
const DECIDED_OF_ACTIONS: &[&str] = &["name", "rawName", "timeout", "visibility", "protected", "handler"];
/// The same keys for events.
const DECIDED_OF_EVENTS: &[&str] = &["name", "group", "concurrency", "handler"];

impl ServiceDef {
    /// Whether the service can be offered.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        match self.problem() {
            Some(problem) => Err(StartError::Service { service: self.name.to_string(), problem }),
            None => Ok(()),
        }
    }

    fn problem(&self) -> Option<String> {
        if !self.internal
            && let Some(problem) = wrong_name(&self.name)
        {
            return Some(format!("its name {problem}"));
        }
        if let Some(ServiceVersion::Text(version)) = &self.version
            && let Some(problem) = wrong_name(version)
        {
            return Some(format!("its version `{}` {problem}", version.escape_debug()));
        }
        if let Some(problem) = wrong_length(&self.full_name()) {
            return Some(format!("its full name {problem}"));
        }
        for name in &self.depends_on {
            if let Some(problem) = wrong_name(name) {
                return Some(format!("it depends on `{}`, a name that {problem}", name.escape_debug()));
            }
        }
        if let Some(problem) = self.unwritable.first() {
            return Some(problem.clone());
        }
        self.problem_of_actions().or_else(|| self.problem_of_events())
    }

    fn problem_of_actions(&self) -> Option<String> {
        let mut seen = HashSet::new();
        for (def, _) in &self.actions {
            if let Some(problem) = wrong_name(&def.name) {
                return Some(format!("the name of action `{}` {problem}", def.name.escape_debug()));
            }
            if let Some(problem) = wrong_length(&self.action_name(&def.name)) {
                return Some(format!("the full name of action `{}` {problem}", def.name));
            }
            if !seen.insert(def.name.as_str()) {
                return Some(format!("it has two actions named `{}`", def.name));
            }
            if let Some(problem) = &def.unwritable {
                return Some(format!("of its action `{}` {problem}", def.name));
            }
            if let Some(problem) = def.problem() {
                return Some(format!("action `{}` {problem}", def.name));
            }
        }
        None
    }

    fn problem_of_events(&self) -> Option<String> {
        let mut seen = HashSet::new();
        for (def, _) in &self.events {
            if let Some(problem) = wrong_pattern(&def.pattern) {
                return Some(format!("the event `{}` {problem}", def.pattern.escape_debug()));
            }
            // INFO contains each pattern once, so other nodes would learn of only one of them.
            if !seen.insert(def.pattern.as_str()) {
                return Some(format!(
                    "it has two handlers for the event `{}`: let one of them do both",
                    def.pattern
                ));
            }
            if let Some(problem) = &def.unwritable {
                return Some(format!("of its event `{}` {problem}", def.pattern));
            }
            if let Some(problem) = def.problem() {
                return Some(format!("the handler of event `{}` {problem}", def.pattern));
            }
        }
        None
    }
}

impl ActionDef {
    /// Completes "action `x` …".
    fn problem(&self) -> Option<String> {
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Some(
                "has a timeout of zero, which would fail every call: `Timeout::Never` is no limit, and without \
                 one of its own the broker's `requestTimeout` counts"
                    .into(),
            );
        }
        if self.blocking && self.mode == RunMode::Spawn {
            return Some("is blocking, so it has a thread of its own: remove `spawn()`".into());
        }
        decided(self.extra.keys(), DECIDED_OF_ACTIONS)
    }
}

impl EventDef {
    /// Completes "the handler of event `x` …".
    fn problem(&self) -> Option<String> {
        if let Some(group) = &self.group
            && let Some(problem) = wrong_name(group)
        {
            return Some(format!("has the group `{}`, a name that {problem}", group.escape_debug()));
        }
        if self.concurrency == Some(0) {
            return Some("has a concurrency of zero, with which no event would ever be handled".into());
        }
        decided(self.extra.keys(), DECIDED_OF_EVENTS)
    }
}

fn decided<'a>(mut keys: impl Iterator<Item = &'a String>, decided: &[&str]) -> Option<String> {
    let key = keys.find(|key| decided.contains(&key.as_str()))?;
    Some(format!("has the extra key `{key}`, which the definition itself decides: set it there"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::time::Duration;

    use super::*;
    use crate::service::ServiceBuilder;
    use crate::{Error, Timeout};

    fn action(builder: ServiceBuilder, def: ActionDef) -> ServiceBuilder {
        builder.action(def, |_, (): ()| async { Ok::<_, Error>(1) })
    }

    fn event(builder: ServiceBuilder, def: EventDef) -> ServiceBuilder {
        builder.event(def, |_, (): ()| async { Ok::<_, Error>(()) })
    }

    #[test]
    fn what_cannot_be_offered_says_why() {
        let math = || ServiceDef::builder("math");
        let long = "x".repeat(251);
        let cases = [
            (ServiceDef::builder(""), "its name is empty"),
            (ServiceDef::builder("a b"), "its name holds ' '"),
            (ServiceDef::builder("$math"), "its name begins with `$`"),
            (ServiceDef::builder("math.").version(2), "its name has a `.` with nothing beside it"),
            (math().version(""), "its version `` is empty"),
            (math().version("a b"), "its version `a b` holds ' '"),
            (math().version("*"), "its version `*` holds '*'"),
            (math().version("$next"), "its version `$next` begins with `$`"),
            (math().version("1."), "its version `1.` has a `.` with nothing beside it"),
            (math().version(&*long), "its full name is longer than 255 bytes"),
            (math().depends_on(["stock", "my mail"]), "it depends on `my mail`, a name that holds ' '"),
            (action(math(), "".into()), "the name of action `` is empty"),
            (action(math(), "$add".into()), "the name of action `$add` begins with `$`"),
            (action(math(), "add\n".into()), "the name of action `add\\n` holds '\\n'"),
            (action(math(), ActionDef::new(&*long)), "is longer than 255 bytes"),
            (action(action(math(), "add".into()), "add".into()), "it has two actions named `add`"),
            (
                action(math(), ActionDef::new("add").timeout(Duration::ZERO)),
                "action `add` has a timeout of zero, which would fail every call: `Timeout::Never` is no limit",
            ),
            (
                action(math(), ActionDef::new("add").extra("timeout", 0)),
                "action `add` has the extra key `timeout`, which the definition itself decides",
            ),
            (
                action(math(), ActionDef::new("add").extra("visibility", "private")),
                "the extra key `visibility`",
            ),
            (
                math().action_blocking(ActionDef::new("add").spawn(), |_, (): ()| Ok::<_, Error>(1)),
                "action `add` is blocking, so it has a thread of its own",
            ),
            (event(math(), "".into()), "the event `` is empty"),
            (event(math(), "user created".into()), "the event `user created` holds ' '"),
            (
                event(event(math(), "a.*".into()), EventDef::new("a.*").group("b")),
                "two handlers for the event `a.*`",
            ),
            (event(math(), EventDef::new("a").group("$b")), "the group `$b`, a name that begins with `$`"),
            (event(math(), EventDef::new("a").group("")), "the group ``, a name that is empty"),
            (event(math(), EventDef::new("a").concurrency(0)), "no event would ever be handled"),
            (event(math(), EventDef::new("a").extra("group", "b")), "the extra key `group`"),
        ];
        for (builder, expected) in cases {
            let error = builder.build().check().expect_err(expected).to_string();
            assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
        }
    }

    #[test]
    fn what_can_be_offered_is_let_through() {
        let def = ActionDef::new("list.all")
            .timeout(Timeout::Never)
            .extra("rest", "GET /")
            .extra("cache", true)
            .params(json!({}));
        let builder = ServiceDef::builder("my-math.core").version("2.x").depends_on(["v2.stock"]);
        let builder =
            action(action(builder, def), ActionDef::new("add").timeout(Duration::from_nanos(1)).spawn());
        let builder = action(builder, format!("sub.{}", 1).into());
        let events = event(event(builder, "$node.*".into()), EventDef::new("**").group("a.b").concurrency(1));
        events.build().check().unwrap();
        ServiceDef::builder("math").version(-1).build().check().unwrap();
        ServiceDef::builder("$node").internal().build().check().unwrap();
    }
}
