-- Money coming in by M-Pesa. A receipt is in exactly one place (a wallet, suspense, sent back); the ledger's causes and the keys
-- below say so. Locks: the top-up, its receipt, the suspense case, then the wallet.
CREATE TABLE topups (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    channel text NOT NULL CHECK (channel IN ('stk', 'paybill')),
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    phone_e164 text,                              -- null: Paybill, whose payer may be masked
    reference text NOT NULL,                      -- T and nine of base32 for a push; for Paybill what was typed
    push_state text CHECK (push_state IN ('queued', 'sending', 'accepted', 'rejected', 'unknown')),
    push_due_at timestamptz,
    pushed_at timestamptz,                        -- when it last began to be sent
    prompt_open boolean NOT NULL DEFAULT false,   -- the phone may be showing a prompt
    checkout_request_id text,                     -- Daraja's name for the push; holds digits of the phone, so never logged
    next_check_at timestamptz,
    receipt text,                                 -- null on a success known by query alone, until a channel brings it
    failure_code text,
    late boolean NOT NULL DEFAULT false,          -- the money came after the top-up had failed
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    FOREIGN KEY (workspace_id, mode) REFERENCES wallets,
    CHECK ((channel = 'stk') = (push_state IS NOT NULL AND phone_e164 IS NOT NULL)),
    CHECK (channel <> 'stk' OR amount_minor % 100 = 0),
    CHECK ((status = 'failed') = (failure_code IS NOT NULL)),
    CHECK ((status = 'pending') = (completed_at IS NULL)),
    CHECK (status = 'pending' OR NOT prompt_open)
);
CREATE UNIQUE INDEX topups_reference ON topups (mode, reference) WHERE channel = 'stk';
CREATE UNIQUE INDEX topups_checkout ON topups (mode, checkout_request_id);
CREATE UNIQUE INDEX topups_receipt ON topups (mode, receipt);
CREATE UNIQUE INDEX topups_open_prompt ON topups (mode, phone_e164) WHERE prompt_open;
CREATE INDEX topups_list ON topups (workspace_id, mode, id DESC);
CREATE INDEX topups_phone ON topups (mode, phone_e164, created_at);
CREATE INDEX topups_push ON topups (push_due_at) WHERE push_state IN ('queued', 'sending');
CREATE INDEX topups_check ON topups (next_check_at) WHERE status = 'pending';
CREATE INDEX topups_pending ON topups (created_at) WHERE status = 'pending';

-- The same tables of transitions as payments/models.py; a test compares them.
CREATE TABLE topup_transitions (machine text, before text, after text, PRIMARY KEY (machine, before, after));
INSERT INTO topup_transitions VALUES
    ('status', 'pending', 'succeeded'), ('status', 'pending', 'failed'), ('status', 'failed', 'succeeded'),
    ('push', 'queued', 'sending'), ('push', 'sending', 'queued'),
    ('push', 'sending', 'accepted'), ('push', 'sending', 'rejected'), ('push', 'sending', 'unknown'),
    ('push', 'unknown', 'accepted'), ('push', 'unknown', 'rejected'),
    ('suspense', 'open', 'assigned'), ('suspense', 'open', 'reversed'), ('suspense', 'open', 'matched');
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON topup_transitions FROM sautikit_app;

