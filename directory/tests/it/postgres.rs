//! Several servers on one PostgreSQL.

use std::path::Path;

use directory::client::{Client, FarmFilter, NodeFilter, PageRequest};
use directory::server::{Data, ServerConfig, start};
use directory::sign::RequestParts;

use crate::cluster::{log_of, new_database, query};
use crate::on_postgres::Fixture;
use crate::support::{Database, farm, get, options, request, user_id};

/// A database of its own in the cluster.
pub struct Postgres;

impl Database for Postgres {
    fn data(_: &Path) -> Data {
        Data::Postgres(new_database().parse().unwrap())
    }
}

/// A second server on the same database.
async fn second(fx: &Fixture) -> (directory::server::RunningServer, Client) {
    let server = start(fx.config()).await.unwrap();
    let client = Client::new(&options(&server, fx.clock.clone())).unwrap();
    (server, client)
}

#[tokio::test]
async fn two_servers_answer_as_one() {
    let fx = Fixture::strict().await;
    let (other, client) = second(&fx).await;
    let (alpha, owner) = fx.farm("alpha", 1).await;
    // Numbers go on, whoever gives them; names are taken on both.
    let beta = client
        .create_farm(&farm("beta", user_id(&owner)), &owner)
        .await;
    assert!(beta.unwrap().value > alpha);
    let again = client
        .create_farm(&farm("alpha", user_id(&owner)), &owner)
        .await;
    assert!(format!("{:?}", again.unwrap_err()).contains("taken"));

    let nodes: Vec<_> = [20_u8, 21, 22, 23, 24].to_vec();
    for (index, key) in nodes.iter().enumerate() {
        let seed = crate::support::seed(*key);
        let registration = crate::support::registration(&seed, alpha);
        let at = if index % 2 == 0 { &fx.client } else { &client };
        at.register(&registration, &seed).await.unwrap();
    }
    // Reported to one, told by the other.
    let seed = crate::support::seed(20);
    fx.clock.advance(std::time::Duration::from_secs(60));
    client.post_uptime(1234, &seed).await.unwrap();
    let node = fx
        .client
        .node(seed.node_id(), false, None)
        .await
        .unwrap()
        .value;
    assert_eq!(
        (node.uptime, node.updated.0),
        (1234, crate::support::NOW + 60)
    );

    // Pages fit together, whoever gives them.
    let page = PageRequest { page: 1, size: 2 };
    let filter = NodeFilter::default();
    let mut seen = Vec::new();
    for number in 1..=3 {
        let at = if number % 2 == 0 { &fx.client } else { &client };
        let page = PageRequest {
            page: number,
            ..page
        };
        let answer = at.nodes(&filter, page, None).await.unwrap();
        assert_eq!(answer.pages, Some(3));
        seen.extend(answer.value.into_iter().map(|node| node.id));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    other.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_request_sent_to_two_servers_at_once_is_carried_out_once() {
    let fx = Fixture::strict().await;
    let (other, _) = second(&fx).await;
    let owner = fx.user("alice", 1).await;
    for round in 0..20_u8 {
        let body = serde_json::to_vec(&farm(&format!("farm-{round}"), user_id(&owner))).unwrap();
        let parts = RequestParts {
            method: "POST",
            target: "/api/v1/farms",
            body: &body,
        };
        let signed = fx.sign(&owner, &parts, round);
        let (here, there) = tokio::join!(
            request(fx.addr(), &parts, Some(&signed)),
            request(other.local_addr(), &parts, Some(&signed)),
        );
        assert_eq!(
            (here.status, there.status),
            (201, 201),
            "{here:?} {there:?}"
        );
        assert_eq!(here.body, there.body, "the same farm");
        // Altered, the nonce is used up on both.
        let altered = RequestParts {
            target: "/explorer/farms",
            ..parts
        };
        let signed = fx.sign(&owner, &altered, round);
        for addr in [fx.addr(), other.local_addr()] {
            assert_eq!(request(addr, &altered, Some(&signed)).await.status, 401);
        }
    }
    let filter = FarmFilter::default();
    let all = fx.client.all_farms(&filter, None);
    assert_eq!(all.await.unwrap().len(), 20);
}

#[tokio::test]
async fn servers_that_start_at_once_make_the_tables_once() {
    let data = Postgres::data(Path::new(""));
    let starts = (0..4).map(|_| {
        let listen = ([127, 0, 0, 1], 0).into();
        tokio::spawn(start(ServerConfig::with_data(listen, data.clone())))
    });
    for started in starts.collect::<Vec<_>>() {
        started.await.unwrap().unwrap().shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_or_missing_database_is_told_without_the_password() {
    let Data::Postgres(url) = Postgres::data(Path::new("")) else {
        panic!()
    };
    let listen = ([127, 0, 0, 1], 0).into();
    let mut config = ServerConfig::with_data(listen, Data::Postgres(url.clone()));
    start(config.clone())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    let name = url.to_string().rsplit('/').next().unwrap().to_owned();
    query(
        &name,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)",
    );
    let Err(error) = start(config.clone()).await else {
        panic!("it started")
    };
    assert!(
        error
            .to_string()
            .contains("schema 9999, made by a newer program"),
        "{error}"
    );

    let missing = "postgres://farmer:s3cret@127.0.0.1:1/none?sslmode=disable";
    config.data = Data::Postgres(missing.parse().unwrap());
    let shown = format!("{config:?}");
    let Err(error) = start(config).await else {
        panic!("it started")
    };
    assert!(error.hint().is_some(), "{error:?}");
    let shown = format!("{shown} {error} {error:?}");
    assert!(
        shown.contains("127.0.0.1:1/none") && !shown.contains("s3cret"),
        "{shown}"
    );
}

/// The server itself tells the plans of all statements that the requests bring about.
#[tokio::test]
async fn no_statement_reads_all_nodes() {
    const NODES: u64 = 20_000;
    let url = new_database();
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    let listen = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig::with_data(listen, Data::Postgres(url.parse().unwrap()));
    start(config.clone())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    query(
        &name,
        "INSERT INTO farms (threebot_id, name, iyo_organization, email, city, country, continent, \
             latitude, longitude, prefix_zero, wallet_addresses, resource_prices, ipaddresses, \
             farm_cloudunits_price, enable_custom_pricing, is_grid3_compliant, created) \
         SELECT 1, 'farm-' || n, '', '', '', '', '', 0, 0, '', '[]', '[]', '[]', '{}', false, \
             true, 1 FROM generate_series(1, 200) AS n",
    );
    let ids = (0..NODES).map(|number| {
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        format!("('{}')", directory::identity::Seed::from(bytes).node_id())
    });
    let ids: Vec<String> = ids.collect();
    for (part, ids) in ids.chunks(1000).enumerate() {
        query(
            &name,
            &format!(
                "INSERT INTO nodes (node_id, node_id_v1, farm_id, hostname, os_version, address, \
                     public_key_hex, created, city, country, continent, \
                     latitude, longitude, total_cru, total_mru_bytes, state, free_to_use) \
                 SELECT id, '', 1 + n % 200, '', '', '', '', n, 'city-' || n % 90, \
                     'country-' || n % 30, '', 0, 0, n % 64, n % 977, 'approved', n % 9 = 0 \
                 FROM (SELECT id, {part} * 1000 + row_number() OVER () AS n \
                     FROM (VALUES {}) AS ids (id)) AS nodes",
                ids.join(", ")
            ),
        );
    }
    query(&name, "VACUUM ANALYZE");
    query(
        &name,
        &format!(
            "ALTER DATABASE {name} SET session_preload_libraries = 'auto_explain'; \
             ALTER DATABASE {name} SET auto_explain.log_min_duration = 0; \
             ALTER DATABASE {name} SET auto_explain.log_analyze = on"
        ),
    );
    let server = start(config).await.unwrap();
    for target in [
        "/nodes",
        "/nodes?page=150",
        "/nodes?farm=7",
        "/nodes?country=country-3",
        "/nodes?city=city-3&page=2",
        "/nodes?cru=63",
        "/nodes?cru=1",
        "/nodes?cru=1&country=country-3",
        "/capacity",
        "/capacity?cru=63",
        "/capacity?cru=5&country=country-3",
        "/capacity?cru=999",
        "/capacity?mru=900&cru=2",
        "/capacity?free_to_use=true&cru=2",
        "/capacity?farm=7&cru=2",
        "/capacity?city=city-3&cru=2",
        "/capacity?online=true",
        "/capacity?after=8000.0",
        "/changes?since=20000",
        "/changes",
        "/changes?farm=7",
    ] {
        let answer = get(server.local_addr(), &format!("/api/v1{target}")).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
    }
    server.shutdown().await.unwrap();
    let plans = log_of(&name);
    let plans: Vec<_> = plans
        .iter()
        .filter(|entry| entry.contains("plan:"))
        .collect();
    assert!(plans.len() > 40, "{} plans", plans.len());
    for plan in &plans {
        // Row after row is fine where a limit ends it early.
        if let Some((_, scan)) = plan
            .split_once("Seq Scan on nodes")
            .or_else(|| plan.split_once("Seq Scan on node_pulse"))
        {
            let number = |(_, rest): (&str, &str)| {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
                digits.unwrap().parse::<u64>().unwrap()
            };
            let (_, actual) = scan.split_once("(actual ").unwrap();
            let kept = actual.split_once("rows=").map_or(NODES, number);
            let dropped = actual
                .split_once("Rows Removed by Filter: ")
                .map_or(0, number);
            assert!(kept + dropped < NODES * 3 / 4, "{plan}");
        }
        // Nothing large is sorted.
        for (_, rest) in plan
            .match_indices("Memory: ")
            .map(|(at, _)| plan.split_at(at + 8))
        {
            let kib: u64 = rest.split("kB").next().unwrap().trim().parse().unwrap_or(0);
            assert!(kib < 2048, "{plan}");
        }
        assert!(!plan.contains("external"), "{plan}");
    }
    assert!(plans.iter().any(|plan| plan.contains("nodes_fit")));
}
