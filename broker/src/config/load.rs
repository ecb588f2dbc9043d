//! Merges the sources: code overrides the environment, which overrides files, which override the defaults.

use std::ffi::OsString;
#[cfg(feature = "config-file")]
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::BrokerConfig;
use super::error::{ConfigError, Origin};
use super::kind::{describe, value_at};
use super::source::{Origins, adopt, merge};
use super::{env, table, validate};

/// Reads a [`BrokerConfig`] from several sources.
///
/// The order of the calls does not matter: values given in code override the environment, the environment
/// overrides files, and files override the defaults. Among sources of the same kind, the later call wins.
/// Objects are merged key by key.
///
/// ```no_run
/// use ligand::config::ConfigLoader;
///
/// let config = ConfigLoader::new().env().value(serde_json::json!({ "requestTimeout": "5s" })).load()?;
/// assert_eq!(config.request_timeout, std::time::Duration::from_secs(5).into());
/// # Ok::<(), ligand::config::ConfigError>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "nothing is read before `load`"]
pub struct ConfigLoader {
    base: BrokerConfig,
    #[cfg(feature = "config-file")]
    files: Vec<PathBuf>,
    environment: Option<Environment>,
    values: Vec<Value>,
}

/// Without the feature `config-file`, nothing implements this. So the compiler names the missing feature.
#[cfg(not(feature = "config-file"))]
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "reading configuration files needs the feature `config-file` of ligand",
    label = "this build reads no files",
    note = "in Cargo.toml: `ligand = {{ …, features = [\"config-file\"] }}`"
)]
pub trait FilesAreRead {}

/// Values of variables may be passwords, so `Debug` prints none of them.
enum Environment {
    Process,
    Given(Vec<(OsString, OsString)>),
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process => f.write_str("Process"),
            Self::Given(pairs) => f.debug_tuple("Given").field(&pairs.len()).finish(),
        }
    }
}

impl ConfigLoader {
    /// A loader with only the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses `base` instead of the defaults.
    pub fn over(base: BrokerConfig) -> Self {
        Self { base, ..Self::default() }
    }

    /// Adds a file. The extension selects the format: `.toml`, `.json`, `.yaml` or `.yml`.
    #[cfg(feature = "config-file")]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(path.as_ref().to_owned());
        self
    }

    /// Needs the feature `config-file`.
    #[cfg(not(feature = "config-file"))]
    #[doc(hidden)]
    pub fn file<P: FilesAreRead>(self, _path: P) -> Self {
        self
    }

    /// Adds the variables of this process that begin with `LIGAND_`.
    ///
    /// A variable whose name is close to that of an option is an error. Any other unknown variable is
    /// ignored, with a warning.
    pub fn env(mut self) -> Self {
        self.environment = Some(Environment::Process);
        self
    }

    /// Adds these variables instead of those of the process.
    pub fn env_from<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let given = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.environment = Some(Environment::Given(given));
        self
    }

    /// Adds options that the program has, for example from its command line. They override all other sources.
    pub fn value(mut self, options: Value) -> Self {
        self.values.push(options);
        self
    }

    /// Reads all sources and validates the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the option and its source.
    pub fn load(self) -> Result<BrokerConfig, ConfigError> {
        Ok(self.load_with_origins()?.0)
    }

    /// The same, with the source of each option.
    pub(crate) fn load_with_origins(self) -> Result<(BrokerConfig, Origins), ConfigError> {
        validate::check_base(&self.base)?;
        let mut tree = self.base.to_plain_tree();
        let mut origins = Origins::default();
        #[cfg(feature = "config-file")]
        for path in self.files {
            let options = super::file::read(&path)?;
            merge(&mut tree, adopt(options, &Origin::File(path), &mut origins)?);
        }
        let variables = match self.environment {
            Some(Environment::Process) => env::read(std::env::vars_os())?,
            Some(Environment::Given(variables)) => env::read(variables)?,
            None => env::Variables::default(),
        };
        if !variables.unknown.is_empty() {
            let names = variables.unknown.join(", ");
            tracing::warn!(variables = %names, "environment variables that name no option are passed over");
        }
        // All variables are one source, because the type and the options of a transporter belong together.
        let mut environment = Map::new();
        for setting in variables.settings {
            merge(&mut environment, adopt(setting.tree, &setting.origin, &mut origins)?);
        }
        merge(&mut tree, environment);
        for value in self.values {
            let Value::Object(options) = value else { return Err(no_options(&value)) };
            merge(&mut tree, adopt(options, &Origin::Code, &mut origins)?);
        }
        let config = read_tree(&tree, &origins)?;
        validate::check(&config, &origins)?;
        Ok((config, origins))
    }
}

