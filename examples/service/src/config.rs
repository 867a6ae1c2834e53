//! Settings: a default each, and a variable of the environment that overrides it.

use std::env::{self, VarError};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

/// The settings. Their defaults are those of [`Config::default`], their variables those of [`Config::from_environment`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database's file; a temporary one if there is none.
    pub database: Option<PathBuf>,
    /// How many entries an empty database begins with.
    pub seed: u32,
    /// Workers of the runtime.
    pub workers: usize,
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
    /// Requests at once. More are refused.
    pub requests: usize,
    /// The largest body, in bytes.
    pub body: usize,
    /// The longest key, in bytes.
    pub key: usize,
    /// Short queries at once.
    pub readers: usize,
    /// Queries and reports at once that wait for the price service.
    pub pricers: usize,
    /// Reports at once that compute: fewer than there are processors, so that one is left for everybody else.
    pub reports: usize,
    /// How many may wait in each line: for a connection of each pool, for the writer. More are refused.
    pub queue: usize,
    /// How long a client may take for its request.
    pub patience: Duration,
    /// How long a query may take: short ones, writes.
    pub deadline: Duration,
    /// How long a report may take, whatever it asks for.
    pub report_deadline: Duration,
    /// How long C may run before a warning says so. The process has one such limit, which `main` puts in force.
    pub slow: Duration,
    /// How long requests may take to end at shutdown; and how long C may take after that.
    pub grace: Duration,
    /// The price service; one of our own if there is none.
    pub prices: Option<SocketAddr>,
    /// How long our own price service takes for an answer.
    pub price_delay: Duration,
    /// How long the price service may take.
    pub price_deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            database: None,
            seed: 2000,
            workers: processors,
            connections: 1024,
            requests: 512,
            body: 64 << 10,
            key: 128,
            readers: 8,
            pricers: 64,
            reports: (processors - 1).max(1),
            queue: 128,
            patience: Duration::from_secs(5),
            deadline: Duration::from_secs(2),
            report_deadline: Duration::from_secs(10),
            slow: Duration::from_secs(1),
            grace: Duration::from_secs(15),
            prices: None,
            price_delay: Duration::from_millis(5),
            price_deadline: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// The defaults, but for what the environment says otherwise.
    ///
    /// # Errors
    ///
    /// If a variable does not say what it should.
    pub fn from_environment() -> Result<Self, Malformed> {
        Self::from_variables(|name| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Malformed(name)),
        })
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Result<Option<String>, Malformed>,
    ) -> Result<Self, Malformed> {
        let variables = Variables(variable);
        let mut config = Self::default();
        variables.read("SERVICE_LISTEN", &mut config.listen)?;
        variables.read_optional("SERVICE_DATABASE", &mut config.database)?;
        variables.read("SERVICE_SEED", &mut config.seed)?;
        variables.read_some("SERVICE_WORKERS", &mut config.workers)?;
        variables.read_some("SERVICE_MAX_CONNECTIONS", &mut config.connections)?;
        variables.read_some("SERVICE_MAX_REQUESTS", &mut config.requests)?;
        variables.read("SERVICE_MAX_BODY_BYTES", &mut config.body)?;
        variables.read("SERVICE_MAX_KEY_BYTES", &mut config.key)?;
        variables.read_some("SERVICE_READERS", &mut config.readers)?;
        variables.read_some("SERVICE_PRICERS", &mut config.pricers)?;
        variables.read_some("SERVICE_REPORTS", &mut config.reports)?;
        variables.read("SERVICE_QUEUE", &mut config.queue)?;
        variables.read_ms("SERVICE_PATIENCE_MS", &mut config.patience)?;
        variables.read_ms("SERVICE_DEADLINE_MS", &mut config.deadline)?;
        variables.read_ms("SERVICE_REPORT_DEADLINE_MS", &mut config.report_deadline)?;
        variables.read_ms("SERVICE_SLOW_MS", &mut config.slow)?;
        variables.read_ms("SERVICE_GRACE_MS", &mut config.grace)?;
        variables.read_optional("SERVICE_PRICES", &mut config.prices)?;
        variables.read_ms("SERVICE_PRICE_DELAY_MS", &mut config.price_delay)?;
        variables.read_ms("SERVICE_PRICE_DEADLINE_MS", &mut config.price_deadline)?;
        Ok(config)
    }
}

/// Where the values of variables come from.
struct Variables<F>(F);

impl<F: Fn(&'static str) -> Result<Option<String>, Malformed>> Variables<F> {
    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Malformed> {
        let value = (self.0)(name)?;
        value
            .map(|value| value.trim().parse().map_err(|_| Malformed(name)))
            .transpose()
    }

    fn read<T: FromStr>(&self, name: &'static str, into: &mut T) -> Result<(), Malformed> {
        if let Some(value) = self.parsed(name)? {
            *into = value;
        }
        Ok(())
    }

    fn read_optional<T: FromStr>(
        &self,
        name: &'static str,
        into: &mut Option<T>,
    ) -> Result<(), Malformed> {
        *into = self.parsed(name)?;
        Ok(())
    }

    /// A number of things of which there has to be one.
    fn read_some(&self, name: &'static str, into: &mut usize) -> Result<(), Malformed> {
        let mut number = NonZeroUsize::new(*into).ok_or(Malformed(name))?;
        self.read(name, &mut number)?;
        *into = number.get();
        Ok(())
    }

    fn read_ms(&self, name: &'static str, into: &mut Duration) -> Result<(), Malformed> {
        if let Some(milliseconds) = self.parsed(name)? {
            *into = Duration::from_millis(milliseconds);
        }
        Ok(())
    }
}

/// A variable of the environment does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not what it should be: see the README", self.0)
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> Result<Config, Malformed> {
        Config::from_variables(|asked| Ok((asked == name).then(|| value.to_owned())))
    }

    #[test]
    fn a_variable_overrides_its_default_alone() {
        let config = with("SERVICE_DEADLINE_MS", "70").unwrap();
        assert_eq!(config.deadline, Duration::from_millis(70));
        assert_eq!(config.report_deadline, Config::default().report_deadline);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (name, value) in [
            ("SERVICE_LISTEN", "everywhere"),
            ("SERVICE_WORKERS", "0"),
            ("SERVICE_GRACE_MS", "-1"),
        ] {
            assert_eq!(with(name, value).unwrap_err(), Malformed(name));
        }
    }
}
