//! Farms: who may do what, and what the answers look like.

use directory::client::{Error, FarmFilter, PageRequest};
use directory::sign::{RequestParts, Signer};
use directory::wire::{ResourcePrice, Untrusted};

use super::Fixture;
use crate::support::{farm, get, request, user_id};

#[tokio::test]
async fn a_farm_keeps_every_field() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let mut wanted = farm("alpha", user_id(&owner));
    wanted.iyo_organization = "org".into();
    wanted.prefix_zero = Some("2a10:b600:1::1/64".parse().unwrap());
    wanted.resource_prices = vec![ResourcePrice {
        currency: 1,
        cru: 2.5,
        ..Default::default()
    }];
    wanted.farm_cloudunits_price.cu = 10.0;
    wanted.enable_custom_pricing = true;
    wanted.id = fx.client.create_farm(&wanted, &owner).await.unwrap().value;
    wanted.is_grid3_compliant = true;
    wanted.verified = Some(true);

    let mine = fx.client.farm(wanted.id, Some(&owner)).await.unwrap();
    assert_eq!(mine.value, wanted);
    assert_eq!(mine.date.unwrap().secs, crate::support::NOW);

    let hidden = directory::wire::Farm {
        email: Untrusted::default(),
        ..wanted.clone()
    };
    assert_eq!(fx.client.farm(wanted.id, None).await.unwrap().value, hidden);
    let other = fx.user("bob", 2).await;
    assert_eq!(
        fx.client.farm(wanted.id, Some(&other)).await.unwrap().value,
        hidden
    );

    wanted.name = "alpha-2".into();
    wanted.prefix_zero = None;
    fx.client.update_farm(&wanted, &owner).await.unwrap();
    assert_eq!(
        fx.client.farm(wanted.id, Some(&owner)).await.unwrap().value,
        wanted
    );
}

#[tokio::test]
async fn only_the_owner_creates_and_changes_a_farm() {
    let fx = Fixture::strict().await;
    let (farm_id, alice) = fx.farm("alpha", 1).await;
    let bob = fx.user("bob", 2).await;
    let forbidden = |error: &Error| matches!(error, Error::Status { status: 403, .. });

    let in_her_name = farm("beta", user_id(&alice));
    assert!(forbidden(
        &fx.client.create_farm(&in_her_name, &bob).await.unwrap_err()
    ));
    let mut hers = fx.client.farm(farm_id, None).await.unwrap().value;
    hers.name = "stolen".into();
    assert!(forbidden(
        &fx.client.update_farm(&hers, &bob).await.unwrap_err()
    ));
    hers.threebot_id = user_id(&bob);
    assert!(forbidden(
        &fx.client.update_farm(&hers, &bob).await.unwrap_err()
    ));
    assert!(forbidden(
        &fx.client.update_farm(&hers, &alice).await.unwrap_err()
    ));
    assert_eq!(
        fx.client.farm(farm_id, None).await.unwrap().value.name,
        "alpha"
    );
}

#[tokio::test]
async fn bad_farms_are_refused_in_words() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let good = farm("alpha", user_id(&owner));
    let mut bad = vec![];
    for name in [
        "",
        "ab",
        "a b",
        "x;DROP TABLE farms",
        "=cmd()",
        "\u{1b}[31m",
        &"x".repeat(41),
    ] {
        bad.push(farm(name, user_id(&owner)));
    }
    bad.push(directory::wire::Farm {
        wallet_addresses: vec![],
        ..good.clone()
    });
    bad.push(directory::wire::Farm {
        email: "gmail.com".into(),
        ..good.clone()
    });
    let mut north = good.clone();
    north.location.latitude = 90.000_01;
    bad.push(north);
    for farm in bad {
        let error = fx.client.create_farm(&farm, &owner).await.unwrap_err();
        assert!(
            matches!(error, Error::Status { status: 400, .. }),
            "{farm:?}: {error:?}"
        );
    }
    let mut nobody = good.clone();
    nobody.threebot_id = 0;
    let error = fx.client.create_farm(&nobody, &owner).await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 400, .. }),
        "{error:?}"
    );

    fx.client.create_farm(&good, &owner).await.unwrap();
    let error = fx.client.create_farm(&good, &owner).await.unwrap_err();
    let Error::Status {
        status: 409,
        message,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(message.raw().contains("taken"), "{message}");
}