/// Reads the merged options. The table words the error, and the error names the source of the value.
fn read_tree(tree: &Map<String, Value>, origins: &Origins) -> Result<BrokerConfig, ConfigError> {
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let path = error.path().to_string();
        let Some(row) = table::option_above(&path) else {
            // The names have been checked before. So this is a bug in the table, and is reported as one.
            let reason = error.into_inner().to_string();
            return ConfigError::Unusable { origin: origins.of(&path), path, reason };
        };
        let value = value_at(tree, row.path).unwrap_or(&Value::Null);
        ConfigError::InvalidValue {
            path: row.path.to_owned(),
            origin: origins.of(row.path),
            found: describe(value),
            expected: row.kind.expected_instead_of(value),
        }
    })
}

fn no_options(value: &Value) -> ConfigError {
    ConfigError::InvalidValue {
        path: "configuration".into(),
        origin: Origin::Code,
        found: describe(value),
        expected: "an object with options".into(),
    }
}

impl BrokerConfig {
    /// Reads the options in a JSON object. All others have their defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the option.
    pub fn from_value(options: Value) -> Result<Self, ConfigError> {
        ConfigLoader::new().value(options).load()
    }

    /// Reads the options in the environment of this process (`LIGAND_…`). All others have their defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::default().merge_env()
    }

    /// This configuration, overridden by the environment of the process (`LIGAND_…`).
    ///
    /// It also overrides fields that the program has set. To let those fields win, call this first, or pass
    /// them to [`ConfigLoader::value`].
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn merge_env(self) -> Result<Self, ConfigError> {
        ConfigLoader::over(self).env().load()
    }

    /// Reads a TOML, JSON or YAML file. The extension selects the format. All other options have their
    /// defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and the option.
    #[cfg(feature = "config-file")]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        ConfigLoader::new().file(path).load()
    }

    /// Needs the feature `config-file`.
    ///
    /// # Errors
    /// Never: it does not compile.
    #[cfg(not(feature = "config-file"))]
    #[doc(hidden)]
    pub fn from_file<P: FilesAreRead>(_path: P) -> Result<Self, ConfigError> {
        ConfigLoader::new().load()
    }

    /// Checks whether the options can work, each by itself and all together.
    ///
    /// Loading validates the options. Changes that are made in code afterwards are validated when the broker
    /// is built.
    ///
    /// # Errors
    /// [`ConfigError`] names the option.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate::check(self, &Origins::default())
    }

    /// All options by their keys, including passwords, in a form that [`read_tree`] can read.
    pub(super) fn to_plain_tree(&self) -> Map<String, Value> {
        let mut tree = match serde_json::to_value(self) {
            Ok(Value::Object(tree)) => tree,
            other => unreachable!("a configuration is an object of plain data, not {other:?}"),
        };
        if let Some(transporter) = &self.transporter {
            tree.insert("transporter".into(), transporter.to_plain_value());
        }
        if let Some(discoverer) = &self.registry.discoverer
            && let Some(Value::Object(registry)) = tree.get_mut("registry")
        {
            registry.insert("discoverer".into(), discoverer.to_plain_value());
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::OPTIONS;
    use super::*;

    fn nested(path: &str, value: Value) -> Value {
        path.rsplit('.').fold(value, |value, key| json!({ key: value }))
    }

    #[test]
    fn whatever_an_option_is_given_it_is_read_or_refused_by_its_name() {
        let odd = [
            json!(true),
            json!(-1),
            json!(0),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("\u{0}"),
            json!("{"),
            json!("x y"),
            json!([]),
            json!([[null]]),
            json!({}),
            json!({ "type": null }),
            json!({ "": {} }),
        ];
        for row in OPTIONS {
            for value in &odd {
                let Err(error) = BrokerConfig::from_value(nested(row.path, value.clone())) else { continue };
                assert!(
                    error.to_string().starts_with(&format!("`{}` in ", row.path)),
                    "{} = {value}: {error}",
                    row.path
                );
            }
            assert!(BrokerConfig::from_value(nested(row.path, Value::Null)).is_ok(), "{} = null", row.path);
        }
    }

    #[test]
    fn a_zero_in_code_is_refused_rather_than_read_back_as_no_limit() {
        let base =
            BrokerConfig { request_timeout: std::time::Duration::ZERO.into(), ..BrokerConfig::default() };
        let error = ConfigLoader::over(base).load().unwrap_err().to_string();
        assert!(
            error.starts_with("`requestTimeout` in the configuration given in code is \"0s\""),
            "{error}"
        );
    }

    #[test]
    fn each_default_can_be_written_as_a_value_and_as_a_variable() -> Result<(), ConfigError> {
        let default = BrokerConfig::default();
        let tree = default.to_plain_tree();
        for row in OPTIONS {
            let Some(value) = value_at(&tree, row.path).filter(|value| !value.is_null()) else { continue };
            assert_eq!(BrokerConfig::from_value(nested(row.path, value.clone()))?, default, "{}", row.path);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let loader = ConfigLoader::new().env_from([(env::variable(row.path), text)]);
            assert_eq!(loader.load()?, default, "{}", row.path);
        }
        Ok(())
    }
}
