-- Numbers the platform may give out. Live rows belong to one workspace at a time; test rows are claimed by each workspace for itself.
CREATE TABLE inventory (
    id uuid PRIMARY KEY,
    mode mode NOT NULL,
    e164 text NOT NULL,
    country text NOT NULL DEFAULT 'KE',
    type text NOT NULL CHECK (type IN ('local', 'mobile', 'toll_free')),
    area_code text NOT NULL DEFAULT '',           -- '020'; '' for non-geographic numbers
    locality text NOT NULL DEFAULT '',
    capabilities text[] NOT NULL DEFAULT '{voice}',
    monthly_price_minor bigint NOT NULL CHECK (monthly_price_minor >= 0),
    status text NOT NULL DEFAULT 'available' CHECK (status IN ('available', 'assigned', 'quarantined', 'withdrawn')),
    quarantined_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (mode, e164)
);
CREATE INDEX inventory_available ON inventory (mode, id DESC) WHERE status = 'available';
CREATE INDEX inventory_quarantine ON inventory (quarantined_until) WHERE status = 'quarantined';

-- One assignment of a number to a workspace; a number claimed again is a new row.
CREATE TABLE numbers (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    inventory_id uuid NOT NULL REFERENCES inventory,
    e164 text NOT NULL,
    country text NOT NULL DEFAULT 'KE',
    type text NOT NULL,
    locality text NOT NULL DEFAULT '',
    capabilities text[] NOT NULL DEFAULT '{voice}',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'past_due', 'suspended', 'released')),
    monthly_price_minor bigint NOT NULL,
    label text NOT NULL DEFAULT '',
    voice_callback_url text,
    voice_method text NOT NULL DEFAULT 'POST' CHECK (voice_method IN ('GET', 'POST')),
    callback_format text NOT NULL DEFAULT 'sautikit' CHECK (callback_format IN ('sautikit', 'africastalking', 'twilio')),
    fallback_url text,
    events_url text,
    forward_to text,
    record_calls boolean NOT NULL DEFAULT false,
    claimed_at timestamptz NOT NULL,
    paid_through date,                            -- last day (Nairobi) the rental covers
    released_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX numbers_live_once ON numbers (e164) WHERE mode = 'live' AND released_at IS NULL;
CREATE UNIQUE INDEX numbers_test_once ON numbers (workspace_id, e164) WHERE mode = 'test' AND released_at IS NULL;
CREATE INDEX numbers_workspace ON numbers (workspace_id, mode, id DESC);
