-- What calls have cost, by the hour (UTC; Nairobi's day begins on one): of a whole workspace under the zero key, and of each API key.
CREATE TABLE spend_hours (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    key_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    spent_minor bigint NOT NULL CHECK (spent_minor >= 0),
    PRIMARY KEY (workspace_id, mode, key_id, hour)
) WITH (fillfactor = 70);

-- Caps on the cost of calls; null is none. Under the zero key: of the workspace.
CREATE TABLE spend_limits (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    key_id uuid NOT NULL,
    daily_minor bigint CHECK (daily_minor >= 0),
    per_call_minor bigint CHECK (per_call_minor >= 0),
    told_on date,                                 -- the day (Nairobi) its 80 % were last told
    PRIMARY KEY (workspace_id, mode, key_id)
);

-- Outbound calls stopped by the alarm over their speed; a row is a pause, lifted by staff.
CREATE TABLE outbound_pauses (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    reason text NOT NULL,
    paused_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, mode)
);
-- A pause lifted is not repeated for the same hour.
CREATE TABLE outbound_resumptions (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    quiet_until timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, mode)
);
