//! Wishes as a line of text, for command lines and forms.

use std::fmt;
use std::str::FromStr;

use super::document::{Currency, CustomPrices, Prices, PublicAddress};

/// `CURRENCY:key=NUMBER,…` into a currency and numbers in the order of `keys`; those not named are 0.
fn prices<const N: usize>(text: &str, keys: [&str; N]) -> Result<(Currency, [f64; N]), String> {
    let (currency, amounts) = text
        .split_once(':')
        .ok_or_else(|| format!("a price is CURRENCY:{}=NUMBER,…", keys.join("=NUMBER,")))?;
    let mut values = [0.0; N];
    for pair in amounts.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("{pair:?} is not key=number"))?;
        let place = keys
            .iter()
            .position(|known| *known == key.trim())
            .ok_or_else(|| format!("{key:?} is none of {}", keys.join(", ")))?;
        values[place] = value
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|price| *price >= 0.0 && price.is_finite())
            .ok_or_else(|| format!("{value:?} is no price"))?;
    }
    Ok((currency.trim().parse()?, values))
}

fn write_prices<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    currency: Currency,
    amounts: [(&str, f64); N],
) -> fmt::Result {
    let pairs: Vec<String> = amounts
        .iter()
        .enumerate()
        // Something has to stand behind the colon.
        .filter(|(at, (_, amount))| *at == 0 || *amount != 0.0)
        .map(|(_, (key, amount))| format!("{key}={amount}"))
        .collect();
    write!(f, "{currency}:{}", pairs.join(","))
}

/// `USD:cru=1,mru=2,sru=0.1,hru=0.02,nru=0`
impl FromStr for Prices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (currency, [cru, mru, sru, hru, nru]) =
            prices(text, ["cru", "mru", "sru", "hru", "nru"])?;
        Ok(Self {
            currency,
            cru,
            mru,
            sru,
            hru,
            nru,
        })
    }
}

impl fmt::Display for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amounts = [
            ("cru", self.cru),
            ("mru", self.mru),
            ("sru", self.sru),
            ("hru", self.hru),
            ("nru", self.nru),
        ];
        write_prices(f, self.currency, amounts)
    }
}

/// `USD:cu=8,su=6,nu=0,ipv4u=5`
impl FromStr for CustomPrices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (currency, [cu, su, nu, ipv4u]) = prices(text, ["cu", "su", "nu", "ipv4u"])?;
        Ok(Self {
            currency,
            cu,
            su,
            nu,
            ipv4u,
        })
    }
}

impl fmt::Display for CustomPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amounts = [
            ("cu", self.cu),
            ("su", self.su),
            ("nu", self.nu),
            ("ipv4u", self.ipv4u),
        ];
        write_prices(f, self.currency, amounts)
    }
}

/// `192.0.2.10/24 gw 192.0.2.1`
impl FromStr for PublicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, gateway) = text
            .split_once(" gw ")
            .ok_or_else(|| format!("{text:?} is not ADDRESS/BITS gw GATEWAY"))?;
        let bad = |what: &str| format!("{what:?} is no address");
        Ok(Self {
            address: address.trim().parse().map_err(|_| bad(address.trim()))?,
            gateway: gateway.trim().parse().map_err(|_| bad(gateway.trim()))?,
        })
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gw {}", self.address, self.gateway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        for text in ["USD:cru=1,mru=0.5", "EUR:cru=0,hru=0.01", "TFT:cru=0"] {
            assert_eq!(text.parse::<Prices>().unwrap().to_string(), text);
        }
        for text in ["GBP:cu=8,ipv4u=5", "AED:cu=0,su=1"] {
            assert_eq!(text.parse::<CustomPrices>().unwrap().to_string(), text);
        }
        let address = "192.0.2.10/24 gw 192.0.2.1";
        assert_eq!(
            address.parse::<PublicAddress>().unwrap().to_string(),
            address
        );
    }
    #[test]
    fn prices_name_their_currency() {
        let price: Prices = "usd:cru=1.5, mru=2".parse().unwrap();
        assert_eq!(
            (price.currency, price.cru, price.sru),
            (Currency::USD, 1.5, 0.0)
        );
        for bad in [
            "",
            "USD",
            "USD:",
            "XXX:cru=1",
            "USD:cu=1",
            "USD:cru=-1",
            "USD:cru=inf",
        ] {
            assert!(bad.parse::<Prices>().is_err(), "{bad}");
        }
    }
}
