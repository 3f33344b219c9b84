-- What directories said, to be shown without asking them. Sizes are bytes, times unix seconds.

CREATE TABLE sources (
    id         INTEGER PRIMARY KEY,
    address    TEXT    NOT NULL,
    -- The one farm this is about, 0 for the whole directory.
    farm_id    INTEGER NOT NULL,
    -- Where to go on following changes, 0 if it cannot be done.
    revision   INTEGER NOT NULL DEFAULT 0,
    -- When it was known to be what the directory has, 0 for never.
    refreshed  INTEGER NOT NULL DEFAULT 0,
    -- Counts the times everything was read: rows with an older one are gone.
    generation INTEGER NOT NULL DEFAULT 0,
    UNIQUE (address, farm_id)
) STRICT;

CREATE TABLE farms (
    source     INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    id         INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    source     INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    id         INTEGER NOT NULL,
    node_id    TEXT    NOT NULL,
    farm_id    INTEGER NOT NULL,
    hostname   TEXT    NOT NULL,
    country    TEXT    NOT NULL,
    city       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    -- The last uptime report, 0 before the first.
    reported   INTEGER NOT NULL,
    uptime     INTEGER NOT NULL,
    cru        INTEGER NOT NULL,
    mru        INTEGER NOT NULL,
    sru        INTEGER NOT NULL,
    hru        INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    -- JSON, as on the wire.
    body       TEXT    NOT NULL,
    UNIQUE (source, node_id)
) STRICT;
CREATE INDEX nodes_id ON nodes (source, id);
CREATE INDEX nodes_farm ON nodes (source, farm_id, id);
CREATE INDEX nodes_reported ON nodes (source, reported, id);
CREATE INDEX nodes_farm_reported ON nodes (source, farm_id, reported);
CREATE INDEX nodes_hostname ON nodes (source, hostname, id);
CREATE INDEX nodes_place ON nodes (source, country, city, id);
CREATE INDEX nodes_cru ON nodes (source, cru, id);
CREATE INDEX nodes_mru ON nodes (source, mru, id);
CREATE INDEX nodes_sru ON nodes (source, sru, id);
CREATE INDEX nodes_hru ON nodes (source, hru, id);
CREATE INDEX nodes_generation ON nodes (source, generation);

-- Sums of a farm's nodes; the amounts are those of approved ones.
CREATE TABLE totals (
    source     INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    farm_id    INTEGER NOT NULL,
    nodes      INTEGER NOT NULL,
    pending    INTEGER NOT NULL,
    blocked    INTEGER NOT NULL,
    cru        INTEGER NOT NULL,
    mru        INTEGER NOT NULL,
    sru        INTEGER NOT NULL,
    hru        INTEGER NOT NULL,
    PRIMARY KEY (source, farm_id)
) STRICT, WITHOUT ROWID;

-- Totals over time, for sparklines; thinned as they grow old.
CREATE TABLE samples (
    source     INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    -- Beginning of its ten minutes.
    at         INTEGER NOT NULL,
    nodes      INTEGER NOT NULL,
    up         INTEGER NOT NULL,
    -- Cloud units, millionths.
    cu         INTEGER NOT NULL,
    su         INTEGER NOT NULL,
    -- What the period still pays, units of 10^-7 TFT.
    reward     INTEGER NOT NULL,
    PRIMARY KEY (source, at)
) STRICT, WITHOUT ROWID;

-- What happened to nodes while somebody looked; the oldest make room.
CREATE TABLE events (
    id         INTEGER PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    node_id    TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    before     TEXT    NOT NULL,
    after      TEXT    NOT NULL
) STRICT;
CREATE INDEX events_node ON events (source, node_id, id);
