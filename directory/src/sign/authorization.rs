//! The `Authorization: Signature ...` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The parameters of a signature that matter; the rest is ignored, as the original does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who signed, not yet interpreted.
    pub key_id: String,
    /// Unix seconds; 0 if absent or not a number.
    pub created: i64,
    /// The covered items, separated by single spaces.
    pub headers: String,
    /// The raw signature.
    pub signature: Vec<u8>,
}

/// An `Authorization` header that carries no usable signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// No header, or another scheme.
    #[error("the request is not signed")]
    Missing,
    /// A parameter that must be there is not.
    #[error("signature parameter {0:?} is missing")]
    ParameterMissing(&'static str),
    /// Only ed25519 is known.
    #[error("signature algorithm is not ed25519")]
    Algorithm,
    /// The signature is not base64 of 64 bytes.
    #[error("signature parameter \"signature\" is not the base64 form of 64 bytes")]
    Encoding,
}

/// Longer header values are not parsed.
const MAX_BYTES: usize = 4096;

impl Authorization {
    /// Reads `Signature name="value",...`. Unknown and malformed parameters are skipped; of a
    /// repeated one the last counts.
    ///
    /// # Errors
    /// A required parameter is missing or unusable.
    pub fn parse(value: &str) -> Result<Self, AuthorizationError> {
        let rest = value
            .strip_prefix("Signature ")
            .ok_or(AuthorizationError::Missing)?;
        if value.len() > MAX_BYTES {
            return Err(AuthorizationError::Missing);
        }
        let (mut key_id, mut algorithm, mut headers, mut signature) = (None, None, None, None);
        let mut created = 0;
        for (name, value) in Parameters(rest) {
            match name {
                "keyId" => key_id = Some(value),
                "algorithm" => algorithm = Some(value),
                "headers" => headers = Some(value),
                "signature" => signature = Some(value),
                "created" => created = value.parse().unwrap_or(created),
                _ => {}
            }
        }
        let required = |value: Option<&str>, name| {
            value
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .ok_or(AuthorizationError::ParameterMissing(name))
        };
        let key_id = required(key_id, "keyId")?;
        // hs2019 is the draft's name for "the key tells the algorithm".
        if !matches!(
            required(algorithm, "algorithm")?.as_str(),
            "ed25519" | "hs2019"
        ) {
            return Err(AuthorizationError::Algorithm);
        }
        let headers = required(headers, "headers")?;
        let signature = BASE64
            .decode(required(signature, "signature")?)
            .ok()
            .filter(|bytes| bytes.len() == 64)
            .ok_or(AuthorizationError::Encoding)?;
        Ok(Self {
            key_id,
            created,
            headers,
            signature,
        })
    }
}

/// Iterates over `name="value"`, wherever they stand.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (before, after) = self.0.split_once("=\"")?;
            let name_start = before
                .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(0, |at| {
                    at + before[at..].chars().next().map_or(1, char::len_utf8)
                });
            let (value, rest) = after.split_once('"')?;
            self.0 = rest;
            let name = &before[name_start..];
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signature() -> String {
        BASE64.encode([1; 64])
    }

    #[test]
    fn the_go_clients_garbage_expires_is_ignored() {
        let value = format!(
            "Signature keyId=\"1\",algorithm=\"ed25519\",created=\"5\",expires=\"'\u{fffd}'\",\
             headers=\"(created) date threebot-id\",signature=\"{}\"",
            signature()
        );
        let parsed = Authorization::parse(&value).unwrap();
        assert_eq!((parsed.key_id.as_str(), parsed.created), ("1", 5));
        assert_eq!(parsed.signature, [1; 64]);
    }

    #[test]
    fn white_space_and_unknown_parameters_are_tolerated_and_the_last_one_counts() {
        let value = format!(
            "Signature  x=\"y\" , keyId=\"1\",keyId=\"2\", algorithm=\"hs2019\" headers=\"date\" signature=\"{}\"",
            signature()
        );
        let parsed = Authorization::parse(&value).unwrap();
        assert_eq!(
            (parsed.key_id.as_str(), parsed.headers.as_str()),
            ("2", "date")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        use AuthorizationError as E;
        for (value, error) in [
            ("", E::Missing),
            ("Basic abc", E::Missing),
            ("Signature ", E::ParameterMissing("keyId")),
            ("Signature keyId=\"1\"", E::ParameterMissing("algorithm")),
            (
                "Signature keyId=\"1\",algorithm=\"rsa-sha256\"",
                E::Algorithm,
            ),
            (
                "Signature keyId=\"1\",algorithm=\"ed25519\"",
                E::ParameterMissing("headers"),
            ),
            (
                "Signature keyId=\"1\",algorithm=\"ed25519\",headers=\"date\",signature=\"AAAA\"",
                E::Encoding,
            ),
        ] {
            assert_eq!(Authorization::parse(value), Err(error), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_without_a_panic(text in any::<String>()) {
            let _ = Authorization::parse(&text);
            let _ = Authorization::parse(&format!("Signature {text}"));
        }

        #[test]
        fn text_made_of_the_grammars_own_pieces_never_panics(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("keyId"), Just("="), Just("\""), Just("=\""), Just(","), Just("é"),
                    Just("\u{fffd}"), Just("signature"), Just(" "), Just("headers"), Just("\\"),
                ],
                0..40,
            )
        ) {
            let _ = Authorization::parse(&format!("Signature {}", pieces.concat()));
        }
    }
}
