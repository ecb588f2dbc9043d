//! Laying sources over each other: code over environment over files over defaults.

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
/// Precedence does not depend on the order of the calls: values given in code win over the environment, it
/// wins over files, they win over the defaults. Among sources of one sort the later call wins. Objects are
/// merged key by key.
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

/// What nothing is without the feature `config-file`, so that the compiler says what is missing.
#[cfg(not(feature = "config-file"))]
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "reading configuration files needs the feature `config-file` of ligand",
    label = "this build reads no files",
    note = "in Cargo.toml: `ligand = {{ …, features = [\"config-file\"] }}`"
)]
pub trait FilesAreRead {}

/// Values of variables may be passwords, so this prints none.
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
    /// Nothing but the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `base` in place of the defaults.
    pub fn over(base: BrokerConfig) -> Self {
        Self { base, ..Self::default() }
    }

    /// Adds a file, its format chosen by the extension: `.toml`, `.json`, `.yaml` or `.yml`.
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
    /// One that is nearly the name of an option is an error; others that name none are passed over with a
    /// warning.
    pub fn env(mut self) -> Self {
        self.environment = Some(Environment::Process);
        self
    }

    /// Adds these variables in place of those of the process.
    pub fn env_from<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let given = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.environment = Some(Environment::Given(given));
        self
    }

    /// Adds options given by the program, such as those of its command line: they win over everything.
    pub fn value(mut self, options: Value) -> Self {
        self.values.push(options);
        self
    }

    /// Reads all sources and validates the result.
    ///
    /// # Errors
    /// [`ConfigError`], naming the option and where it was written.
    pub fn load(self) -> Result<BrokerConfig, ConfigError> {
        Ok(self.load_with_origins()?.0)
    }

    /// The same, with where each option was written.
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
        // Variables are one source: the type of a transporter and its options belong together.
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

/// Reads the merged options; an error is worded by the table and blamed on the source that won.
fn read_tree(tree: &Map<String, Value>, origins: &Origins) -> Result<BrokerConfig, ConfigError> {
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let path = error.path().to_string();
        let Some(row) = table::option_above(&path) else {
            // Names were checked before; what is left is a bug in the table, better told than hidden.
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
    /// The options in a JSON object, the rest as by default.
    ///
    /// # Errors
    /// [`ConfigError`], naming the option.
    pub fn from_value(options: Value) -> Result<Self, ConfigError> {
        ConfigLoader::new().value(options).load()
    }

    /// The options in the environment of this process (`LIGAND_…`), the rest as by default.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::default().merge_env()
    }

    /// This configuration with the environment of the process (`LIGAND_…`) laid over it.
    ///
    /// Fields that the program set before are overridden too. Where they should win, call this first, or
    /// give them to [`ConfigLoader::value`].
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable.
    pub fn merge_env(self) -> Result<Self, ConfigError> {
        ConfigLoader::over(self).env().load()
    }

    /// The options in a TOML, JSON or YAML file, chosen by extension, the rest as by default.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file and the option.
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

    /// Whether the options can work, each by itself and all together.
    ///
    /// Loading validates; what was changed in code afterwards is validated when the broker is built.
    ///
    /// # Errors
    /// [`ConfigError`], naming the option.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate::check(self, &Origins::default())
    }

    /// All options by their keys, in a form that [`read_tree`] reads back; passwords included.
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
