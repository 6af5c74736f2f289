-- Money. Amounts are integers in minor units (KES cents), signed as the customer sees his wallet: plus is owed to him. The books are
-- append-only and every transaction adds up to zero. Running balances exist on wallets and holds alone; every other account is a sum.
-- Locks: the call, its hold, then the wallet; several wallets in the order of (workspace_id, mode).
CREATE TABLE wallets (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    balance_minor bigint NOT NULL DEFAULT 0,      -- the sum of this wallet's entries
    held_minor bigint NOT NULL DEFAULT 0 CHECK (held_minor >= 0),  -- the sum of its open holds
    entry_count bigint NOT NULL DEFAULT 0,        -- the sequence of its newest entry
    low_balance_threshold_minor bigint NOT NULL DEFAULT 10000 CHECK (low_balance_threshold_minor >= 0),
    low_balance_armed boolean NOT NULL DEFAULT false,  -- true from the threshold upwards: the next fall below it is told
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, mode)
) WITH (fillfactor = 50);                         -- room for the next version on the same page: one row may change 2,000 times a second

CREATE TABLE holds (
    cause_kind text NOT NULL,
    cause_id text NOT NULL,
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'released')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (cause_kind, cause_id),
    FOREIGN KEY (workspace_id, mode) REFERENCES wallets,
    CHECK ((state = 'open') = (closed_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX holds_open ON holds (workspace_id, mode) WHERE state = 'open';

CREATE TABLE ledger_transactions (
    id uuid PRIMARY KEY,
    workspace_id uuid,                            -- null: nobody's money yet (suspense)
    mode mode NOT NULL,
    cause_kind text NOT NULL CHECK (cause_kind IN
        ('call', 'rental', 'refund', 'top_up', 'reversal', 'adjustment', 'test_credit', 'suspense')),
    cause_id text NOT NULL,
    entry_count smallint NOT NULL CHECK (entry_count >= 2),
    description text NOT NULL,
    reference text NOT NULL DEFAULT '',
    call_id uuid,
    number_id uuid,
    topup_id uuid,
    tax_basis_points int CHECK (tax_basis_points BETWEEN 0 AND 10000),  -- VAT in force, frozen; null where none is due
    created_at timestamptz NOT NULL,
    UNIQUE (cause_kind, cause_id),                -- a cause moves money once
    FOREIGN KEY (workspace_id, mode) REFERENCES wallets
);
CREATE INDEX ledger_transactions_time ON ledger_transactions (workspace_id, mode, created_at);

CREATE TABLE ledger_entries (
    transaction_id uuid NOT NULL REFERENCES ledger_transactions,
    line smallint NOT NULL CHECK (line >= 0),     -- 0 is the customer's wallet, so a transaction touches one wallet at most
    account text NOT NULL CHECK (account IN ('wallet', 'revenue.calls', 'revenue.rentals', 'vat_payable', 'mpesa_clearing',
        'suspense', 'refunds', 'adjustments', 'test_funding')),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    workspace_id uuid,
    mode mode,
    sequence bigint CHECK (sequence > 0),         -- of this wallet's entries: 1, 2, 3, … without a gap
    balance_after_minor bigint,
    PRIMARY KEY (transaction_id, line),
    CHECK ((line = 0) = (account = 'wallet')),
    CHECK (num_nonnulls(workspace_id, mode, sequence, balance_after_minor) = CASE account WHEN 'wallet' THEN 4 ELSE 0 END)
);
CREATE UNIQUE INDEX ledger_entries_wallet ON ledger_entries (workspace_id, mode, sequence) WHERE account = 'wallet';

-- Append-only: for the application by privilege, for everybody by trigger.
REVOKE UPDATE, DELETE, TRUNCATE ON ledger_transactions, ledger_entries FROM sautikit_app;
REVOKE DELETE, TRUNCATE ON wallets, holds FROM sautikit_app;
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% is append-only: correct a mistake by a new transaction', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();
-- Wallets and holds change, but none ever goes.
CREATE FUNCTION refuse_ledger_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% stay for ever, the books refer to them', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON wallets FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_deletion();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON holds FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_deletion();

-- Every transaction has the entries it announces and they add up to zero: looked at for every statement that writes entries, so that
-- none can be added to an old transaction either. That it has any at all is looked at when the database transaction commits.
CREATE FUNCTION check_ledger_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
    SELECT touched.transaction_id AS id, t.entry_count AS announced, e.found, e.total INTO wrong
    FROM (SELECT DISTINCT transaction_id FROM written) AS touched
    JOIN ledger_transactions AS t ON t.id = touched.transaction_id
    CROSS JOIN LATERAL (SELECT count(*) AS found, sum(amount_minor) AS total FROM ledger_entries
                        WHERE transaction_id = touched.transaction_id) AS e
    WHERE e.found <> t.entry_count OR e.total <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % has % of % entries adding up to %', wrong.id, wrong.found, wrong.announced, wrong.total
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION check_ledger_transaction() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'ledger transaction % has 0 of % entries', NEW.id, NEW.entry_count USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON ledger_transactions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction();
CREATE TRIGGER balanced AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION check_ledger_entries();

-- A wallet's balance is what its newest entry says.
CREATE FUNCTION check_wallet_balance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM ledger_entries
                   WHERE workspace_id = NEW.workspace_id AND mode = NEW.mode AND sequence = NEW.entry_count
                     AND account = 'wallet' AND balance_after_minor = NEW.balance_minor) THEN
        RAISE EXCEPTION 'wallet % % has no entry % that leaves %', NEW.workspace_id, NEW.mode, NEW.entry_count, NEW.balance_minor
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entered AFTER UPDATE ON wallets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.balance_minor <> NEW.balance_minor OR OLD.entry_count <> NEW.entry_count)
    EXECUTE FUNCTION check_wallet_balance();

