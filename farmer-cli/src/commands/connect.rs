//! From settings to a client of the directory, and to the identity that signs.

use std::path::Path;

use directory::client::{Client, ClientOptions, Error, PageRequest, Trust, UserFilter};
use directory::identity::{FileError, IdentityError, UserIdentity};
use directory::sign::{SignatureMode, Signer};
use directory::wire::{NewUser, User};
use node_config::DirectoryConfig;

use crate::args::Signatures;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::settings::Settings;

impl Classify for Error {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Url { .. } => ExitStatus::Usage,
            Self::InsecureHttp { .. } => ExitStatus::Refused,
            Self::PinMismatch { .. } | Self::Tls { .. } => ExitStatus::Mismatch,
            Self::FarmNotFound { .. } | Self::NodeNotFound { .. } | Self::Resolve { .. } => {
                ExitStatus::NotFound
            }
            Self::Connect { .. } => ExitStatus::NotFound,
            Self::Status {
                status: 401 | 403, ..
            } => ExitStatus::Unauthorised,
            Self::Status { status: 404, .. } => ExitStatus::NotFound,
            Self::Timeout { .. } => ExitStatus::Pending,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::NodeNotFound { .. } => {
                Some("check the node id; `farmer node list` shows all nodes".to_owned())
            }
            _ => self.hint(),
        }
    }
}

impl Classify for FileError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

impl Classify for IdentityError {}

/// A directory and, if there is one, the identity that may sign to it.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The identity's signature, if the identity exists and this directory knows it.
    pub signer: Option<Signer>,
}