CREATE FUNCTION check_transition(of_machine text, old_state text, new_state text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF old_state IS DISTINCT FROM new_state AND NOT EXISTS (
        SELECT FROM topup_transitions WHERE machine = of_machine AND before = old_state AND after = new_state) THEN
        RAISE EXCEPTION 'a % never goes from % to %', of_machine, old_state, new_state USING ERRCODE = 'check_violation';
    END IF;
END $$;
CREATE FUNCTION check_topup_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM check_transition('status', OLD.status, NEW.status);
    PERFORM check_transition('push', OLD.push_state, NEW.push_state);
    IF (OLD.workspace_id, OLD.mode, OLD.amount_minor, OLD.reference) IS DISTINCT FROM
       (NEW.workspace_id, NEW.mode, NEW.amount_minor, NEW.reference) OR OLD.receipt IS NOT NULL AND OLD.receipt IS DISTINCT FROM NEW.receipt THEN
        RAISE EXCEPTION 'what a top-up is for never changes' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER transitions BEFORE UPDATE ON topups FOR EACH ROW EXECUTE FUNCTION check_topup_change();
REVOKE DELETE, TRUNCATE ON topups FROM sautikit_app;

CREATE TABLE mpesa_receipts (
    mode mode NOT NULL,
    receipt text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    place text NOT NULL CHECK (place IN ('wallet', 'suspense', 'reversed')),
    workspace_id uuid,                            -- whose wallet
    topup_id uuid REFERENCES topups,              -- what it pays, or was meant to pay
    reference text,                               -- as typed
    payer text,                                   -- as told: clear, masked or hashed; never a key
    paid_at timestamptz,
    stk_at timestamptz,                           -- when each channel first told of it
    c2b_at timestamptz,
    pull_at timestamptz,
    disputed_minor bigint,                        -- another amount that a later channel told
    created_at timestamptz NOT NULL,
    PRIMARY KEY (mode, receipt),
    CHECK ((place = 'wallet') = (workspace_id IS NOT NULL)),
    CHECK (num_nonnulls(stk_at, c2b_at, pull_at) > 0)
);
CREATE UNIQUE INDEX mpesa_receipts_topup ON mpesa_receipts (topup_id) WHERE place = 'wallet' AND topup_id IS NOT NULL;
CREATE INDEX mpesa_receipts_of_topup ON mpesa_receipts (topup_id);
CREATE INDEX mpesa_receipts_day ON mpesa_receipts (mode, created_at);
REVOKE DELETE, TRUNCATE ON mpesa_receipts FROM sautikit_app;

CREATE TABLE suspense_cases (
    id uuid PRIMARY KEY,
    mode mode NOT NULL,
    receipt text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),  -- below zero: less came than was credited on a query's word
    reason text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'assigned', 'reversed', 'matched')),
    topup_id uuid REFERENCES topups,
    workspace_id uuid REFERENCES workspaces,      -- to whom it was assigned
    note text NOT NULL DEFAULT '',
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    UNIQUE (mode, receipt),
    FOREIGN KEY (mode, receipt) REFERENCES mpesa_receipts,
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK (state <> 'assigned' OR workspace_id IS NOT NULL)
);
CREATE INDEX suspense_cases_open ON suspense_cases (mode, id) WHERE state = 'open';
CREATE FUNCTION check_suspense_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM check_transition('suspense', OLD.state, NEW.state);
    RETURN NEW;
END $$;
CREATE TRIGGER transitions BEFORE UPDATE ON suspense_cases FOR EACH ROW EXECUTE FUNCTION check_suspense_change();
REVOKE DELETE, TRUNCATE ON suspense_cases FROM sautikit_app;

-- What Daraja posted to us, kept before it is acknowledged and worked on afterwards.
CREATE TABLE mpesa_inbox (
    id uuid PRIMARY KEY,
    mode mode NOT NULL,
    kind text NOT NULL CHECK (kind IN ('stk', 'c2b')),
    topup_id uuid REFERENCES topups,
    body_encrypted bytea NOT NULL,                -- holds a person's number and name
    source_address text NOT NULL,
    received_at timestamptz NOT NULL,
    due_at timestamptz,                           -- null once done with
    attempts int NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('received', 'processed', 'ignored', 'given_up')),
    note text NOT NULL DEFAULT '',
    CHECK ((state = 'received') = (due_at IS NOT NULL))
);
CREATE INDEX mpesa_inbox_due ON mpesa_inbox (due_at) WHERE state = 'received';
CREATE INDEX mpesa_inbox_age ON mpesa_inbox (received_at);

-- One access token for every process: a new one kills the one before.
CREATE TABLE daraja_tokens (
    mode mode PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 0,
    token_encrypted bytea,
    expires_at timestamptz,
    fetching_until timestamptz NOT NULL DEFAULT '-infinity'  -- who fetches one has this long
);
INSERT INTO daraja_tokens (mode) VALUES ('live'), ('test');

-- The stretch of time that pulls have covered without a gap.
CREATE TABLE mpesa_pulls (
    mode mode PRIMARY KEY,
    covered_from timestamptz,
    covered_until timestamptz,
    next_sweep_at timestamptz NOT NULL DEFAULT '-infinity',
    next_deep_sweep_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO mpesa_pulls (mode) VALUES ('live'), ('test');
