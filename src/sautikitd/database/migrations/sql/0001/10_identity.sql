CREATE TABLE workspaces (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL UNIQUE,
    country text NOT NULL DEFAULT 'KE',
    currency text NOT NULL DEFAULT 'KES',
    mpesa_account_ref text NOT NULL UNIQUE,       -- 8 digits, the last one a Damm check digit
    suspended_at timestamptz,
    suspension_reason text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE mpesa_account_numbers START 1000001;

-- How far a workspace has moved the clock of its test mode ahead of the real one (contract §9). It only goes forward.
CREATE TABLE test_clocks (
    workspace_id uuid PRIMARY KEY REFERENCES workspaces,
    ahead_seconds bigint NOT NULL DEFAULT 0 CHECK (ahead_seconds BETWEEN 0 AND 157852800)  -- five years
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,                          -- as typed; unique without case
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE members (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL UNIQUE,               -- HMAC-SHA256 of the key under the instance's pepper
    key_hint text NOT NULL,                       -- 'tsk_test_Ab…x9Zk': enough to recognise it, not to use it
    scopes text[] NOT NULL,
    number_ids uuid[],                            -- null: every number
    source_cidrs cidr[],                          -- null: from anywhere
    created_by uuid REFERENCES users,             -- null: by the operator
    rolled_to uuid REFERENCES api_keys,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_workspace ON api_keys (workspace_id, mode, id DESC);

CREATE TABLE signing_secrets (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    secret_encrypted bytea NOT NULL,
    valid_until timestamptz,                      -- null: the current one
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX signing_secrets_current ON signing_secrets (workspace_id, mode) WHERE valid_until IS NULL;
CREATE INDEX signing_secrets_workspace ON signing_secrets (workspace_id, mode, valid_until);

-- Workspaces are never deleted, and whoever writes here acts in one: a foreign key would prove nothing, and would
-- take a lock on the row of the workspace with every change in it.
CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    workspace_id uuid,
    mode text,
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'staff', 'system')),
    actor_id text NOT NULL,
    action text NOT NULL,
    target text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}',
    source_address text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_workspace ON audit_log (workspace_id, id DESC);
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM sautikit_app;
-- A function, so that it can be called with the commit: a planned statement would be a round trip more.
CREATE FUNCTION record_act(
    id uuid, workspace_id uuid, mode text, actor_kind text, actor_id text, action text, target text, detail text,
    source_address text, created_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit_log (id, workspace_id, mode, actor_kind, actor_id, action, target, detail, source_address, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10);
END $$;

-- Secrets of the installation itself, encrypted under the master keys: the canary that proves the keys are the right ones,
-- the pepper of key hashes, the key of the session-id permutation.
CREATE TABLE instance_secrets (
    name text PRIMARY KEY,
    value_encrypted bytea NOT NULL
);

CREATE TABLE idempotency_keys (                  -- no foreign key, as above
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,                   -- SHA-256 of method, path, query and body
    principal text NOT NULL,                      -- a stored secret is replayed to nobody else
    status smallint NOT NULL,
    answer_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, mode, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- Called with the commit, as is record_act.
CREATE FUNCTION store_idempotent_answer(
    of_workspace uuid, of_mode text, named text, fingerprint bytea, principal text, status int, answer_encrypted bytea,
    created_at timestamptz, expires_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO idempotency_keys AS kept
      (workspace_id, mode, key, fingerprint, principal, status, answer_encrypted, created_at, expires_at)
    VALUES ($1, $2::mode, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE SET
      fingerprint = excluded.fingerprint, principal = excluded.principal, status = excluded.status,
      answer_encrypted = excluded.answer_encrypted, created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE kept.expires_at <= excluded.created_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the idempotency key % is taken', named USING ERRCODE = 'SK001';
    END IF;
END $$;

-- Takes a key for the transaction, and finds what was answered under it. `taken` is false while another transaction has it.
-- One call instead of two, and yet two statements: each statement of a volatile function has a snapshot of its own, so the
-- second sees whatever a twin committed before it let go of the lock.
CREATE FUNCTION take_idempotency_key(
    place bigint, of_workspace uuid, of_mode mode, named text, at timestamptz,
    OUT taken boolean, OUT fingerprint bytea, OUT principal text, OUT answer_encrypted bytea
) LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    taken := pg_try_advisory_xact_lock(place);
    IF taken THEN
        SELECT k.fingerprint, k.principal, k.answer_encrypted INTO fingerprint, principal, answer_encrypted
        FROM idempotency_keys k
        WHERE k.workspace_id = of_workspace AND k.mode = of_mode AND k.key = named AND k.expires_at > at;
    END IF;
END $$;
