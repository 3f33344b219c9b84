//! Opening a PostgreSQL database.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgPool};

use super::OpenError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections of one server process. Each change holds one from its first to its last statement.
const CONNECTIONS: u32 = 16;

/// Begins a change. The shared lock says that revisions may be under way: a reader of changes takes
/// it exclusively for a moment and so knows that all numbers up to the last are committed.
///
/// Taken before any row lock: a writer that waits for a row never has one behind it that waits for
/// a reader.
pub(super) const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(7022078)";

/// Begins a transaction once no change is under way that began before; new ones wait for its end.
pub(super) const WAIT_FOR_WRITERS: &str = "BEGIN; SELECT pg_advisory_xact_lock(7022078)";

/// The address of a PostgreSQL database, with the password if there is one. Shown without it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A text that is no address of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another kind of address.
    #[error("the database address does not begin with postgres://")]
    Scheme,
    /// Not readable.
    #[error("the database address cannot be read: {0}")]
    Syntax(String),
    /// Names are looked up by the C library there, which a static program must not ask.
    #[error("the database address names the machine {host}: write its IP address instead")]
    Name {
        /// The machine.
        host: String,
    },
    /// Passwords and e-mail addresses would go over the network to whoever answers.
    #[error(
        "the database address names the machine {host} and does not say how to know it: add \
         sslmode=verify-full (and sslrootcert=FILE), or, in a network you trust, sslmode=require \
         or sslmode=disable"
    )]
    Unprotected {
        /// The machine.
        host: String,
    },
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let text = text.trim();
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Err(DatabaseUrlError::Scheme);
        }
        let url = Self(text.to_owned());
        let options = url.options()?;
        if options.get_socket().is_some() || options.get_host().starts_with('/') {
            return Ok(url);
        }
        let host = options.get_host().to_owned();
        let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
            return Err(DatabaseUrlError::Name { host });
        };
        let says_nothing = matches!(options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Allow);
        if !ip.is_loopback() && says_nothing {
            return Err(DatabaseUrlError::Unprotected { host });
        }
        Ok(url)
    }
}

impl DatabaseUrl {
    /// What the address leaves out comes from `PGUSER`, `PGPASSFILE` and the like, as with every
    /// client of PostgreSQL.
    fn options(&self) -> Result<PgConnectOptions, DatabaseUrlError> {
        let options: PgConnectOptions = self
            .0
            .parse()
            .map_err(|error: sqlx::Error| DatabaseUrlError::Syntax(error.to_string()))?;
        Ok(if options.get_host().eq_ignore_ascii_case("localhost") {
            options.host("127.0.0.1")
        } else {
            options
        })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.options() else {
            return f.write_str("postgres://");
        };
        let name = options
            .get_database()
            .unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{}/{name}", socket.display()),
            None => write!(
                f,
                "postgres://{}:{}/{name}",
                options.get_host(),
                options.get_port()
            ),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Connects and brings the schema up to date; several servers may do so at once.
pub(super) async fn open(url: &DatabaseUrl) -> Result<PgPool, OpenError> {
    let name = url.to_string();
    let options = url
        .options()?
        .application_name("farmer-directory")
        // A server that died or hangs must not keep the others from writing; filters differ too
        // much for one plan to fit all; what is asked for is in memory or on an SSD, where finding
        // a hundred rows is cheaper than reading the table.
        .options([
            ("idle_in_transaction_session_timeout", "30s"),
            ("statement_timeout", "30s"),
            ("plan_cache_mode", "force_custom_plan"),
            ("random_page_cost", "1.1"),
        ])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(super::ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|source| OpenError::Database {
            database: name.clone(),
            source,
        })?;
    let migrated = MIGRATIONS.run(&pool).await;
    migrated.map_err(|error| OpenError::migrate(&name, &MIGRATIONS, error))?;
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_shown_without_the_password() {
        let parse = |text: &str| text.parse::<DatabaseUrl>();
        for (good, shown) in [
            (
                "postgres://me:secret@localhost/farms",
                "postgres://127.0.0.1:5432/farms",
            ),
            (
                "postgresql://me@[::1]:5433/farms\n",
                "postgres://[::1]:5433/farms",
            ),
            (
                "postgres://me@localhost/farms?host=/run/postgresql",
                "postgres:///run/postgresql/farms",
            ),
            (
                "postgres://me:s@192.0.2.1/farms?sslmode=verify-full",
                "postgres://192.0.2.1:5432/farms",
            ),
        ] {
            let url = parse(good).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("secret"));
        }
        for bad in [
            "mysql://me@localhost/farms",
            "/var/lib/farms",
            "postgres://me@192.0.2.1/farms",
            "postgres://me@db.example/farms?sslmode=verify-full",
            "postgres://me@localhost:x/farms",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.to_string().contains("me@"), "{error}");
        }
    }
}