#[tokio::test]
async fn unknown_farms_and_bad_ids() {
    let fx = Fixture::strict().await;
    let error = fx.client.farm(12, None).await.unwrap_err();
    assert!(
        matches!(error, Error::FarmNotFound { farm_id: 12, .. }),
        "{error:?}"
    );
    let answer = get(fx.addr(), "/explorer/farms/12").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.body,
        r#"{"error":"farm with id:12 does not exists"}"#
    );
    assert_eq!(get(fx.addr(), "/explorer/farms/twelve").await.status, 400);
    assert_eq!(
        get(fx.addr(), "/explorer/farms/18446744073709551615")
            .await
            .status,
        404
    );
    assert_eq!(get(fx.addr(), "/explorer/farms?owner=x").await.status, 400);
    assert_eq!(get(fx.addr(), "/explorer/nothing").await.status, 404);
    let wrong = RequestParts {
        method: "DELETE",
        target: "/explorer/farms",
        body: b"",
    };
    assert_eq!(request(fx.addr(), &wrong, None).await.status, 405);
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let fx = Fixture::strict().await;
    let (alice, bob) = (fx.user("alice", 1).await, fx.user("bob", 2).await);
    for number in 0..5 {
        fx.client
            .create_farm(&farm(&format!("alice-{number}"), user_id(&alice)), &alice)
            .await
            .unwrap();
    }
    fx.client
        .create_farm(&farm("bobs", user_id(&bob)), &bob)
        .await
        .unwrap();

    let names = |farms: &[directory::wire::Farm]| -> Vec<String> {
        farms
            .iter()
            .map(|farm| farm.name.raw().to_owned())
            .collect()
    };
    let all = FarmFilter::default();
    let page = fx
        .client
        .farms(&all, PageRequest { page: 2, size: 4 }, None)
        .await
        .unwrap();
    assert_eq!(
        (names(&page.value), page.pages),
        (vec!["alice-4".into(), "bobs".into()], Some(2))
    );
    let beyond = fx
        .client
        .farms(&all, PageRequest { page: 9, size: 4 }, None)
        .await
        .unwrap();
    assert_eq!((beyond.value.len(), beyond.pages), (0, Some(2)));

    let of_bob = FarmFilter {
        owner: Some(user_id(&bob)),
        ..all.clone()
    };
    assert_eq!(
        names(&fx.client.all_farms(&of_bob, None).await.unwrap()),
        ["bobs"]
    );
    for (name, found) in [("alice-3", 1), ("alice", 0), ("' OR 1=1 --", 0), ("%", 0)] {
        let filter = FarmFilter {
            name: Some(name.into()),
            ..all.clone()
        };
        assert_eq!(
            fx.client.all_farms(&filter, None).await.unwrap().len(),
            found,
            "{name}"
        );
    }
    let empty = get(fx.addr(), "/explorer/farms?name=none").await;
    assert_eq!(
        (empty.body.as_str(), empty.header("pages")),
        ("[]", Some("0"))
    );
    assert_eq!(
        get(fx.addr(), "/api/v1/farms?size=4").await.header("pages"),
        Some("2")
    );
}

#[tokio::test]
async fn data_survives_a_restart() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    let config = fx.config();
    fx.server.shutdown().await.unwrap();
    let server = directory::server::start(config).await.unwrap();
    let options = crate::support::options(&server, fx.clock.clone());
    let client = directory::client::Client::new(&options).unwrap();
    assert_eq!(
        client.farm(farm_id, None).await.unwrap().value.name,
        "alpha"
    );
    assert_eq!(
        client
            .node(node.node_id(), false, None)
            .await
            .unwrap()
            .value
            .farm_id,
        farm_id
    );
    // Ids go on, the user is still known.
    let Signer::User { id, .. } = &owner else {
        panic!()
    };
    let next = client
        .create_farm(&farm("beta", *id), &owner)
        .await
        .unwrap()
        .value;
    assert_eq!(next, farm_id + 1);
}

/// Changes that come at once may share a transaction: one that fails does not spoil the others.
#[tokio::test]
async fn of_farms_made_at_once_each_name_is_given_once() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let made = (0..40).map(|number| {
        let (client, owner) = (fx.client.clone(), owner.clone());
        let name = format!("farm-{}", number % 10);
        tokio::spawn(async move {
            client
                .create_farm(&farm(&name, user_id(&owner)), &owner)
                .await
        })
    });
    let mut ids = std::collections::HashSet::new();
    for made in made.collect::<Vec<_>>() {
        match made.await.unwrap() {
            Ok(created) => assert!(ids.insert(created.value)),
            Err(error) => assert!(format!("{error:?}").contains("taken"), "{error:?}"),
        }
    }
    assert_eq!(ids.len(), 10);
    let all = FarmFilter::default();
    let all = fx.client.all_farms(&all, None).await.unwrap();
    assert_eq!(
        all.iter()
            .map(|farm| farm.id)
            .collect::<std::collections::HashSet<_>>(),
        ids
    );
}
