-- What every report changes leaves the nodes for a narrow table of its own: a report then rewrites
-- neither the node's row nor, on PostgreSQL, what its indexes know of it.

DROP TRIGGER nodes_inserted;
DROP TRIGGER nodes_updated;
DROP INDEX nodes_updated;
DROP INDEX nodes_revision;
DROP VIEW node_pulse;

CREATE TABLE node_pulse (
    node                  INTEGER PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    updated               INTEGER NOT NULL,
    uptime_secs           INTEGER NOT NULL DEFAULT 0,
    -- Of the last change of the node, here or in its own row.
    revision              INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO node_pulse (node, updated, uptime_secs, revision)
    SELECT id, updated, uptime_secs, revision FROM nodes;
CREATE INDEX node_pulse_updated ON node_pulse (updated);
CREATE INDEX node_pulse_revision ON node_pulse (revision);

ALTER TABLE nodes DROP COLUMN updated;
ALTER TABLE nodes DROP COLUMN uptime_secs;
ALTER TABLE nodes DROP COLUMN revision;

-- When its identity was last seen from two boards within an hour; 0 for never, and once the owner
-- has approved the node again.
ALTER TABLE nodes ADD COLUMN two_boards_at INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER nodes_inserted AFTER INSERT ON nodes BEGIN
    INSERT INTO node_blocks (block, nodes) VALUES (NEW.id / 1000, 1)
        ON CONFLICT (block) DO UPDATE SET nodes = nodes + 1;
    UPDATE revisions SET last = last + 1;
    INSERT INTO node_pulse (node, updated, revision)
        VALUES (NEW.id, NEW.created, (SELECT last FROM revisions));
END;
CREATE TRIGGER nodes_updated AFTER UPDATE ON nodes BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE node_pulse SET revision = (SELECT last FROM revisions) WHERE node = NEW.id;
END;
CREATE TRIGGER node_pulse_updated AFTER UPDATE ON node_pulse WHEN NEW.revision = OLD.revision BEGIN
    UPDATE revisions SET last = last + 1;
    UPDATE node_pulse SET revision = (SELECT last FROM revisions) WHERE node = NEW.node;
END;

-- They hold what else a list or search may ask for, so that it is answered without the rows.
DROP INDEX nodes_total_cru;
DROP INDEX nodes_total_mru;
DROP INDEX nodes_total_sru;
DROP INDEX nodes_total_hru;
CREATE INDEX nodes_total_cru ON nodes (
    total_cru, id, deleted, total_mru_bytes, total_sru_bytes, total_hru_bytes
);
CREATE INDEX nodes_total_mru ON nodes (
    total_mru_bytes, id, deleted, total_cru, total_sru_bytes, total_hru_bytes
);
CREATE INDEX nodes_total_sru ON nodes (
    total_sru_bytes, id, deleted, total_cru, total_mru_bytes, total_hru_bytes
);
CREATE INDEX nodes_total_hru ON nodes (
    total_hru_bytes, id, deleted, total_cru, total_mru_bytes, total_sru_bytes
);
DROP INDEX nodes_free_cru;
DROP INDEX nodes_free_mru;
DROP INDEX nodes_free_sru;
DROP INDEX nodes_free_hru;
CREATE INDEX nodes_free_cru ON nodes (
    free_cru, free_weight, id, free_mru_bytes, free_sru_bytes, free_hru_bytes, free_to_use
) WHERE offered;
CREATE INDEX nodes_free_mru ON nodes (
    free_mru_bytes, free_weight, id, free_cru, free_sru_bytes, free_hru_bytes, free_to_use
) WHERE offered;
CREATE INDEX nodes_free_sru ON nodes (
    free_sru_bytes, free_weight, id, free_cru, free_mru_bytes, free_hru_bytes, free_to_use
) WHERE offered;
CREATE INDEX nodes_free_hru ON nodes (
    free_hru_bytes, free_weight, id, free_cru, free_mru_bytes, free_sru_bytes, free_to_use
) WHERE offered;