/// Prepares a client; nothing is sent.
fn client(directory: &DirectoryConfig, signature: SignatureMode) -> Outcome<Client> {
    let trust =
        match (&directory.pin, &directory.ca_pem) {
            (Some(pin), _) => Trust::Pin(pin.as_str().parse().map_err(|error| {
                Failure::new(ExitStatus::Usage, format!("the pin {pin}: {error}"))
            })?),
            (None, Some(pem)) => Trust::Ca(pem.clone()),
            (None, None) => Trust::System,
        };
    let options = ClientOptions {
        trust,
        insecure_http: directory.insecure_http,
        signature,
        user_agent: concat!("farmer/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ClientOptions::new(directory.url.as_str())
    };
    match (Client::new(&options), &options.trust) {
        // A minimal system has no list of authorities; the bundled one is as public.
        (Err(Error::TrustSetup { reason }), Trust::System) => {
            tracing::info!(%reason, "using the bundled certificate authorities");
            let options = ClientOptions {
                trust: Trust::Bundled,
                ..options
            };
            Ok(Client::new(&options)?)
        }
        (client, _) => Ok(client?),
    }
}

/// A client that asks for what everybody may see.
pub fn anonymous(settings: &Settings) -> Outcome<Client> {
    let signature = match settings.signatures() {
        Signatures::Strict => SignatureMode::Strict,
        Signatures::Compat => SignatureMode::Compat,
    };
    client(&settings.directory()?, signature)
}

/// A client, and the signature of the user's identity if there is one: for reading what the owner
/// may see and others may not.
pub async fn reading(settings: &Settings) -> Outcome<Connection> {
    let client = anonymous(settings)?;
    let signer = known_owner(settings, &client).await?;
    Ok(Connection { client, signer })
}

/// As [`reading`], but a directory that is silent now does not stop it: then without a signature.
pub async fn patient_reading(settings: &Settings) -> Outcome<Connection> {
    match reading(settings).await {
        Ok(connection) => Ok(connection),
        Err(failure) => {
            if !failure.is_passing() {
                return Err(failure);
            }
            Ok(Connection {
                client: anonymous(settings)?,
                signer: None,
            })
        }
    }
}

/// A client and the signature of the user's identity, which must exist and be registered.
pub async fn writing(settings: &Settings) -> Outcome<(Client, Signer)> {
    let client = anonymous(settings)?;
    let path = settings.identity().display().to_string();
    let identity = identity(settings)?.ok_or_else(|| {
        Failure::new(
            ExitStatus::Unauthorised,
            format!("there is no identity at {path}"),
        )
        .with_hint("`farmer identity new` makes one, `farmer identity import` restores one; or name yours with `--identity FILE`")
    })?;
    let id = known_user(&client, &identity).await?.ok_or_else(|| {
        let server = client.server();
        Failure::new(
            ExitStatus::Unauthorised,
            format!("the identity in {path} is not registered in the directory at {server}"),
        )
        .with_hint("use the identity that owns the farm; `farmer config show` tells which is used")
    })?;
    let signer = signer(id, &identity);
    Ok((client, signer))
}

/// The signature of the user's identity, if there is one and this directory knows it.
pub async fn known_owner(settings: &Settings, client: &Client) -> Outcome<Option<Signer>> {
    match identity(settings)? {
        Some(identity) => Ok(known_user(client, &identity)
            .await?
            .map(|id| signer(id, &identity))),
        None => Ok(None),
    }
}

/// The identity, made now if there is none.
pub struct Owner {
    /// The identity, with the id this directory gave it.
    pub signer: Signer,
    /// Its id.
    pub id: u64,
    /// Whether the file was made now.
    pub is_new: bool,
}

/// The identity that will own a farm: read or made, and registered if the directory does not know it.
pub async fn owner(settings: &Settings, client: &Client, email: &str) -> Outcome<Owner> {
    let path = settings.identity();
    let (mut identity, is_new) = match identity(settings)? {
        Some(identity) => (identity, false),
        None => (make_identity(path)?, true),
    };
    let id = match known_user(client, &identity).await? {
        Some(id) => id,
        None => {
            let user = NewUser::new(&user_name(&identity), email, identity.seed.public_key());
            client
                .create_user(&user, &identity.seed)
                .await
                .doing("registering your identity")?
                .value
                .id
        }
    };
    // Another directory may have given the same identity another id; the first one stays.
    if identity.threebot_id.is_none() {
        identity.threebot_id = Some(id);
        identity.replace(path)?;
    }
    Ok(Owner {
        signer: signer(id, &identity),
        id,
        is_new,
    })
}

fn make_identity(path: &Path) -> Outcome<UserIdentity> {
    let identity = UserIdentity::generate()?;
    super::identity::make_directory(path)?;
    identity.create(path)?;
    Ok(identity)
}

/// The identity in the settings; `None` if there is no file and nobody named one.
fn identity(settings: &Settings) -> Outcome<Option<UserIdentity>> {
    let path = settings.identity();
    match UserIdentity::read(path) {
        Ok(identity) => Ok(Some(identity)),
        Err(FileError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound && !settings.identity_is_named() =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn signer(id: u64, identity: &UserIdentity) -> Signer {
    Signer::User {
        id,
        seed: identity.seed.clone(),
    }
}

/// The name an identity is registered under: follows from its key, so that it can be found again in
/// any directory.
fn user_name(identity: &UserIdentity) -> String {
    let key = identity.seed.public_key().to_hex();
    format!("farmer-{}", key.get(..20).unwrap_or(&key))
}

/// The id this directory knows the identity by.
async fn known_user(client: &Client, identity: &UserIdentity) -> Outcome<Option<u64>> {
    let key = identity.seed.public_key().to_hex();
    let is_ours = |user: &User| user.pubkey.raw().eq_ignore_ascii_case(&key);
    if let Some(id) = identity.threebot_id {
        match client.user(id, None).await {
            Ok(answer) if is_ours(&answer.value) => return Ok(Some(id)),
            Ok(_) | Err(Error::Status { status: 404, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let filter = UserFilter {
        name: Some(user_name(identity)),
        ..UserFilter::default()
    };
    let users = client.users(&filter, PageRequest::default()).await?.value;
    Ok(users.iter().find(|user| is_ours(user)).map(|user| user.id))
}