-- Prices. A change is a new row; nothing already charged or placed looks back.
CREATE TABLE tariffs (
    id uuid PRIMARY KEY,
    workspace_id uuid REFERENCES workspaces,      -- null: the platform's price list
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound', 'sip', 'browser', 'stream')),  -- sip, browser: legs to devices
    prefix text NOT NULL CHECK (prefix ~ '^[0-9]{0,15}$'),  -- leading digits of the far number, without '+'; '' is every number
    destination text NOT NULL,
    per_minute_minor bigint NOT NULL CHECK (per_minute_minor >= 0),  -- VAT included
    effective_from timestamptz NOT NULL,
    effective_until timestamptz CHECK (effective_until > effective_from),
    UNIQUE NULLS NOT DISTINCT (workspace_id, direction, prefix, effective_from)
);
INSERT INTO tariffs (id, direction, prefix, destination, per_minute_minor, effective_from) VALUES
    ('01900000-0000-7000-8000-000000000001', 'outbound', '254', 'Kenya', 300, '2020-01-01 00:00+03'),
    ('01900000-0000-7000-8000-000000000002', 'inbound', '', 'Any caller', 0, '2020-01-01 00:00+03');

CREATE TABLE list_prices (
    item text NOT NULL CHECK (item IN ('number_monthly_minor', 'recording_free_gb')),
    value bigint NOT NULL CHECK (value >= 0),
    effective_from timestamptz NOT NULL,
    PRIMARY KEY (item, effective_from)
);
INSERT INTO list_prices VALUES
    ('number_monthly_minor', 10000, '2020-01-01 00:00+03'),  -- VAT comes on top
    ('recording_free_gb', 5, '2020-01-01 00:00+03');

CREATE TABLE taxes (
    name text NOT NULL CHECK (name = 'VAT'),
    basis_points int NOT NULL CHECK (basis_points BETWEEN 0 AND 10000),
    effective_from timestamptz NOT NULL,
    PRIMARY KEY (name, effective_from)
);
INSERT INTO taxes VALUES ('VAT', 1600, '2020-01-01 00:00+03');
