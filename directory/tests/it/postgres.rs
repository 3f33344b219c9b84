//! Several servers on one PostgreSQL.

use std::path::Path;

use directory::client::{Client, FarmFilter, NodeFilter, PageRequest};
use directory::server::{Data, ServerConfig, start};
use directory::sign::RequestParts;

use crate::cluster::{new_database, query};
use crate::on_postgres::Fixture;
use crate::support::{Database, farm, options, request, user_id};

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
