//! No statement about nodes reads all of them, on SQLite, and whichever way a search goes it finds the
//! same. (On PostgreSQL `tests/it/postgres.rs` asks the server.)

use super::sql::{STATEMENTS, Sql};
use super::{CapacityQuery, Cursor, NodeQuery, Store, Window};
use crate::identity::Seed;
use crate::wire::Farm;

/// More than the first step of a walk.
const NODES: u64 = 1200;

/// Nodes numbered from 1 with so many processors and so much memory.
async fn filled(dir: &std::path::Path, nodes: u64, capacity: fn(u64) -> (i64, i64)) -> Store {
    let store = Store::open_sqlite(dir).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let farm_id = tx.create_farm(&Farm::default(), 1).await.unwrap();
    for number in 1..=nodes {
        let (cru, mru_bytes) = capacity(number);
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
            ("total_cru", cru.into()),
            ("total_mru_bytes", mru_bytes.into()),
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
    let store = filled(dir.path(), NODES, |_| (8, 0)).await;
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

#[tokio::test]
async fn pages_of_a_search_are_all_answers_in_order() {
    const NODES: u64 = 2500;
    const GIB: i64 = 1 << 30;
    // Much memory goes with few processors: what has enough of both lies far along the walk.
    fn capacity(number: u64) -> (i64, i64) {
        let dice = i64::try_from(number * 7919 % 1000).unwrap();
        (dice % 64, (dice / 64) * 4 * GIB)
    }
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), NODES, capacity).await;
    for (cru, mru_bytes, limit) in [
        (0, 0, 100),
        (1, GIB, 100),
        (60, 0, 10),
        (0, 56 * GIB, 7),
        (40, 56 * GIB, 100),
        (63, 60 * GIB, 100),
        (64, 0, 100),
    ] {
        let mut wanted = CapacityQuery {
            cru,
            mru_bytes,
            limit,
            ..CapacityQuery::default()
        };
        let mut found = Vec::new();
        loop {
            let page = store.capacity(&wanted).await.unwrap();
            assert!(page.offers.len() <= usize::try_from(limit).unwrap());
            found.extend(page.offers.iter().map(|offer| offer.node_id));
            match page.next {
                None => break,
                next => wanted.after = next,
            }
        }
        let mut answers: Vec<_> = (1..=NODES)
            .filter(|number| {
                let has = capacity(*number);
                has.0 >= cru && has.1 >= mru_bytes
            })
            .map(|number| {
                let has = capacity(number);
                let mut bytes = [3; 32];
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                let weight = has.0 * 4096 + has.1 / (1 << 20);
                (weight, number, Seed::from(bytes).node_id())
            })
            .collect();
        answers.sort_unstable_by_key(|(weight, number, _)| (*weight, *number));
        let answers: Vec<_> = answers.into_iter().map(|(_, _, id)| id).collect();
        assert_eq!(found, answers, "cru {cru}, mru {mru_bytes}, {limit} a page");
    }
}
