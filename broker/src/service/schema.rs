//! A service as INFO packets describe it (protocol chapter 5.5).

use serde_json::{Map, Value};

use super::{ServiceDef, ServiceVersion};
use crate::protocol::{Raw, ServiceInfo};

impl ServiceDef {
    /// What INFO says about the service, apart from its actions and events.
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
}
