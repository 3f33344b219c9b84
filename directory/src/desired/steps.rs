//! What has to be changed, one request each.

use serde::Serialize;

use super::document::{
    CustomPrices, DesiredFarm, DesiredNode, NO_WALLET, PublicAddress, PublicConfig, Wallet,
};
use crate::client::{Client, Error};
use crate::identity::NodeId;
use crate::sign::Signer;
use crate::wire::{
    Cidr, CloudUnitsPrice, Farm, FarmPublicIp, Node, NodeState, ResourcePrice, Untrusted,
    WalletAddress,
};

/// A request that brings the directory closer to what is wished.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What is changed.
    #[serde(flatten)]
    pub subject: Subject,
    /// What differs before and after.
    pub changes: Vec<Change>,
    #[serde(skip)]
    action: Action,
}

/// What a step changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A farm that does not exist yet, by its name.
    NewFarm(Untrusted),
    /// A farm, by its number.
    Farm(u64),
    /// A node.
    Node(NodeId),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NewFarm(name) => write!(f, "new farm {name}"),
            Self::Farm(id) => write!(f, "farm {id}"),
            Self::Node(id) => write!(f, "node {id}"),
        }
    }
}

/// A difference, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which field.
    pub field: &'static str,
    /// What is there; `None` if nothing.
    pub from: Option<Untrusted>,
    /// What will be there; `None` if nothing.
    pub to: Option<Untrusted>,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    Create(Box<Farm>, Vec<FarmPublicIp>),
    Update(Box<Farm>),
    AddAddresses(u64, Vec<FarmPublicIp>),
    RemoveAddresses(u64, Vec<Cidr>),
    SetState(NodeId, NodeState),
    SetFree(NodeId, bool),
    SetPublic(NodeId, PublicConfig),
}

impl Step {
    /// Asks the directory for this change. Answers the number of a farm that was created.
    ///
    /// # Errors
    /// As the client's.
    pub async fn run(&self, client: &Client, owner: &Signer) -> Result<Option<u64>, Error> {
        match &self.action {
            Action::Create(farm, addresses) => {
                let id = client.create_farm(farm, owner).await?.value;
                if !addresses.is_empty() {
                    client.add_farm_ips(id, addresses, owner).await?;
                }
                return Ok(Some(id));
            }
            Action::Update(farm) => client.update_farm(farm, owner).await.map(drop),
            Action::AddAddresses(id, addresses) => {
                client.add_farm_ips(*id, addresses, owner).await.map(drop)
            }
            Action::RemoveAddresses(id, addresses) => client
                .remove_farm_ips(*id, addresses, owner)
                .await
                .map(drop),
            Action::SetState(id, state) => client
                .set_node_state(*id, *state, None, owner)
                .await
                .map(drop),
            Action::SetFree(id, free) => client.configure_free(*id, *free, owner).await.map(drop),
            Action::SetPublic(id, config) => client
                .configure_public(*id, &config.on_the_wire(), owner)
                .await
                .map(drop),
        }?;
        Ok(None)
    }

    /// The step that makes a farm of user `owner`; its name must be given.
    #[must_use]
    pub fn create(desired: &DesiredFarm, owner: u64) -> Self {
        let mut farm = blank(owner);
        let changes = change_farm(&mut farm, desired);
        let addresses = desired.ip_addresses.iter().flatten();
        let addresses: Vec<FarmPublicIp> = addresses.map(PublicAddress::on_the_wire).collect();
        let added = addresses.iter().map(address_added);
        Self {
            subject: Subject::NewFarm(farm.name.clone()),
            changes: changes.into_iter().chain(added).collect(),
            action: Action::Create(Box::new(farm), addresses),
        }
    }

    /// The steps from what a farm is to what is wished, its nodes aside.
    #[must_use]
    pub fn of_farm(current: &Farm, desired: &DesiredFarm) -> Vec<Self> {
        let mut steps = Vec::new();
        let mut farm = current.clone();
        let changes = change_farm(&mut farm, desired);
        if !changes.is_empty() {
            steps.push(Self {
                subject: Subject::Farm(current.id),
                changes,
                action: Action::Update(Box::new(farm)),
            });
        }
        if let Some(wanted) = &desired.ip_addresses {
            let is_wanted = |ip: &FarmPublicIp| {
                let same = |wanted: &PublicAddress| {
                    let wanted = wanted.on_the_wire();
                    (wanted.address, wanted.gateway) == (ip.address, ip.gateway)
                };
                wanted.iter().any(same)
            };
            // First out, then in: an address whose gateway changes is taken out and put back.
            let out = current.ipaddresses.iter().filter(|ip| !is_wanted(ip));
            steps.extend(Self::remove_addresses(current.id, out));
            let has = |wanted: &&PublicAddress| {
                let wanted = wanted.on_the_wire();
                let same = |ip: &FarmPublicIp| {
                    (wanted.address, wanted.gateway) == (ip.address, ip.gateway)
                };
                !current.ipaddresses.iter().any(same)
            };
            steps.extend(Self::add_addresses(current.id, wanted.iter().filter(has)));
        }
        steps
    }

