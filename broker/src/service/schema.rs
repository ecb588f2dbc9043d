//! The form of a service in INFO packets (protocol chapter 5.5), and what makes a definition invalid.

use serde_json::{Map, Value};
use std::collections::HashSet;

use super::{ServiceDef, Visibility};
use crate::broker::StartError;

/// Longest name of a service, action or event, in bytes.
const MAX_NAME: usize = 255;

impl ServiceDef {
    /// The `services` entry of this service.
    pub(crate) fn published(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), self.name.as_str().into());
        if let Some(version) = &self.version {
            entry.insert("version".to_owned(), version.to_value());
        }
        entry.insert("fullName".to_owned(), self.full_name().as_str().into());
        entry.insert("settings".to_owned(), without_secrets(&self.settings).into());
        entry.insert("metadata".to_owned(), self.metadata.clone().into());
        let actions = self.actions.iter().filter(|(def, _)| def.visibility != Visibility::Private);
        let actions = actions.map(|(def, _)| {
            let name = self.action_name(&def.name);
            (name.to_string(), def.published(&name))
        });
        entry.insert("actions".to_owned(), Value::Object(actions.collect()));
        let events = self.events.iter().map(|(def, _)| (def.pattern.to_string(), def.published()));
        entry.insert("events".to_owned(), Value::Object(events.collect()));
        entry.into()
    }

    /// Whether it can be offered at all.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let wrong = |problem: String| Err(StartError::Service { service: self.name.to_string(), problem });
        if let Some(problem) = wrong_name(&self.name) {
            return wrong(format!("its name {problem}"));
        }
        let mut seen = HashSet::new();
        for (def, _) in &self.actions {
            if let Some(problem) = wrong_name(&def.name) {
                return wrong(format!("the name of action `{}` {problem}", def.name.escape_debug()));
            }
            if !seen.insert(def.name.as_str()) {
                return wrong(format!("it has two actions named `{}`", def.name));
            }
        }
        for (def, _) in &self.events {
            if let Some(problem) = wrong_name(&def.pattern) {
                return wrong(format!("the event `{}` {problem}", def.pattern.escape_debug()));
            }
        }
        Ok(())
    }
}

fn wrong_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        name if name.len() > MAX_NAME => Some("is longer than 255 bytes"),
        name if name.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            Some("holds white space or control characters")
        }
        _ => None,
    }
}

/// Settings without the paths that `$secureSettings` names, and without `$secureSettings` itself.
fn without_secrets(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = settings.clone();
    if let Some(Value::Array(paths)) = settings.remove("$secureSettings") {
        for path in paths.iter().filter_map(Value::as_str) {
            remove_path(&mut settings, path);
        }
    }
    settings
}

fn remove_path(map: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => {
            map.remove(path);
        }
        Some((head, rest)) => {
            if let Some(Value::Object(inner)) = map.get_mut(head) {
                remove_path(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{ActionDef, EventDef};
    use serde_json::json;

    #[test]
    fn secret_settings_never_stand_in_the_published_form() {
        let settings = json!({
            "a": 5, "secret": "s", "nested": { "p": "q", "q": 2 }, "$secureSettings": ["secret", "nested.p", "no.such"]
        });
        let def = ServiceDef::builder("math").version(2).settings(settings).build();
        assert_eq!(def.published()["settings"], json!({ "a": 5, "nested": { "q": 2 } }));
    }

    #[test]
    fn the_published_form_is_that_of_node() {
        let def = ServiceDef::builder("math")
            .version(2)
            .action(ActionDef::new("add").extra("rest", "GET /add"), |_, (): ()| async { Ok::<_, crate::Error>(1) })
            .action(ActionDef::new("hidden").visibility(Visibility::Private), |_, (): ()| async {
                Ok::<_, crate::Error>(1)
            })
            .event(EventDef::new("user.*").group("mail"), |_, (): ()| async { Ok::<_, crate::Error>(()) })
            .build();
        let expected = json!({
            "name": "math", "version": 2, "fullName": "v2.math", "settings": {}, "metadata": {},
            "actions": { "v2.math.add": { "rest": "GET /add", "rawName": "add", "name": "v2.math.add" } },
            "events": { "user.*": { "group": "mail", "name": "user.*" } },
        });
        assert_eq!(def.published(), expected);
    }

    #[test]
    fn a_service_that_cannot_work_says_why() {
        let twice = ServiceDef::builder("math")
            .action("add", |_, (): ()| async { Ok::<_, crate::Error>(1) })
            .action("add", |_, (): ()| async { Ok::<_, crate::Error>(1) })
            .build();
        assert!(twice.check().unwrap_err().to_string().contains("two actions named `add`"));
        assert!(ServiceDef::builder("").build().check().is_err());
        assert!(ServiceDef::builder("a b").build().check().is_err());
    }
}
