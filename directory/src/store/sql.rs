//! One way to speak to SQLite and PostgreSQL.
//!
//! Statements are written once, with `$1, $2, ...` for values, which both understand. What differs
//! is in [`Dialect`], in the migrations, and in the modules that open a database. sqlx's own `Any`
//! driver does the same for less: it knows neither SQLite's open options nor typed arguments.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, PgConnection, Postgres, Row as _, Sqlite,
    SqliteConnection, Type,
};

/// A value bound to a statement. Columns are never NULL, so neither are values.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Int(i64),
    Real(f64),
    Bool(bool),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from! {
    i64 => Int,
    u16 => Int,
    f64 => Real,
    bool => Bool,
    String => Text,
    &String => Text,
    &str => Text,
    Vec<u8> => Blob,
    &[u8] => Blob,
}

/// A connection of either kind.
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// What the two databases spell differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Conn<'_> {
    /// The same connection, for one statement of several.
    pub(super) fn again(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres(conn) => Conn::Postgres(conn),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl Dialect {
    /// Ends a `SELECT` of rows that the same transaction may change: nobody else changes them
    /// meanwhile. SQLite has one writer at a time.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }
}

/// A row of either kind.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by name or number.
    pub(super) fn get<'r, T, I>(&'r self, column: I) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// A statement and its values.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// Every statement that ran, for the test of their plans.
#[cfg(test)]
pub(super) static STATEMENTS: std::sync::Mutex<std::collections::BTreeSet<String>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());

/// Runs a statement on whichever connection it is.
macro_rules! run {
    ($sql:expr, $conn:expr, $method:ident, $wrap_sqlite:expr, $wrap_postgres:expr) => {{
        let Sql { text, values } = $sql;
        #[cfg(test)]
        STATEMENTS.lock().unwrap().insert(text.to_string());
        match $conn {
            Conn::Sqlite(conn) => {
                let arguments = arguments::<Sqlite, SqliteArguments>(values)?;
                let query = sqlx::query_with(AssertSqlSafe(text), arguments);
                query.$method(&mut *conn).await.map($wrap_sqlite)
            }
            Conn::Postgres(conn) => {
                let arguments = arguments::<Postgres, PgArguments>(values)?;
                let query = sqlx::query_with(AssertSqlSafe(text), arguments);
                query.$method(&mut *conn).await.map($wrap_postgres)
            }
        }
    }};
}

fn arguments<DB, A>(values: Vec<Value>) -> Result<A, sqlx::Error>
where
    DB: Database<Arguments = A>,
    A: sqlx::Arguments<Database = DB>,
    i64: for<'q> sqlx::Encode<'q, DB> + Type<DB>,
    f64: for<'q> sqlx::Encode<'q, DB> + Type<DB>,
    bool: for<'q> sqlx::Encode<'q, DB> + Type<DB>,
    String: for<'q> sqlx::Encode<'q, DB> + Type<DB>,
    Vec<u8>: for<'q> sqlx::Encode<'q, DB> + Type<DB>,
{
    let mut arguments = A::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Blob(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Sql {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// `INSERT INTO table (column, ...) VALUES (value, ...)`
    pub(super) fn insert(table: &str, columns: Vec<(&'static str, Value)>) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut sql = Self::new(format!(
            "INSERT INTO {table} ({}) VALUES (",
            names.join(", ")
        ));
        for (index, (_, value)) in columns.into_iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " })
                .push_bind(value);
        }
        sql.push(")");
        sql
    }

    /// `UPDATE table SET column = value, ...`, to be followed by a `WHERE`.
    pub(super) fn update(table: &str, columns: Vec<(&'static str, Value)>) -> Self {
        let mut sql = Self::new(format!("UPDATE {table} SET "));
        for (index, (name, value)) in columns.into_iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " })
                .push(name)
                .push(" = ")
                .push_bind(value);
        }
        sql
    }

    /// The same values with text before them, for several statements about the same rows.
    pub(super) fn after(&self, text: &'static str) -> Self {
        Self {
            text: format!("{text}{}", self.text).into(),
            values: self.values.clone(),
        }
    }

    /// Appends text of ours; what comes from outside is bound.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends a placeholder with its value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.push(&placeholder)
    }

    /// The value of the next placeholder the text has already.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Gives the number of rows changed.
    pub(super) async fn execute(self, conn: Conn<'_>) -> Result<u64, sqlx::Error> {
        run!(self, conn, execute, |done| done.rows_affected(), |done| {
            done.rows_affected()
        })
    }

    pub(super) async fn fetch_all(self, conn: Conn<'_>) -> Result<Vec<Row>, sqlx::Error> {
        run!(
            self,
            conn,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            |rows| rows.into_iter().map(Row::Postgres).collect()
        )
    }

    pub(super) async fn fetch_optional(self, conn: Conn<'_>) -> Result<Option<Row>, sqlx::Error> {
        run!(
            self,
            conn,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            |row| row.map(Row::Postgres)
        )
    }

    pub(super) async fn fetch_one(self, conn: Conn<'_>) -> Result<Row, sqlx::Error> {
        run!(self, conn, fetch_one, Row::Sqlite, Row::Postgres)
    }

    /// The first column of the only row, an integer.
    pub(super) async fn fetch_int(self, conn: Conn<'_>) -> Result<i64, sqlx::Error> {
        self.fetch_one(conn).await?.get(0)
    }
}
