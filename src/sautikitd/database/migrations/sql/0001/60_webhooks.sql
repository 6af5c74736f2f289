-- A UUIDv7 (RFC 9562 §5.7) for rows a statement makes by itself; uuidv7() exists only from PostgreSQL 18 on.
CREATE FUNCTION new_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

-- The lane of a URL that is no subscription: a number's events_url, a call's webhook_url.
CREATE FUNCTION url_endpoint_id(workspace_id uuid, mode text, url text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT md5(workspace_id::text || ':' || mode || ':' || url)::uuid $$;

CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    events text[] NOT NULL CHECK (cardinality(events) > 0),   -- names, or '*'
    number_ids uuid[],                                        -- null: every number, and events of none
    enabled boolean NOT NULL DEFAULT true,
    disabled_at timestamptz,
    disabled_reason text CHECK (disabled_reason IN ('gone', 'failing', 'by_user')),
    deleted_at timestamptz,                                   -- kept: its deliveries refer to it
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (enabled = (disabled_at IS NULL))
);
CREATE INDEX webhooks_workspace ON webhooks (workspace_id, mode, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks,
    secret_encrypted bytea NOT NULL,
    valid_until timestamptz,                                  -- null: the current one
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (webhook_id) WHERE valid_until IS NULL;
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (webhook_id, valid_until);

-- Endpoints that fail, and since when; a success empties the count. One row an endpoint that ever failed.
CREATE TABLE webhook_health (
    endpoint_id uuid PRIMARY KEY,                             -- a webhook's id, or url_endpoint_id()
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    webhook_id uuid REFERENCES webhooks,
    url text NOT NULL,
    failing_since timestamptz,                                -- first failure since the last success
    failures int NOT NULL DEFAULT 0,                          -- attempts since then
    disabled_until timestamptz                                -- a URL that is no subscription rests until then
);

CREATE TYPE delivery_status AS ENUM ('pending', 'delivering', 'succeeded', 'dead_letter', 'discarded');

-- One event on its way to one endpoint.
CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT new_uuid7(),
    event_id uuid NOT NULL REFERENCES events,
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    webhook_id uuid,                                          -- null: a URL signed with the workspace's signing secret
    endpoint_id uuid NOT NULL,                                -- its lane: a webhook's id, or url_endpoint_id()
    url text NOT NULL,
    form text CHECK (form IN ('twilio')),                     -- in whose words its event is put; null: our envelope
    call_id uuid,
    sequence int,
    cause text NOT NULL DEFAULT 'event' CHECK (cause IN ('event', 'test', 'redelivery', 'replay')),
    status delivery_status NOT NULL DEFAULT 'pending',
    attempts int NOT NULL DEFAULT 0,                          -- finished ones
    due_at timestamptz NOT NULL,
    ready boolean NOT NULL DEFAULT true,                      -- false: a retry whose time has not come, as last looked
    lease_id uuid,                                            -- which claim holds it, and until when
    lease_until timestamptz,
    last_attempt_at timestamptz,
    response_status int,                                      -- of the last attempt
    error text,                                               -- of the last attempt, or why it was discarded
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CHECK ((status = 'delivering') = (lease_id IS NOT NULL)),
    CHECK ((lease_id IS NULL) = (lease_until IS NULL)),
    CHECK ((status IN ('succeeded', 'dead_letter', 'discarded')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- Claims walk over lanes with something to do; retries that wait for their time are kept out of their way.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (ready, endpoint_id, due_at, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_retry ON webhook_deliveries (due_at) WHERE status = 'pending' AND NOT ready;
CREATE INDEX webhook_deliveries_lease ON webhook_deliveries (lease_until) WHERE status = 'delivering';
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (endpoint_id, call_id, sequence)
    WHERE attempts = 0 AND status IN ('pending', 'delivering') AND call_id IS NOT NULL;
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id DESC);

-- The same edges as `DELIVERY_EDGES`. In the condition, not in the function: it is asked twice a delivery.
CREATE FUNCTION refuse_delivery_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'delivery % cannot go from % to %', OLD.id, OLD.status, NEW.status
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER delivery_status_edge BEFORE UPDATE OF status ON webhook_deliveries FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND NOT (OLD.status = 'pending' AND NEW.status IN ('delivering', 'discarded'))
          AND NOT (OLD.status = 'delivering' AND NEW.status IN ('pending', 'succeeded', 'dead_letter', 'discarded')))
    EXECUTE FUNCTION refuse_delivery_status();

-- The delivery log: every attempt, kept 30 days. The request's body is the event's envelope. Attempts are written by
-- the statement that settles their delivery, so that a foreign key would only look up again what is in hand.
CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL,
    attempt int NOT NULL,
    url text NOT NULL,
    request_headers jsonb NOT NULL,
    response_status int,
    response_headers jsonb,
    response_body text CHECK (octet_length(response_body) <= 8192),   -- 2 KiB of it, decoded leniently
    error text,
    duration_ms int NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);
