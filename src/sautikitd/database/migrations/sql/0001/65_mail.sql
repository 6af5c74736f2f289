-- Mail to send, written in the transaction of the change it tells of; the worker sends it afterwards.
CREATE TABLE mails (
    id uuid PRIMARY KEY,                          -- also its Message-ID: a mail sent twice is shown once
    workspace_id uuid REFERENCES workspaces,
    recipient text NOT NULL,
    subject text NOT NULL,
    html text NOT NULL,
    plain text NOT NULL,
    unsubscribe_url text,                         -- of List-Unsubscribe, for one click (RFC 8058)
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    sent_at timestamptz,
    failed_at timestamptz,                        -- given up
    error text                                    -- of the last attempt
);
CREATE INDEX mails_due ON mails (due_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX mails_age ON mails (created_at);

-- Who besides the owners is told of a low balance (contract §7). Nobody is written to before he has agreed by the link.
CREATE TABLE alert_subscribers (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    email text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed')),
    confirm_until timestamptz NOT NULL,           -- pending ones lapse then
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX alert_subscribers_email ON alert_subscribers (workspace_id, mode, lower(email));
