//! Users, and the server itself.

use reqwest::Method;

use super::{PageRequest, Query, null_is_empty, push};
use crate::client::{Client, Error, Response};
use crate::identity::Seed;
use crate::sign::{SignatureMode, Signer};
use crate::wire::{Health, NewUser, User, UserUpdate, ValidatePost, Validity};

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With exactly this name.
    pub name: Option<String>,
    /// With exactly this e-mail address.
    pub email: Option<String>,
}

/// Users, and the server itself.
impl Client {
    /// Registers a user. The request is signed with the new user's key, which proves that it is
    /// theirs; servers of the 2020 form ask for no proof. A strict server answers the existing user
    /// if name and key are registered together already.
    pub async fn create_user(&self, user: &NewUser, key: &Seed) -> Result<Response<User>, Error> {
        let signer = Signer::Key(key.clone());
        let signer = (self.mode == SignatureMode::Strict).then_some(&signer);
        self.write(Method::POST, &["users"], user, signer).await
    }

    /// One user. Signed by the user, the answer has the e-mail address.
    pub async fn user(&self, id: u64, signer: Option<&Signer>) -> Result<Response<User>, Error> {
        self.get(&["users", &id.to_string()], &[], signer).await
    }

    /// One page of users.
    pub async fn users(
        &self,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Result<Response<Vec<User>>, Error> {
        let mut query = Query::new();
        push(&mut query, "name", filter.name.as_ref());
        push(&mut query, "email", filter.email.as_ref());
        page.push_to(&mut query);
        self.get::<Option<_>>(&["users"], &query, None)
            .await
            .map(null_is_empty)
    }

    /// Changes a user: `update` is signed here. Empty fields stay as they are.
    pub async fn update_user(
        &self,
        update: &UserUpdate,
        user: &Signer,
    ) -> Result<Response<()>, Error> {
        let Signer::User { id, seed } = user else {
            return Err(Error::Request {
                reason: "only a registered user can change itself".to_owned(),
            });
        };
        let body = update.clone().signed(*id, seed);
        self.write(Method::PUT, &["users", &id.to_string()], &body, Some(user))
            .await
    }

    /// Whether `signature` is user `id`'s over `payload`.
    pub async fn validate(
        &self,
        id: u64,
        payload: &[u8],
        signature: &[u8],
    ) -> Result<Response<bool>, Error> {
        let body = ValidatePost {
            payload: hex::encode(payload).into(),
            signature: hex::encode(signature).into(),
        };
        let path = ["users", &id.to_string(), "validate"];
        let answer = self
            .write::<Validity>(Method::POST, &path, &body, None)
            .await?;
        Ok(answer.map(|validity| validity.is_valid))
    }

    /// The OpenAPI document of the server's requests (our servers only).
    pub async fn openapi(&self) -> Result<Response<serde_json::Value>, Error> {
        self.get(&["openapi.json"], &[], None).await
    }

    /// Whether the server is well (our servers only).
    pub async fn health(&self) -> Result<Response<Health>, Error> {
        self.get(&["health"], &[], None).await
    }
}
