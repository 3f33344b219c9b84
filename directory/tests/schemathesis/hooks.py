"""What schemathesis needs to get past the front door: real ids now and then, and signatures."""

import base64
import hashlib
import itertools
import json
import os
from email.utils import formatdate

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# The server's clock stands still.
NOW = int(os.environ["FARMER_NOW"])
NODE_ID = os.environ["FARMER_NODE_ID"]
GATEWAY_ID = os.environ["FARMER_GATEWAY_ID"]

OWNER, NODE, GATEWAY, NEWCOMER = (
    Ed25519PrivateKey.from_private_bytes(bytes([byte]) * 32) for byte in (1, 10, 20, 30)
)
NONCES = itertools.count(1)


def key_hex(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def signer_of(method, path):
    """keyId and key of whom the operation is for."""
    if method == "POST" and path == "/users":
        return key_hex(NEWCOMER), NEWCOMER
    owners = ("/state", "/configure_public", "/configure_free")
    if path.startswith("/nodes") and method == "POST" and not path.endswith(owners):
        return NODE_ID, NODE
    if path.startswith("/gateways"):
        return GATEWAY_ID, GATEWAY
    return "1", OWNER


class Signature(requests.auth.AuthBase):
    def __call__(self, request):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        path = request.path_url.split("?")[0].removeprefix("/explorer")
        key_id, key = signer_of(request.method, path)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {
            "Date": formatdate(NOW, usegmt=True),
            "Digest": f"SHA-256={digest}",
            "Threebot-Id": key_id,
        }
        covered = "(request-target) (created) date digest threebot-id"
        lines = [
            f"(request-target): {request.method.lower()} {request.path_url}",
            f"(created): {NOW}",
            f"date: {headers['Date']}",
            f"digest: {headers['Digest']}",
            f"threebot-id: {key_id}",
        ]
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            headers["Nonce"] = f"{next(NONCES):032x}"
            covered += " nonce"
            lines.append(f"nonce: {headers['Nonce']}")
        signature = base64.b64encode(key.sign("\n".join(lines).encode())).decode()
        headers["Authorization"] = (
            f'Signature keyId="{key_id}",algorithm="ed25519",created="{NOW}",'
            f'headers="{covered}",signature="{signature}"'
        )
        request.headers.update(headers)
        return request


schemathesis.auth.set_from_requests(Signature())


def keep(value):
    """One in four generated values stays, always the same ones."""
    text = json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(text).digest()[0] % 4 == 0


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters or keep(path_parameters):
        return path_parameters
    path = context.operation.path
    real = {
        "farm_id": 1,
        "user_id": 1,
        "threebot_id": 7,
        "token_id": 1,
        "node_id": GATEWAY_ID if path.startswith("/gateways") else NODE_ID,
    }
    return {name: real.get(name, value) for name, value in path_parameters.items()}


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict) or keep(body):
        return body
    operation = (context.operation.method.upper(), context.operation.path)
    real = {
        ("POST", "/nodes"): {
            "node_id": NODE_ID,
            "public_key_hex": key_hex(NODE),
            "farm_id": 1,
            "os_version": "v0.3.5",
            "location": {"country": "Belgium"},
            "uptime": 5,
        },
        ("POST", "/gateways"): {
            "node_id": GATEWAY_ID,
            "public_key_hex": key_hex(GATEWAY),
            "farm_id": 1,
            "os_version": "1.0",
            "location": {"country": "Belgium"},
            "uptime": 5,
            "tcp_router_port": 18000,
        },
        ("POST", "/users"): {"pubkey": key_hex(NEWCOMER)},
        ("POST", "/farms"): {"threebot_id": 1},
        ("PUT", "/farms/{farm_id}"): {"threebot_id": 1},
        ("POST", "/farms/{farm_id}/deals"): {"farm_id": 1},
        ("PUT", "/farms/{farm_id}/deals"): {"farm_id": 1},
        ("POST", "/nodes/{node_id}/configure_public"): {
            "ipv4": "185.206.122.31/24",
            "gw4": "185.206.122.1",
            "ipv6": "2a10:b600:1::cc4:7a30:65b5/64",
            "gw6": "2a10:b600:1::1",
        },
        # The owner's key signs all that follows.
        ("PUT", "/users/{user_id}"): {"pubkey": "", "name": ""},
    }
    return {**body, **real.get(operation, {})}
