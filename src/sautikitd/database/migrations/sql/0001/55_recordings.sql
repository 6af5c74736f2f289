CREATE TYPE recording_status AS ENUM ('recording', 'processing', 'ready', 'failed', 'deleted', 'expired');

CREATE TABLE recordings (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    status recording_status NOT NULL DEFAULT 'recording',
    channels int NOT NULL CHECK (channels IN (1, 2)),
    node_id uuid NOT NULL REFERENCES voice_nodes,
    spool_id uuid NOT NULL,                       -- the folder its file lies in until it is stored
    object_key text NOT NULL UNIQUE,              -- of the WAV; an MP3 made of it lies beside it
    duration_ms int,
    size_bytes bigint,
    mp3_size_bytes bigint,                        -- null: not made yet
    error text,
    created_at timestamptz NOT NULL,
    stop_asked_at timestamptz,                    -- by the API; its node is about to close the file
    ready_at timestamptz,
    expires_at timestamptz,
    deleted_at timestamptz,
    conference_id uuid,                           -- the room it is of; null: of a call alone
    status_url text,                              -- told in Twilio's words when it is ready or has failed
    source text,                                  -- and what made it, in those
    purge_after timestamptz,                      -- its objects are to be removed from the store; null: nothing to remove
    CHECK (status <> 'ready' OR (size_bytes IS NOT NULL AND duration_ms IS NOT NULL AND expires_at IS NOT NULL)),
    CHECK (status <> 'failed' OR error IS NOT NULL)
);
CREATE INDEX recordings_call ON recordings (call_id, id DESC);
CREATE INDEX recordings_unfinished ON recordings (spool_id) WHERE status IN ('recording', 'processing');
CREATE INDEX recordings_expiry ON recordings (expires_at) WHERE status = 'ready';
CREATE INDEX recordings_expiry_of_workspace ON recordings (workspace_id, mode, expires_at) WHERE status = 'ready';
CREATE INDEX recordings_purge ON recordings (purge_after) WHERE purge_after IS NOT NULL;

CREATE TABLE recording_status_edges (
    from_status recording_status, to_status recording_status, PRIMARY KEY (from_status, to_status));
INSERT INTO recording_status_edges VALUES
    ('recording', 'processing'), ('recording', 'failed'), ('processing', 'ready'), ('processing', 'failed'),
    ('ready', 'deleted'), ('ready', 'expired'), ('failed', 'deleted');

CREATE FUNCTION check_recording_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM recording_status_edges WHERE from_status = OLD.status AND to_status = NEW.status) THEN
        RAISE EXCEPTION 'recording % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER recording_status_edge BEFORE UPDATE OF status ON recordings FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_recording_status();
