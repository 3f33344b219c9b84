//! Wishes and the wire: what the directory has, as wishes; and wishes, as the directory keeps them.

use std::net::IpAddr;

use super::document::{
    Currency, CustomPrices, DesiredFarm, DesiredLocation, DesiredNode, NO_WALLET, Prices,
    PublicAddress, PublicConfig, Wallet,
};
use crate::wire::{
    CloudUnitsPrice, Farm, FarmPublicIp, Node, PublicIface, ResourcePrice, WalletAddress,
};

/// What the directory has, as a wish for exactly that. Nodes are told about as far as a farmer
/// decides about them.
#[must_use]
pub fn of_farm(farm: &Farm, nodes: &[Node]) -> DesiredFarm {
    let text = |text: &crate::wire::Untrusted| text.raw().to_owned();
    let location = &farm.location;
    DesiredFarm {
        id: Some(farm.id),
        name: Some(text(&farm.name)),
        location: Some(DesiredLocation {
            country: Some(text(&location.country)),
            city: Some(text(&location.city)),
            continent: Some(text(&location.continent)),
            latitude: Some(location.latitude),
            longitude: Some(location.longitude),
        }),
        email: Some(text(&farm.email)),
        iyo_organization: Some(text(&farm.iyo_organization)),
        wallets: wallets_of(farm),
        prices: farm.resource_prices.iter().map(Prices::of).collect(),
        custom_pricing: Some(farm.enable_custom_pricing),
        custom_prices: farm
            .enable_custom_pricing
            .then(|| CustomPrices::of(&farm.farm_cloudunits_price))
            .flatten(),
        ip_addresses: farm.ipaddresses.iter().map(PublicAddress::of).collect(),
        nodes: nodes
            .iter()
            .filter(|node| !node.deleted)
            .map(|node| DesiredNode {
                node_id: node.node_id,
                state: node.state,
                free_to_use: Some(node.free_to_use),
                public_config: node.public_config.as_ref().and_then(PublicConfig::of),
            })
            .collect(),
    }
}

/// `None` if the file's form cannot hold them: then it says nothing about them.
fn wallets_of(farm: &Farm) -> Option<Vec<Wallet>> {
    farm.wallet_addresses
        .iter()
        .filter(|wallet| wallet.address != NO_WALLET)
        .map(|wallet| {
            format!("{}:{}", wallet.asset.raw(), wallet.address.raw())
                .parse()
                .ok()
        })
        .collect()
}

impl Wallet {
    /// As the directory keeps it.
    #[must_use]
    pub fn on_the_wire(&self) -> WalletAddress {
        WalletAddress {
            asset: self.asset.as_str().into(),
            address: self.address.as_str().into(),
        }
    }
}

impl Prices {
    fn of(price: &ResourcePrice) -> Option<Self> {
        Some(Self {
            currency: Currency::from_number(price.currency)?,
            cru: price.cru,
            mru: price.mru,
            sru: price.sru,
            hru: price.hru,
            nru: price.nru,
        })
    }

    /// As the directory keeps them.
    #[must_use]
    pub const fn on_the_wire(&self) -> ResourcePrice {
        ResourcePrice {
            currency: self.currency.number(),
            cru: self.cru,
            mru: self.mru,
            sru: self.sru,
            hru: self.hru,
            nru: self.nru,
        }
    }
}

impl CustomPrices {
    fn of(price: &CloudUnitsPrice) -> Option<Self> {
        Some(Self {
            currency: Currency::from_number(price.currency)?,
            cu: price.cu,
            su: price.su,
            nu: price.nu,
            ipv4u: price.ipv4u,
        })
    }

    /// As the directory keeps them.
    #[must_use]
    pub const fn on_the_wire(&self) -> CloudUnitsPrice {
        CloudUnitsPrice {
            currency: self.currency.number(),
            cu: self.cu,
            su: self.su,
            nu: self.nu,
            ipv4u: self.ipv4u,
        }
    }
}

impl PublicAddress {
    fn of(ip: &FarmPublicIp) -> Option<Self> {
        match ip.gateway {
            Some(IpAddr::V4(gateway)) => Some(Self {
                address: ip.address?,
                gateway,
            }),
            _ => None,
        }
    }

    /// As the directory keeps it, free.
    #[must_use]
    pub const fn on_the_wire(&self) -> FarmPublicIp {
        FarmPublicIp {
            address: Some(self.address),
            gateway: Some(IpAddr::V4(self.gateway)),
            reservation_id: 0,
        }
    }
}

impl PublicConfig {
    fn of(iface: &PublicIface) -> Option<Self> {
        match (iface.gw4, iface.gw6) {
            (Some(IpAddr::V4(gw4)), Some(IpAddr::V6(gw6))) => Some(Self {
                interface: iface.master.raw().to_owned(),
                ipv4: iface.ipv4?,
                gw4,
                ipv6: iface.ipv6?,
                gw6,
            }),
            _ => None,
        }
    }

    /// As the directory keeps it, except for `version`, which the server counts.
    #[must_use]
    pub fn on_the_wire(&self) -> PublicIface {
        PublicIface {
            master: self.interface.as_str().into(),
            kind: 0,
            ipv4: Some(self.ipv4),
            ipv6: Some(self.ipv6),
            gw4: Some(self.gw4.into()),
            gw6: Some(self.gw6.into()),
            version: 0,
        }
    }
}
