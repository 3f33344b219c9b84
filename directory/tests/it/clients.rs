//! Every method of the client, asked of a server of ours in both modes and under both prefixes.

use directory::client::{
    CapacityFilter, Client, ClientOptions, Error, GatewayFilter, PageRequest, Searched,
};
use directory::server::ServerMode;
use directory::sign::{SignatureMode, Signer};
use directory::wire::{
    CloudUnitsPrice, FarmPublicIp, FarmThreebotPrice, Gateway, NewEnrolmentToken, NodeState,
    PublicIface, ResourceAmount, UsagePost, UserUpdate,
};

use crate::on_sqlite::Fixture;
use crate::support::{location, options, seed, user_id};

/// A client of the same server under the prefix of 2021.
fn of_2021(fx: &Fixture, mode: SignatureMode) -> Client {
    let options = options(&fx.server, fx.clock.clone());
    let base_url = format!("{}/api/v1", options.base_url);
    Client::new(&ClientOptions {
        base_url,
        signature: mode,
        ..options
    })
    .unwrap()
}

/// What servers of 2021 and ours have in common.
async fn what_both_have(fx: &Fixture, client: &Client) -> (u64, Signer) {
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    let id = node.node_id();

    let ip = FarmPublicIp {
        address: Some("192.0.2.10/24".parse().unwrap()),
        gateway: Some("192.0.2.1".parse().unwrap()),
        reservation_id: 0,
    };
    client.add_farm_ips(farm_id, &[ip], &owner).await.unwrap();
    let farm = client.farm(farm_id, Some(&owner)).await.unwrap().value;
    assert_eq!(farm.ipaddresses, [ip]);
    client
        .remove_farm_ips(farm_id, &[ip.address.unwrap()], &owner)
        .await
        .unwrap();
    let farm = client.farm(farm_id, Some(&owner)).await.unwrap().value;
    assert_eq!(farm.ipaddresses, []);

    let deal = FarmThreebotPrice {
        threebot_id: user_id(&owner),
        farm_id,
        custom_cloudunits_price: CloudUnitsPrice {
            currency: 1,
            cu: 8.5,
            ..CloudUnitsPrice::default()
        },
    };
    client.set_farm_deal(&deal, &owner).await.unwrap();
    let deals = client
        .farm_deals(farm_id, Some(&owner))
        .await
        .unwrap()
        .value;
    assert_eq!(deals, [deal]);
    let one = client
        .farm_deal(farm_id, deal.threebot_id, Some(&owner))
        .await;
    assert_eq!(one.unwrap().value, deal);
    client
        .delete_farm_deal(farm_id, deal.threebot_id, &owner)
        .await
        .unwrap();
    let deals = client
        .farm_deals(farm_id, Some(&owner))
        .await
        .unwrap()
        .value;
    assert_eq!(deals, []);

    client.post_ports(&[51820, 51821], &node).await.unwrap();
    let mut usage = UsagePost {
        resources: ResourceAmount {
            cru: 2,
            mru: 4.0,
            ..ResourceAmount::default()
        },
        ..UsagePost::default()
    };
    usage.workloads.container = 3;
    client.post_usage(&usage, &node).await.unwrap();
    client.configure_free(id, true, &owner).await.unwrap();
    let config = PublicIface {
        master: "eth1".into(),
        ipv4: Some("192.0.2.20/24".parse().unwrap()),
        gw4: Some("192.0.2.1".parse().unwrap()),
        ipv6: Some("2001:db8::2/64".parse().unwrap()),
        gw6: Some("2001:db8::1".parse().unwrap()),
        ..PublicIface::default()
    };
    client.configure_public(id, &config, &owner).await.unwrap();
    let seen = client.node(id, false, Some(&owner)).await.unwrap().value;
    assert_eq!(seen.wg_ports, [51820, 51821]);
    assert_eq!(
        (seen.reserved_resources.cru, seen.workloads.container),
        (2, 3)
    );
    assert!(seen.free_to_use);
    assert_eq!(seen.public_config.unwrap().version, 1);

    let key = seed(20);
    let gateway = Gateway {
        node_id: key.node_id().to_string().into(),
        farm_id,
        os_version: "gateway/1".into(),
        location: location(),
        public_key_hex: key.public_key().to_hex().into(),
        ..Gateway::default()
    };
    client.register_gateway(&gateway, &key).await.unwrap();
    client.post_gateway_uptime(77, &key).await.unwrap();
    client.post_gateway_usage(&usage, &key).await.unwrap();
    let of_farm = GatewayFilter {
        farm_id: Some(farm_id),
        ..GatewayFilter::default()
    };
    let gateways = client.gateways(&of_farm, PageRequest::default()).await;
    let gateways = gateways.unwrap().value;
    assert_eq!((gateways.len(), gateways[0].uptime), (1, 77));
    let one = client.gateway(gateway.node_id.raw()).await.unwrap().value;
    assert_eq!(one.workloads.container, 3);

    let update = UserUpdate {
        description: "farms in Ghent".into(),
        ..UserUpdate::default()
    };
    client.update_user(&update, &owner).await.unwrap();
    let user = client
        .user(user_id(&owner), Some(&owner))
        .await
        .unwrap()
        .value;
    assert_eq!(user.description, "farms in Ghent");
    let signature = owner.seed().sign(b"text");
    let user = user.id;
    assert!(
        client
            .validate(user, b"text", &signature)
            .await
            .unwrap()
            .value
    );
    assert!(
        !client
            .validate(user, b"other", &signature)
            .await
            .unwrap()
            .value
    );
    (farm_id, owner)
}

