-- Users, farms, nodes and gateways of one directory. Sizes are bytes, times unix seconds, JSON as on
-- the wire. ../postgres holds the same tables.

CREATE TABLE users (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    name                  TEXT    NOT NULL UNIQUE,
    email                 TEXT    NOT NULL,
    pubkey                TEXT    NOT NULL,
    host                  TEXT    NOT NULL,
    description           TEXT    NOT NULL,
    -- JSON.
    wallet_addresses      TEXT    NOT NULL DEFAULT '[]',
    signature             TEXT    NOT NULL DEFAULT '',
    created               INTEGER NOT NULL
) STRICT;
CREATE INDEX users_pubkey ON users (pubkey);
CREATE INDEX users_email ON users (email);

-- What changed when: every change of a farm or node takes the next number, see the triggers below.
CREATE TABLE revisions (
    one                   INTEGER PRIMARY KEY CHECK (one = 1),
    last                  INTEGER NOT NULL
) STRICT;
INSERT INTO revisions (one, last) VALUES (1, 0);

CREATE TABLE change_floor (
    one                   INTEGER PRIMARY KEY CHECK (one = 1),
    -- Tombstones up to this revision are forgotten: who knows no later state starts again.
    floor                 INTEGER NOT NULL
) STRICT;
INSERT INTO change_floor (one, floor) VALUES (1, 0);

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
    -- JSON.
    wallet_addresses      TEXT    NOT NULL,
    resource_prices       TEXT    NOT NULL,
    ipaddresses           TEXT    NOT NULL,
    farm_cloudunits_price TEXT    NOT NULL,
    enable_custom_pricing INTEGER NOT NULL,
    is_grid3_compliant    INTEGER NOT NULL,
    -- Whether the owner's signature was on it when it was made.
    verified              INTEGER NOT NULL DEFAULT TRUE,
    created               INTEGER NOT NULL,
    revision              INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX farms_owner ON farms (threebot_id, id);
CREATE INDEX farms_revision ON farms (revision);

-- Prices a farm agreed with one user.
CREATE TABLE farm_deals (
    farm_id               INTEGER NOT NULL REFERENCES farms (id),
    threebot_id           INTEGER NOT NULL,
    -- JSON.
    price                 TEXT    NOT NULL,
    PRIMARY KEY (farm_id, threebot_id)
) STRICT, WITHOUT ROWID;

-- What lets a node join a farm without the owner looking at it. The token itself is not kept.
CREATE TABLE enrolment_tokens (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    farm_id               INTEGER NOT NULL REFERENCES farms (id),
    token_sha256          TEXT    NOT NULL UNIQUE,
    -- The only node it is for; '' for any.
    node_id               TEXT    NOT NULL DEFAULT '',
    uses_left             INTEGER NOT NULL,
    expires               INTEGER NOT NULL,
    created               INTEGER NOT NULL,
    note                  TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX enrolment_tokens_farm ON enrolment_tokens (farm_id, id);

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
    reserved_cru          INTEGER NOT NULL DEFAULT 0,
    reserved_mru_bytes    INTEGER NOT NULL DEFAULT 0,
    reserved_sru_bytes    INTEGER NOT NULL DEFAULT 0,
    reserved_hru_bytes    INTEGER NOT NULL DEFAULT 0,
    free_cru              INTEGER NOT NULL GENERATED ALWAYS AS (max(total_cru - reserved_cru, 0)) STORED,
    free_mru_bytes        INTEGER NOT NULL GENERATED ALWAYS AS (max(total_mru_bytes - reserved_mru_bytes, 0)) STORED,
    free_sru_bytes        INTEGER NOT NULL GENERATED ALWAYS AS (max(total_sru_bytes - reserved_sru_bytes, 0)) STORED,
    free_hru_bytes        INTEGER NOT NULL GENERATED ALWAYS AS (max(total_hru_bytes - reserved_hru_bytes, 0)) STORED,
    -- All that is free as one number, see the store's capacity module.
    free_weight           INTEGER NOT NULL GENERATED ALWAYS AS (
        max(total_cru - reserved_cru, 0) * 4096
        + max(total_mru_bytes - reserved_mru_bytes, 0) / 1048576
        + max(total_sru_bytes - reserved_sru_bytes, 0) / 26214400
        + max(total_hru_bytes - reserved_hru_bytes, 0) / 262144000
    ) STORED,
    state                 TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'blocked')),
    free_to_use           INTEGER NOT NULL DEFAULT FALSE,
    reserved              INTEGER NOT NULL DEFAULT FALSE,
    -- A deleted node keeps its row, so that its number is never another's.
    deleted               INTEGER NOT NULL DEFAULT FALSE,
    -- Whether a search for capacity may give it.
    offered               INTEGER NOT NULL GENERATED ALWAYS AS (state = 'approved' AND NOT deleted) STORED,
    -- SHA-256 of the board's UUID it last registered from; '' if it told none.
    board_sha256          TEXT    NOT NULL DEFAULT '',
    -- JSON; public_config is '' where there is none.
    ifaces                TEXT    NOT NULL DEFAULT '[]',
    wg_ports              TEXT    NOT NULL DEFAULT '[]',
    public_config         TEXT    NOT NULL DEFAULT '',
    workloads             TEXT    NOT NULL DEFAULT '{}',
    revision              INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Lists in order of id. They hold what is counted, so that counting needs no row.