    /// The step that adds addresses to a farm's pool; `None` if there are none.
    pub fn add_addresses<'a>(
        farm_id: u64,
        addresses: impl IntoIterator<Item = &'a PublicAddress>,
    ) -> Option<Self> {
        let addresses: Vec<FarmPublicIp> = addresses
            .into_iter()
            .map(PublicAddress::on_the_wire)
            .collect();
        (!addresses.is_empty()).then(|| Self {
            subject: Subject::Farm(farm_id),
            changes: addresses.iter().map(address_added).collect(),
            action: Action::AddAddresses(farm_id, addresses),
        })
    }

    /// The step that takes addresses out of a farm's pool; `None` if there are none.
    pub fn remove_addresses<'a>(
        farm_id: u64,
        addresses: impl IntoIterator<Item = &'a FarmPublicIp>,
    ) -> Option<Self> {
        let gone: Vec<&FarmPublicIp> = addresses.into_iter().collect();
        (!gone.is_empty()).then(|| Self {
            subject: Subject::Farm(farm_id),
            changes: gone
                .iter()
                .map(|ip| Change {
                    field: "ip_addresses",
                    from: Some(address_text(ip).into()),
                    to: None,
                })
                .collect(),
            action: Action::RemoveAddresses(
                farm_id,
                gone.iter().filter_map(|ip| ip.address).collect(),
            ),
        })
    }

    /// The steps from what a node is to what is wished.
    #[must_use]
    pub fn of_node(current: &Node, desired: &DesiredNode) -> Vec<Self> {
        let id = current.node_id;
        let step = |field, from: Option<String>, to: String, action| Self {
            subject: Subject::Node(id),
            changes: vec![Change {
                field,
                from: from.map(Untrusted::from),
                to: Some(to.into()),
            }],
            action,
        };
        let mut steps = Vec::new();
        let state_now = current.state.unwrap_or(if current.approved {
            NodeState::Approved
        } else {
            NodeState::Pending
        });
        if let Some(state) = desired.state.filter(|state| *state != state_now) {
            let action = Action::SetState(id, state);
            steps.push(step(
                "state",
                Some(state_now.to_string()),
                state.to_string(),
                action,
            ));
        }
        let free_now = current.free_to_use;
        if let Some(free) = desired.free_to_use.filter(|free| *free != free_now) {
            let action = Action::SetFree(id, free);
            steps.push(step(
                "free_to_use",
                Some(free_now.to_string()),
                free.to_string(),
                action,
            ));
        }
        if let Some(config) = &desired.public_config {
            let now = current.public_config.as_ref().map(|iface| {
                // Its version counts changes; it is no part of them.
                crate::wire::PublicIface {
                    version: 0,
                    ..iface.clone()
                }
            });
            let wanted = config.on_the_wire();
            if now.as_ref() != Some(&wanted) {
                let from = now.as_ref().map(public_text);
                let action = Action::SetPublic(id, config.clone());
                steps.push(step("public_config", from, public_text(&wanted), action));
            }
        }
        steps
    }
}

impl DesiredFarm {
    /// The farm, its addresses and nodes aside, as user `owner` would create it.
    #[must_use]
    pub fn new_farm(&self, owner: u64) -> Farm {
        let mut farm = blank(owner);
        change_farm(&mut farm, self);
        farm
    }
}

fn blank(owner: u64) -> Farm {
    Farm {
        threebot_id: owner,
        wallet_addresses: vec![no_wallet()],
        ..Farm::default()
    }
}

fn no_wallet() -> WalletAddress {
    WalletAddress {
        asset: "TFT".into(),
        address: NO_WALLET.into(),
    }
}

