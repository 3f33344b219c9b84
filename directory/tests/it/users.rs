//! Users prove their key, and their e-mail address is theirs.

use directory::client::{Error, PageRequest, UserFilter};
use directory::wire::NewUser;

use super::Fixture;
use crate::support::{get, seed, user_id};

fn status(error: &Error) -> u16 {
    let Error::Status { status, .. } = error else {
        panic!("{error:?}")
    };
    *status
}

#[tokio::test]
async fn a_user_is_registered_once_and_found_by_name() {
    let fx = Fixture::strict().await;
    let key = seed(1);
    let new = NewUser::new("Alice.3Bot", "Alice@Example.org", key.public_key());
    let user = fx.client.create_user(&new, &key).await.unwrap().value;
    assert_eq!(
        (user.name.raw(), user.email.raw()),
        ("alice.3bot", "alice@example.org")
    );
    let again = fx.client.create_user(&new, &key).await.unwrap().value;
    assert_eq!(
        again.id, user.id,
        "asking again with the same key is no second user"
    );

    let filter = UserFilter {
        name: Some("ALICE.3bot".into()),
        ..UserFilter::default()
    };
    let found = fx
        .client
        .users(&filter, PageRequest::default())
        .await
        .unwrap()
        .value;
    assert_eq!(
        (found.len(), found[0].id, found[0].email.raw()),
        (1, user.id, "")
    );
    assert_eq!(found[0].pubkey.raw(), key.public_key().to_hex());
    let signer = directory::sign::Signer::User {
        id: user.id,
        seed: key,
    };
    let own = fx.client.user(user.id, Some(&signer)).await.unwrap().value;
    assert_eq!(own.email.raw(), "alice@example.org");
    assert_eq!(
        get(fx.addr(), "/explorer/users?email=a@b").await.status,
        403
    );
    assert_eq!(get(fx.addr(), "/explorer/users/99").await.status, 404);
    assert_eq!(get(fx.addr(), "/explorer/users/x").await.status, 400);
}

#[tokio::test]
async fn names_and_keys_belong_to_one_user() {
    let fx = Fixture::strict().await;
    let alice = fx.user("alice", 1).await;
    let (hers, other) = (seed(1), seed(2));

    let squat = NewUser::new("alice", "", other.public_key());
    assert_eq!(
        status(&fx.client.create_user(&squat, &other).await.unwrap_err()),
        409
    );
    let second = NewUser::new("alice-again", "", hers.public_key());
    assert_eq!(
        status(&fx.client.create_user(&second, &hers).await.unwrap_err()),
        409
    );
    let unproven = NewUser::new("mallory", "", hers.public_key());
    assert_eq!(
        status(&fx.client.create_user(&unproven, &other).await.unwrap_err()),
        403
    );
    for (name, email) in [
        ("ab", ""),
        ("a b c", ""),
        ("bob", "nowhere"),
        ("\u{1b}[1mx", ""),
    ] {
        let bad = NewUser::new(name, email, other.public_key());
        let error = fx.client.create_user(&bad, &other).await.unwrap_err();
        assert_eq!(status(&error), 400, "{name:?} {email:?}");
    }
    assert_eq!(user_id(&alice), 1);
    assert_eq!(user_id(&fx.user("bob", 2).await), 2);
}
