-- One voice node process's life. Its lease covers every call it runs.
CREATE TABLE voice_nodes (
    id uuid PRIMARY KEY,
    host text NOT NULL,                           -- where other nodes reach its SIP, over TCP
    port int NOT NULL,
    capacity int NOT NULL,
    started_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    stopped_at timestamptz                        -- set by a clean stop: nothing left to reap
);
CREATE INDEX voice_nodes_lease ON voice_nodes (lease_until) WHERE stopped_at IS NULL;

-- Limits and fairness of one workspace and mode. `tokens` is its calls-per-second bucket; `served_at` its last turn.
CREATE TABLE call_queues (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    calls_per_second double precision NOT NULL DEFAULT 5 CHECK (calls_per_second > 0),
    max_concurrent_calls int NOT NULL DEFAULT 10 CHECK (max_concurrent_calls > 0),
    max_queued_calls int NOT NULL DEFAULT 10000,
    destination_prefixes text[] NOT NULL DEFAULT '{254}',
    tokens double precision NOT NULL DEFAULT 1,
    tokens_at timestamptz NOT NULL DEFAULT now(),
    served_at timestamptz NOT NULL DEFAULT '-infinity',
    waits_until timestamptz NOT NULL DEFAULT '-infinity', -- its oldest call found every trunk full
    PRIMARY KEY (workspace_id, mode)
);

CREATE SEQUENCE call_sessions;

CREATE TYPE call_status AS ENUM ('queued', 'ringing', 'answered', 'completed', 'failed', 'no_answer', 'busy', 'canceled');

-- Workspaces, numbers, keys and nodes are never deleted, and a call is made of what was just read of them: foreign keys to them
-- would only look that up again, and lock the same few rows with every call. Trunks can be deleted.
CREATE TABLE calls (
    id uuid PRIMARY KEY,
    session_id text NOT NULL UNIQUE,              -- 'HD_' + 12 lowercase hex
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    parent_call_id uuid REFERENCES calls,
    number_id uuid NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    from_address text NOT NULL,
    to_address text NOT NULL,
    local_e164 text NOT NULL,
    remote_e164 text NOT NULL,
    country text,
    status call_status NOT NULL DEFAULT 'queued',
    -- what was asked
    target_count int NOT NULL DEFAULT 1,          -- legs rung together; above 1 the call is a parent and is not dialled itself
    webhook_url text,
    events_url text,
    voice_callback_url text,
    voice_method text NOT NULL DEFAULT 'POST',
    fallback_url text,
    status_callback_url text,
    callback_format text NOT NULL DEFAULT 'sautikit',
    forward_to text,
    actions jsonb,
    control jsonb,                                -- of a controlled call: by whom and how it is driven
    timeout_seconds int NOT NULL DEFAULT 60,
    max_duration_seconds int NOT NULL DEFAULT 14400,
    record text CHECK (record IN ('mono', 'dual')),
    send_digits text NOT NULL DEFAULT '',
    machine_detection text NOT NULL DEFAULT 'off' CHECK (machine_detection IN ('off', 'detect', 'detect_message_end')),
    client_request_id text,
    metadata jsonb,
    test_script jsonb,                            -- of POST /v1/test/calls: what the simulated caller does
    api_key_id uuid,
    expires_at timestamptz,
    -- what happened
    started_at timestamptz,
    ringing_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    billed_seconds int,
    cost_minor bigint NOT NULL DEFAULT 0,
    cost_currency text NOT NULL DEFAULT 'KES',
    rate_per_minute_minor bigint NOT NULL DEFAULT 0,
    rate_prefix text,                             -- of the tariff the rate was found in, as is the name; null: no tariff, free
    rate_destination text,
    failure_code text,
    hangup_cause text,
    hangup_by text,
    sip_code int,
    answered_by text,
    quality jsonb,
    event_sequence int NOT NULL DEFAULT 0,
    hangup_requested_at timestamptz,
    -- where it runs
    node_id uuid,
    trunk_id uuid REFERENCES trunks,              -- that carries it, or was tried last
    trunks_failed jsonb NOT NULL DEFAULT '[]',    -- those tried before: [{"trunk_id", "at", "why"}], for staff
    dialog jsonb,                                 -- what a CANCEL or BYE from another process needs; null once it has ended
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX calls_workspace ON calls (workspace_id, mode, id DESC);
CREATE INDEX calls_number ON calls (number_id, id DESC);
CREATE INDEX calls_parent ON calls (parent_call_id) WHERE parent_call_id IS NOT NULL;
CREATE INDEX calls_queue ON calls (workspace_id, mode, id) WHERE status = 'queued' AND parent_call_id IS NULL;
CREATE INDEX calls_queue_expiry ON calls (expires_at) WHERE status = 'queued';
CREATE INDEX calls_live ON calls (workspace_id, mode) WHERE status IN ('ringing', 'answered');
CREATE INDEX calls_trunk ON calls (trunk_id) WHERE status IN ('ringing', 'answered') AND trunk_id IS NOT NULL;
CREATE INDEX calls_node ON calls (node_id) WHERE status IN ('ringing', 'answered');
CREATE INDEX calls_orphan_dialogs ON calls (ended_at) WHERE dialog IS NOT NULL AND ended_at IS NOT NULL;

-- The edges are in the condition, not in the function: they are asked thrice a call.
CREATE FUNCTION refuse_call_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'call % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER call_status_edge BEFORE UPDATE OF status ON calls FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND NOT (OLD.status = 'queued' AND NEW.status IN ('ringing', 'failed', 'canceled'))
          AND NOT (OLD.status = 'ringing' AND NEW.status IN ('answered', 'failed', 'no_answer', 'busy', 'canceled'))
          AND NOT (OLD.status = 'answered' AND NEW.status IN ('completed', 'failed')))
    EXECUTE FUNCTION refuse_call_status();

-- What is asked of a live call: hang-up, digits, a new flow, recording control. Rows for the node that runs it.
CREATE TABLE call_commands (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls,
    node_id uuid REFERENCES voice_nodes,          -- that it is for, whatever became of the call; null: the one that runs it
    kind text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    done_at timestamptz,
    outcome text
);
CREATE INDEX call_commands_waiting ON call_commands (call_id) WHERE done_at IS NULL;
CREATE INDEX call_commands_of_node ON call_commands (node_id) WHERE done_at IS NULL AND node_id IS NOT NULL;

-- Calls that have ended and whose voice callback has not been told so: written with the end, removed when it was told.
CREATE TABLE last_reports (
    call_id uuid PRIMARY KEY REFERENCES calls,
    claimed_until timestamptz                     -- somebody is telling it; null: nobody yet
);
CREATE INDEX last_reports_waiting ON last_reports (claimed_until NULLS FIRST);

-- Every voice callback asked: request, reply and timing, kept 30 days.
CREATE TABLE voice_callbacks (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls,
    url text NOT NULL,
    method text NOT NULL,
    request jsonb NOT NULL,
    response_status int,
    response_body text,
    outcome text NOT NULL,
    error text,
    attempt int NOT NULL,
    duration_ms int NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX voice_callbacks_call ON voice_callbacks (call_id, id DESC);
CREATE INDEX voice_callbacks_age ON voice_callbacks (created_at);