/// Makes the farm what is wished, and tells what that changes.
fn change_farm(farm: &mut Farm, desired: &DesiredFarm) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut text = |field: &'static str, now: &mut Untrusted, wanted: &Option<String>| {
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *now != **wanted) {
            let filled = |text: &Untrusted| (!text.raw().is_empty()).then(|| text.clone());
            let before = std::mem::replace(now, wanted.into());
            changes.push(Change {
                field,
                from: filled(&before),
                to: filled(now),
            });
        }
    };
    text("name", &mut farm.name, &desired.name);
    text("email", &mut farm.email, &desired.email);
    text(
        "iyo_organization",
        &mut farm.iyo_organization,
        &desired.iyo_organization,
    );
    if let Some(wanted) = &desired.location {
        let location = &mut farm.location;
        text("location.country", &mut location.country, &wanted.country);
        text("location.city", &mut location.city, &wanted.city);
        text(
            "location.continent",
            &mut location.continent,
            &wanted.continent,
        );
        for (field, now, wanted) in [
            ("location.latitude", &mut location.latitude, wanted.latitude),
            (
                "location.longitude",
                &mut location.longitude,
                wanted.longitude,
            ),
        ] {
            if let Some(wanted) = wanted {
                replace(&mut changes, field, now, wanted, ToString::to_string);
            }
        }
    }
    if let Some(wallets) = &desired.wallets {
        let mut wanted: Vec<WalletAddress> = wallets.iter().map(Wallet::on_the_wire).collect();
        if wanted.is_empty() {
            wanted.push(no_wallet());
        }
        let now = &mut farm.wallet_addresses;
        replace(&mut changes, "wallets", now, wanted, |list| {
            wallets_text(list)
        });
    }
    if let Some(prices) = &desired.prices {
        let wanted = prices.iter().map(|price| price.on_the_wire()).collect();
        let now = &mut farm.resource_prices;
        replace(&mut changes, "prices", now, wanted, |list| {
            prices_text(list)
        });
    }
    if let Some(wanted) = desired.custom_pricing {
        let now = &mut farm.enable_custom_pricing;
        replace(
            &mut changes,
            "custom_pricing",
            now,
            wanted,
            ToString::to_string,
        );
    }
    if let Some(wanted) = desired
        .custom_prices
        .as_ref()
        .map(CustomPrices::on_the_wire)
    {
        let now = &mut farm.farm_cloudunits_price;
        replace(&mut changes, "custom_prices", now, wanted, custom_text);
    }
    changes
}

fn replace<T: PartialEq>(
    changes: &mut Vec<Change>,
    field: &'static str,
    now: &mut T,
    wanted: T,
    text: impl Fn(&T) -> String,
) {
    if *now == wanted {
        return;
    }
    let told = |value: &T| {
        Some(text(value))
            .filter(|t| !t.is_empty())
            .map(Untrusted::from)
    };
    let from = told(now);
    *now = wanted;
    let to = told(now);
    changes.push(Change { field, from, to });
}

fn wallets_text(wallets: &[WalletAddress]) -> String {
    let text = |wallet: &WalletAddress| format!("{}:{}", wallet.asset, wallet.address);
    let real = wallets.iter().filter(|wallet| wallet.address != NO_WALLET);
    real.map(text).collect::<Vec<_>>().join(", ")
}

fn currency_text(number: i64) -> String {
    super::Currency::from_number(number).map_or_else(|| number.to_string(), |c| c.to_string())
}

fn prices_text(prices: &[ResourcePrice]) -> String {
    let text = |price: &ResourcePrice| {
        let ResourcePrice {
            cru,
            mru,
            sru,
            hru,
            nru,
            ..
        } = price;
        let currency = currency_text(price.currency);
        format!("{currency} cru={cru} mru={mru} sru={sru} hru={hru} nru={nru}")
    };
    prices.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn custom_text(price: &CloudUnitsPrice) -> String {
    let CloudUnitsPrice {
        cu, su, nu, ipv4u, ..
    } = price;
    if *price == CloudUnitsPrice::default() {
        return String::new();
    }
    let currency = currency_text(price.currency);
    format!("{currency} cu={cu} su={su} nu={nu} ipv4u={ipv4u}")
}

fn address_added(ip: &FarmPublicIp) -> Change {
    Change {
        field: "ip_addresses",
        from: None,
        to: Some(address_text(ip).into()),
    }
}

fn address_text(ip: &FarmPublicIp) -> String {
    let text = |part: Option<String>| part.unwrap_or_else(|| "?".to_owned());
    let address = text(ip.address.map(|address| address.to_string()));
    let gateway = text(ip.gateway.map(|gateway| gateway.to_string()));
    format!("{address} gateway {gateway}")
}

fn public_text(iface: &crate::wire::PublicIface) -> String {
    let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} gw {}, {} gw {}",
        iface.master,
        text(iface.ipv4.map(|ip| ip.to_string())),
        text(iface.gw4.map(|ip| ip.to_string())),
        text(iface.ipv6.map(|ip| ip.to_string())),
        text(iface.gw6.map(|ip| ip.to_string())),
    )
}
