-- Secrets by which a device calls as a number and is rung: of softphones and PBXs until they are deleted, of tokens (browsers)
-- until `expires_at`.
CREATE TABLE sip_credentials (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    number_id uuid NOT NULL REFERENCES numbers,
    username text NOT NULL UNIQUE,
    label text NOT NULL DEFAULT '',
    identity text,                                -- a token's name for `dial`, where it was given one
    ha1_encrypted bytea NOT NULL,                 -- the digests of username, realm and password, MD5 and SHA-256
    expires_at timestamptz,                       -- null: not a token
    rotated_at timestamptz,
    registered_at timestamptz,                    -- the last time that a device registered with it
    guessed_at timestamptz,                       -- the last time that its workspace was told of guessing
    created_at timestamptz NOT NULL
);
CREATE INDEX sip_credentials_number ON sip_credentials (number_id, id DESC) WHERE expires_at IS NULL;
CREATE INDEX sip_credentials_identity ON sip_credentials (workspace_id, mode, identity) WHERE identity IS NOT NULL;
CREATE INDEX sip_credentials_expiry ON sip_credentials (expires_at) WHERE expires_at IS NOT NULL;

-- Where devices are: RFC 3261's bindings. One over a connection is good only while the node that holds it lives.
CREATE TABLE sip_bindings (
    id uuid PRIMARY KEY,
    credential_id uuid NOT NULL REFERENCES sip_credentials ON DELETE CASCADE,
    device text NOT NULL,                         -- what tells devices of one credential apart: instance and flow, else the Contact
    contact text NOT NULL,
    node_id uuid NOT NULL REFERENCES voice_nodes,
    transport text NOT NULL CHECK (transport IN ('udp', 'tcp', 'tls', 'ws', 'wss')),
    host text NOT NULL,                           -- where its REGISTER came from
    port int NOT NULL,
    user_agent text NOT NULL DEFAULT '',
    call_id text NOT NULL,                        -- of the REGISTER, with its CSeq: older ones are refused
    cseq bigint NOT NULL,
    registered_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (credential_id, device)
);
CREATE INDEX sip_bindings_connection ON sip_bindings (node_id, host, port);
CREATE INDEX sip_bindings_expiry ON sip_bindings (expires_at);

-- Hosts that a workspace may dial SIP addresses of, beside our own registrar (contract §12, Destinations). Set by staff.
CREATE TABLE sip_hosts (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    host text NOT NULL,                           -- lower case, without a port
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, mode, host)
);