#[tokio::test]
async fn a_strict_server_answers_every_method() {
    let fx = Fixture::strict().await;
    let client = of_2021(&fx, SignatureMode::Strict);
    let (farm_id, owner) = what_both_have(&fx, &client).await;
    let wanted = NewEnrolmentToken {
        uses: Some(2),
        note: Some("rack".into()),
        ..NewEnrolmentToken::default()
    };
    let made = client
        .create_enrolment_token(farm_id, &wanted, &owner)
        .await
        .unwrap()
        .value;
    let listed = client
        .enrolment_tokens(farm_id, &owner)
        .await
        .unwrap()
        .value;
    assert_eq!((listed[0].id, listed[0].uses_left), (made.id, 2));
    client
        .revoke_enrolment_token(farm_id, made.id, &owner)
        .await
        .unwrap();
    let listed = client
        .enrolment_tokens(farm_id, &owner)
        .await
        .unwrap()
        .value;
    assert_eq!(listed, []);
    assert_eq!(client.health().await.unwrap().value.status, "ok");
}

#[tokio::test]
async fn a_server_of_2021_answers_what_it_has_and_the_rest_is_told() {
    let fx = Fixture::with(|config| config.mode = ServerMode::Compat).await;
    let client = of_2021(&fx, SignatureMode::Compat);
    let (farm_id, owner) = what_both_have(&fx, &client).await;
    let token = NewEnrolmentToken::default();
    let id = seed(10).node_id();
    let not_there = [
        client
            .create_enrolment_token(farm_id, &token, &owner)
            .await
            .err(),
        client.enrolment_tokens(farm_id, &owner).await.err(),
        client
            .revoke_enrolment_token(farm_id, 1, &owner)
            .await
            .err(),
        client
            .set_node_state(id, NodeState::Approved, None, &owner)
            .await
            .err(),
    ];
    for error in not_there {
        assert!(
            matches!(error, Some(Error::NotSupported { .. })),
            "{error:?}"
        );
    }
}

/// On a server without the search, what is reserved is taken off here.
#[tokio::test]
async fn capacity_is_found_on_servers_without_the_search() {
    let fx = Fixture::with(|config| config.mode = ServerMode::Compat).await;
    let client = of_2021(&fx, SignatureMode::Compat);
    if client
        .capacity(&CapacityFilter::default(), 1, None)
        .await
        .is_ok()
    {
        panic!("compat servers answer as those of 2021 do");
    }
    let (farm_id, _) = fx.farm("alpha", 1).await;
    for (key, mru) in [(10, 64.0), (11, 16.0), (12, 32.0)] {
        let node = fx.node(farm_id, key).await;
        let capacity = directory::wire::CapacityPost {
            capacity: ResourceAmount {
                cru: 8,
                mru,
                ..ResourceAmount::default()
            },
            ..directory::wire::CapacityPost::default()
        };
        client.post_capacity(&capacity, &node).await.unwrap();
        client.post_uptime(60, &node).await.unwrap();
    }
    let usage = UsagePost {
        resources: ResourceAmount {
            cru: 8,
            ..ResourceAmount::default()
        },
        ..UsagePost::default()
    };
    client.post_usage(&usage, &seed(12)).await.unwrap();
    let wanted = CapacityFilter {
        cru: Some(4),
        mru_bytes: Some(8 << 30),
        online: true,
        ..CapacityFilter::default()
    };
    let now = directory::clock::Clock::now(&*fx.clock);
    let (offers, searched) = client.find_capacity(&wanted, 10, now).await.unwrap();
    assert_eq!(searched, Searched::Here);
    let found: Vec<_> = offers.iter().map(|offer| offer.node_id).collect();
    assert_eq!(found, [seed(11).node_id(), seed(10).node_id()]);
    let later = directory::clock::UnixTime::from_secs(now.secs + 3600);
    let (offers, _) = client.find_capacity(&wanted, 10, later).await.unwrap();
    assert_eq!(offers, [], "silent by then");
}
