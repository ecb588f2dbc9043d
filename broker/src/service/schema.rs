//! The form of a service in INFO packets (protocol chapter 5.5), and what makes a definition invalid.

use serde_json::{Map, Value};
use std::collections::HashSet;

use super::{ServiceDef, ServiceVersion};
use crate::broker::StartError;
use crate::protocol::{Raw, ServiceInfo};

/// Longest name of a service, action or event, in bytes.
const MAX_NAME: usize = 255;

impl ServiceDef {
    /// What INFO says about the service, beside its actions and events.
    pub(crate) fn info(&self) -> ServiceInfo {
        let object = |map: Map<String, Value>| Raw::new(Value::from(map).to_string().into());
        ServiceInfo {
            name: self.name.clone(),
            version: self.version.as_ref().map(ServiceVersion::to_wire),
            full_name: self.full_name(),
            settings: object(without_secrets(&self.settings)),
            metadata: object(self.metadata.clone()),
            actions: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Whether it can be offered at all.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let wrong = |problem: String| Err(StartError::Service { service: self.name.to_string(), problem });
        if let Some(problem) = wrong_name(&self.name) {
            return wrong(format!("its name {problem}"));
        }
        if let Some(problem) = self.unwritable.first() {
            return wrong(problem.clone());
        }
        let mut seen = HashSet::new();
        for (def, _) in &self.actions {
            if let Some(problem) = wrong_name(&def.name) {
                return wrong(format!("the name of action `{}` {problem}", def.name.escape_debug()));
            }
            if let Some(problem) = &def.unwritable {
                return wrong(format!("of its action `{}` {problem}", def.name));
            }
            if !seen.insert(def.name.as_str()) {
                return wrong(format!("it has two actions named `{}`", def.name));
            }
        }
        for (def, _) in &self.events {
            if let Some(problem) = wrong_name(&def.pattern) {
                return wrong(format!("the event `{}` {problem}", def.pattern.escape_debug()));
            }
            if let Some(problem) = &def.unwritable {
                return wrong(format!("of its event `{}` {problem}", def.pattern));
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
    use serde_json::json;

    #[test]
    fn secret_settings_never_stand_in_the_published_form() {
        let settings = json!({
            "a": 5, "secret": "s", "nested": { "p": "q", "q": 2 }, "$secureSettings": ["secret", "nested.p", "no.such"]
        });
        let def = ServiceDef::builder("math").version(2).settings(settings).build();
        let published: Value = serde_json::from_slice(def.info().settings.bytes()).unwrap();
        assert_eq!(published, json!({ "a": 5, "nested": { "q": 2 } }));
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
