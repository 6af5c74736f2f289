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
    status_callback_url text,
    events_url text,
    forward_to text,
    record_calls boolean NOT NULL DEFAULT false,
    claimed_at timestamptz NOT NULL,
    -- the rental charged last: from which day (Nairobi) to which, and what was taken
    paid_from date,
    paid_through date,
    paid_net_minor bigint NOT NULL DEFAULT 0 CHECK (paid_net_minor >= 0),
    paid_vat_minor bigint NOT NULL DEFAULT 0 CHECK (paid_vat_minor >= 0),
    vat_basis_points int NOT NULL DEFAULT 0,
    -- what is owed while it is past due or suspended; days in Nairobi
    past_due_since date,
    due_minor bigint NOT NULL DEFAULT 0 CHECK (due_minor >= 0),  -- tried again as soon as the wallet has it
    tried_on date,
    released_at timestamptz,
    refund_net_minor bigint NOT NULL DEFAULT 0 CHECK (refund_net_minor BETWEEN 0 AND paid_net_minor),
    refund_vat_minor bigint NOT NULL DEFAULT 0 CHECK (refund_vat_minor BETWEEN 0 AND paid_vat_minor),
    updated_at timestamptz NOT NULL,
    CHECK ((status = 'released') = (released_at IS NOT NULL)),
    CHECK (status = 'released' OR (status IN ('past_due', 'suspended')) = (past_due_since IS NOT NULL))
);
CREATE UNIQUE INDEX numbers_live_once ON numbers (e164) WHERE mode = 'live' AND released_at IS NULL;
CREATE UNIQUE INDEX numbers_test_once ON numbers (workspace_id, e164) WHERE mode = 'test' AND released_at IS NULL;
CREATE INDEX numbers_workspace ON numbers (workspace_id, mode, id DESC);
CREATE INDEX numbers_rental ON numbers (paid_through) WHERE status = 'active';
CREATE INDEX numbers_unpaid ON numbers (workspace_id, mode) WHERE status IN ('past_due', 'suspended');

-- The states a number goes through; the same table as `numbers/models.py`.
CREATE TABLE number_status_edges (from_status text, to_status text, PRIMARY KEY (from_status, to_status));
INSERT INTO number_status_edges VALUES
    ('active', 'past_due'), ('active', 'suspended'), ('active', 'released'),
    ('past_due', 'active'), ('past_due', 'suspended'), ('past_due', 'released'),
    ('suspended', 'active'), ('suspended', 'released');
CREATE FUNCTION check_number_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM number_status_edges WHERE from_status = OLD.status AND to_status = NEW.status) THEN
        RAISE EXCEPTION 'number % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER number_status_edge BEFORE UPDATE OF status ON numbers FOR EACH ROW EXECUTE FUNCTION check_number_status();

-- The numbers of test mode (contract §9): every workspace may claim each of them for itself.
INSERT INTO inventory (id, mode, e164, type, area_code, locality, monthly_price_minor)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(4096 - n), 12, '0'))::uuid, 'test', '+2542000000' || lpad(n::text, 2, '0'),
       'local', '020', 'Nairobi', 10000
FROM generate_series(1, 20) AS n;