CREATE INDEX nodes_farm ON nodes (farm_id, id, deleted);
CREATE INDEX nodes_country ON nodes (country, id, deleted);
CREATE INDEX nodes_city ON nodes (city, id, deleted);
CREATE INDEX nodes_ids ON nodes (
    id, deleted, total_cru, total_mru_bytes, total_sru_bytes, total_hru_bytes
);
CREATE INDEX nodes_total_cru ON nodes (total_cru);
CREATE INDEX nodes_total_mru ON nodes (total_mru_bytes);
CREATE INDEX nodes_total_sru ON nodes (total_sru_bytes);
CREATE INDEX nodes_total_hru ON nodes (total_hru_bytes);

-- Searches for capacity: the best fit first, or the few that have so much of one resource.
CREATE INDEX nodes_fit ON nodes (
    free_weight, id, free_cru, free_mru_bytes, free_sru_bytes, free_hru_bytes, free_to_use
) WHERE offered;
CREATE INDEX nodes_fit_country ON nodes (
    country, free_weight, id, free_cru, free_mru_bytes, free_sru_bytes, free_hru_bytes, free_to_use
) WHERE offered;
CREATE INDEX nodes_fit_free ON nodes (
    free_weight, id, free_cru, free_mru_bytes, free_sru_bytes, free_hru_bytes
) WHERE offered AND free_to_use;
CREATE INDEX nodes_free_cru ON nodes (free_cru) WHERE offered;
CREATE INDEX nodes_free_mru ON nodes (free_mru_bytes) WHERE offered;
CREATE INDEX nodes_free_sru ON nodes (free_sru_bytes) WHERE offered;
CREATE INDEX nodes_free_hru ON nodes (free_hru_bytes) WHERE offered;

-- What every report changes.
CREATE INDEX nodes_updated ON nodes (updated);
CREATE INDEX nodes_revision ON nodes (revision);
CREATE VIEW node_pulse AS SELECT id AS node, updated, revision FROM nodes;

-- How many nodes that are not deleted have an id of block * 1000 to block * 1000 + 999: counts all
-- nodes and finds the one at an offset without passing those before it.
CREATE TABLE node_blocks (
    block                 INTEGER PRIMARY KEY,
    nodes                 INTEGER NOT NULL
) STRICT;

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

-- Hardware proofs, oldest first; JSON.
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

CREATE TABLE gateways (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id               TEXT    NOT NULL UNIQUE,
    farm_id               INTEGER NOT NULL,
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
    tcp_router_port       INTEGER NOT NULL,
    free_to_use           INTEGER NOT NULL DEFAULT FALSE,
    -- JSON.
    workloads             TEXT    NOT NULL DEFAULT '{}',
    managed_domains       TEXT    NOT NULL DEFAULT '[]',
    dns_nameserver        TEXT    NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX gateways_farm ON gateways (farm_id, id);
CREATE INDEX gateways_country ON gateways (country, id);

-- Farms and nodes that are gone, and nodes that left a farm for another.
CREATE TABLE tombstones (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind                  TEXT    NOT NULL CHECK (kind IN ('node', 'farm')),
    -- Row id of what is gone.
    gone                  INTEGER NOT NULL,
    node_id               TEXT    NOT NULL DEFAULT '',
    farm_id               INTEGER NOT NULL,
    created               INTEGER NOT NULL,
    revision              INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tombstones_revision ON tombstones (revision);
CREATE INDEX tombstones_created ON tombstones (created);

CREATE TRIGGER farms_inserted AFTER INSERT ON farms BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE farms SET revision = (SELECT last FROM revisions) WHERE id = NEW.id;
END;
CREATE TRIGGER farms_updated AFTER UPDATE ON farms WHEN NEW.revision = OLD.revision BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE farms SET revision = (SELECT last FROM revisions) WHERE id = NEW.id;
END;
CREATE TRIGGER nodes_inserted AFTER INSERT ON nodes BEGIN
    INSERT INTO node_blocks (block, nodes) VALUES (NEW.id / 1000, 1)
        ON CONFLICT (block) DO UPDATE SET nodes = nodes + 1;
    UPDATE revisions SET last = last + 1;
    UPDATE nodes SET revision = (SELECT last FROM revisions) WHERE id = NEW.id;
END;
CREATE TRIGGER nodes_updated AFTER UPDATE ON nodes WHEN NEW.revision = OLD.revision BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE nodes SET revision = (SELECT last FROM revisions) WHERE id = NEW.id;
END;
CREATE TRIGGER nodes_deleted AFTER UPDATE OF deleted ON nodes WHEN NEW.deleted <> OLD.deleted BEGIN
    UPDATE node_blocks SET nodes = nodes + iif(NEW.deleted, -1, 1) WHERE block = NEW.id / 1000;
END;
CREATE TRIGGER tombstones_inserted AFTER INSERT ON tombstones BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE tombstones SET revision = (SELECT last FROM revisions) WHERE id = NEW.id;
END;

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
