//! No statement about nodes reads all of them, on SQLite. (On PostgreSQL `tests/it/postgres.rs` asks
//! the server.)

use super::sql::{STATEMENTS, Sql};
use super::{CapacityQuery, Cursor, NodeQuery, Store, Window};
use crate::identity::Seed;
use crate::wire::Farm;

/// More than the first step of a walk.
const NODES: u64 = 1200;

async fn filled(dir: &std::path::Path) -> Store {
    let store = Store::open_sqlite(dir).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let farm_id = tx.create_farm(&Farm::default(), 1).await.unwrap();
    for number in 0..NODES {
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let text = |text: &str| text.into();
        let mut columns: Vec<_> = [
            "node_id_v1",
            "hostname",
            "os_version",
            "address",
            "public_key_hex",
            "continent",
        ]
        .into_iter()
        .map(|column| (column, text("")))
        .collect();
        columns.extend([
            ("node_id", Seed::from(bytes).node_id().to_string().into()),
            ("farm_id", super::to_sql(farm_id).into()),
            ("city", text("Ghent")),
            ("country", text("BE")),
            ("state", text("approved")),
            ("latitude", 0.0.into()),
            ("longitude", 0.0.into()),
            ("created", 1_i64.into()),
            ("total_cru", 8_i64.into()),
        ]);
        let insert = Sql::insert("nodes", columns);
        insert.execute(tx.conn()).await.unwrap();
    }
    tx.commit().await.unwrap();
    store
}

#[tokio::test]
async fn no_statement_reads_all_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    let text = || Some("BE".to_owned());
    for cru in [0, 1, 9] {
        for change in [
            |_: &mut CapacityQuery| {},
            |wanted: &mut CapacityQuery| wanted.free_to_use = true,
            |wanted: &mut CapacityQuery| wanted.online = true,
            |wanted: &mut CapacityQuery| wanted.farm_id = Some(1),
            |wanted: &mut CapacityQuery| wanted.mru_bytes = 1,
        ] {
            for country in [None, text()] {
                let mut wanted = CapacityQuery {
                    cru,
                    city: country.clone(),
                    country,
                    limit: 10,
                    ..CapacityQuery::default()
                };
                change(&mut wanted);
                let first = store.capacity(&wanted).await.unwrap();
                wanted.after = first.next;
                store.capacity(&wanted).await.unwrap();
            }
        }
        let window = Window {
            size: 10,
            offset: 300,
        };
        let cru = Some(cru).filter(|cru| *cru > 0);
        for wanted in [
            NodeQuery::default(),
            NodeQuery {
                farm_id: Some(1),
                ..NodeQuery::default()
            },
            NodeQuery {
                country: text(),
                ..NodeQuery::default()
            },
            NodeQuery {
                city: text(),
                ..NodeQuery::default()
            },
            NodeQuery {
                deleted: true,
                ..NodeQuery::default()
            },
        ] {
            let wanted = NodeQuery { cru, ..wanted };
            store.nodes(&wanted, window).await.unwrap();
        }
    }
    for since in [0, 1, 100] {
        for farm_id in [None, Some(1)] {
            let since = Cursor::from_number(since);
            store.changes(since, farm_id, 10).await.unwrap();
        }
    }

    let statements = std::mem::take(&mut *STATEMENTS.lock().unwrap());
    let mut reader = store.reader().await.unwrap();
    let (mut walks, mut leads) = (0, 0);
    for statement in statements.iter().filter(|text| text.starts_with("SELECT")) {
        let plan = Sql::new(format!("EXPLAIN QUERY PLAN {statement}"));
        for row in plan.fetch_all(reader.conn()).await.unwrap() {
            let step: String = row.get("detail").unwrap();
            assert!(
                !step.starts_with("SCAN nodes") && !step.starts_with("SCAN tombstones"),
                "{step}: {statement}"
            );
            walks += usize::from(step.contains("nodes_fit"));
            leads += usize::from(step.contains("nodes_free_"));
        }
    }
    assert!(
        walks > 5 && leads > 3,
        "{walks} walks and {leads} leads: {statements:#?}"
    );
}
