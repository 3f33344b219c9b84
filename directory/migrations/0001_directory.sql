-- Users, farms and nodes of one directory. Sizes are bytes, times unix seconds.

CREATE TABLE users (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    name                  TEXT    NOT NULL UNIQUE,
    email                 TEXT    NOT NULL,
    pubkey                TEXT    NOT NULL,
    host                  TEXT    NOT NULL,
    description           TEXT    NOT NULL,
    created               INTEGER NOT NULL
) STRICT;
CREATE INDEX users_pubkey ON users (pubkey);
CREATE INDEX users_email ON users (email);

CREATE TABLE farms (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id <= 4294967295),
    threebot_id           INTEGER NOT NULL,
    name                  TEXT    NOT NULL UNIQUE,
    iyo_organization      TEXT    NOT NULL,
    email                 TEXT    NOT NULL,
    city                  TEXT    NOT NULL,
    country               TEXT    NOT NULL,
    continent             TEXT    NOT NULL,
    latitude              REAL    NOT NULL,
    longitude             REAL    NOT NULL,
    prefix_zero           TEXT    NOT NULL,
    -- JSON, as on the wire.
    wallet_addresses      TEXT    NOT NULL,
    resource_prices       TEXT    NOT NULL,
    ipaddresses           TEXT    NOT NULL,
    farm_cloudunits_price TEXT    NOT NULL,
    enable_custom_pricing INTEGER NOT NULL,
    is_grid3_compliant    INTEGER NOT NULL,
    created               INTEGER NOT NULL
) STRICT;
CREATE INDEX farms_owner ON farms (threebot_id);

CREATE TABLE nodes (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id               TEXT    NOT NULL UNIQUE,
    node_id_v1            TEXT    NOT NULL,
    farm_id               INTEGER NOT NULL REFERENCES farms (id),
    hostname              TEXT    NOT NULL,
    os_version            TEXT    NOT NULL,
    address               TEXT    NOT NULL,
    public_key_hex        TEXT    NOT NULL,
    created               INTEGER NOT NULL,
    updated               INTEGER NOT NULL,
    uptime_secs           INTEGER NOT NULL,
    city                  TEXT    NOT NULL,
    country               TEXT    NOT NULL,
    continent             TEXT    NOT NULL,
    latitude              REAL    NOT NULL,
    longitude             REAL    NOT NULL,
    total_cru             INTEGER NOT NULL DEFAULT 0,
    total_mru_bytes       INTEGER NOT NULL DEFAULT 0,
    total_sru_bytes       INTEGER NOT NULL DEFAULT 0,
    total_hru_bytes       INTEGER NOT NULL DEFAULT 0,
    state                 TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'blocked')),
    -- JSON, as on the wire.
    ifaces                TEXT    NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX nodes_farm ON nodes (farm_id, id);
CREATE INDEX nodes_country ON nodes (country, id);

-- Which nodes a farm refuses. Outlives the node's own row: deleting a blocked node does not let it
-- back in.
CREATE TABLE blocked_nodes (
    farm_id               INTEGER NOT NULL REFERENCES farms (id),
    node_id               TEXT    NOT NULL,
    reason                TEXT    NOT NULL,
    created               INTEGER NOT NULL,
    PRIMARY KEY (farm_id, node_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocked_nodes_node ON blocked_nodes (node_id);

-- Hardware proofs, oldest first; JSON as on the wire.
CREATE TABLE proofs (
    id                    INTEGER PRIMARY KEY,
    node                  INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    created               INTEGER NOT NULL,
    body                  TEXT    NOT NULL
) STRICT;
CREATE INDEX proofs_node ON proofs (node, id);

-- The inventory a node posted last; JSON that this program does not look into.
CREATE TABLE node_hardware (
    node                  INTEGER PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    created               INTEGER NOT NULL,
    body                  TEXT    NOT NULL
) STRICT;

-- Signed writes that were carried out, for as long as their signature stays fresh: a replay is
-- answered like the first request and changes nothing.
CREATE TABLE nonces (
    key_id                TEXT    NOT NULL,
    nonce                 TEXT    NOT NULL,
    signature             BLOB    NOT NULL,
    expires               INTEGER NOT NULL,
    status                INTEGER NOT NULL,
    body                  TEXT    NOT NULL,
    PRIMARY KEY (key_id, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_expires ON nonces (expires);
