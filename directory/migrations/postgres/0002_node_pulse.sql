-- What every report changes leaves the nodes for a narrow table of its own: a report then rewrites
-- neither the node's row nor what the indexes know of it, so that searches need not look at rows.

DROP TRIGGER nodes_changed ON nodes;
DROP TRIGGER nodes_beside ON nodes;
DROP FUNCTION beside_nodes;

ALTER TABLE node_pulse ADD COLUMN uptime_secs BIGINT NOT NULL DEFAULT 0;
UPDATE node_pulse SET uptime_secs = nodes.uptime_secs FROM nodes WHERE nodes.id = node_pulse.node;
ALTER TABLE nodes DROP COLUMN updated;
ALTER TABLE nodes DROP COLUMN uptime_secs;
ALTER TABLE nodes DROP COLUMN revision;

-- When its identity was last seen from two boards within an hour; 0 for never, and once the owner
-- has approved the node again.
ALTER TABLE nodes ADD COLUMN two_boards_at BIGINT NOT NULL DEFAULT 0;

-- The revision is that of the last change of the node, here or in its own row.
CREATE TRIGGER node_pulse_changed BEFORE INSERT OR UPDATE ON node_pulse
    FOR EACH ROW EXECUTE FUNCTION take_revision();
CREATE FUNCTION beside_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO node_pulse (node, updated, revision) VALUES (NEW.id, NEW.created, 0);
        INSERT INTO node_blocks (block, nodes) VALUES (NEW.id / 1000, 1)
            ON CONFLICT (block) DO UPDATE SET nodes = node_blocks.nodes + 1;
    ELSE
        UPDATE node_pulse SET revision = 0 WHERE node = NEW.id;
        IF NEW.deleted <> OLD.deleted THEN
            UPDATE node_blocks SET nodes = nodes + CASE WHEN NEW.deleted THEN -1 ELSE 1 END
                WHERE block = NEW.id / 1000;
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER nodes_beside AFTER INSERT OR UPDATE ON nodes
    FOR EACH ROW EXECUTE FUNCTION beside_nodes();

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
CREATE INDEX nodes_ids ON nodes (
    id, deleted, total_cru, total_mru_bytes, total_sru_bytes, total_hru_bytes
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
-- Updates of nodes are rare now.
ALTER TABLE nodes RESET (fillfactor);
ALTER TABLE node_pulse SET (fillfactor = 80);
