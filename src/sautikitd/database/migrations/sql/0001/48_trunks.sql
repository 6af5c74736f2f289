-- Trunks: where live calls leave and arrive. Kept by the operator, used by every voice node.
CREATE TABLE trunks (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    mode mode NOT NULL DEFAULT 'live',
    -- where
    host text NOT NULL,
    port int NOT NULL CHECK (port BETWEEN 1 AND 65535),
    srv boolean NOT NULL DEFAULT false,           -- looked up by SRV first (RFC 3263): no port was named
    transport text NOT NULL CHECK (transport IN ('udp', 'tcp', 'tls')),
    proxy_host text,                              -- outbound proxy: requests go there, and still name `host`
    proxy_port int CHECK (proxy_port BETWEEN 1 AND 65535),
    tls_ca text,                                  -- PEM of those who may vouch for it; null: those the system trusts
    tls_name text,                                -- name its certificate proves, where that is not the host
    media_encryption text NOT NULL DEFAULT 'none' CHECK (media_encryption IN ('none', 'optional', 'sdes')),
    codecs text[] NOT NULL DEFAULT '{PCMA,PCMU}',
    -- as whom
    username text,
    password_encrypted bytea,
    register boolean NOT NULL DEFAULT false,
    registrar_id uuid,                            -- the voice node that keeps it registered, and for how long it may
    registrar_until timestamptz,
    ping boolean NOT NULL DEFAULT true,           -- asked by OPTIONS how it is; not all carriers answer that
    from_user text,                               -- fixed user of From; the caller then stands in P-Asserted-Identity alone
    from_domain text,
    source_cidrs cidr[] NOT NULL DEFAULT '{}',    -- further addresses its inbound calls may come from
    -- which calls
    priority int NOT NULL DEFAULT 10 CHECK (priority BETWEEN 0 AND 1000),
    weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    prefixes text[] NOT NULL DEFAULT '{}',        -- of E.164 digits; empty: all
    max_channels int CHECK (max_channels > 0),    -- live calls at once, both ways, over all nodes
    max_cps double precision CHECK (max_cps > 0), -- calls a second out, over all nodes
    tokens double precision NOT NULL DEFAULT 1,   -- of max_cps, as of tokens_at; null there: as many as may be
    tokens_at timestamptz,
    -- how it writes numbers
    called_form text NOT NULL DEFAULT 'plus' CHECK (called_form IN ('plus', 'digits', 'national')),
    called_prefix text NOT NULL DEFAULT '',
    caller_form text NOT NULL DEFAULT 'plus' CHECK (caller_form IN ('plus', 'digits', 'national')),
    inbound_number text NOT NULL DEFAULT 'request_uri' CHECK (inbound_number IN ('request_uri', 'to', 'p_called_party_id')),
    -- how it is
    enabled boolean NOT NULL DEFAULT true,
    state text NOT NULL DEFAULT 'unknown',        -- as a voice node last saw it: by registration, OPTIONS and calls
    state_detail text NOT NULL DEFAULT '',
    state_at timestamptz,
    removed_at timestamptz,                       -- calls still name it, so it stays
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((proxy_host IS NULL) = (proxy_port IS NULL))
);
