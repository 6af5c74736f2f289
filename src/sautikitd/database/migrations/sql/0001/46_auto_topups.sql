-- Top-ups offered of themselves, for workspaces that asked for it: a prompt on a saved phone whenever the balance is low.
CREATE TABLE auto_topups (
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    phone_e164 text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0 AND amount_minor % 100 = 0),
    below_minor bigint NOT NULL CHECK (below_minor > 0),
    updated_at timestamptz NOT NULL,
    last_topup_id uuid REFERENCES topups,         -- the newest offer
    asked_on date,                                -- the day (Nairobi) of that offer,
    asked_count int NOT NULL DEFAULT 0,           -- and how many there were on it
    next_offer_at timestamptz NOT NULL DEFAULT '-infinity',  -- after a refusal: not before
    PRIMARY KEY (workspace_id, mode),
    FOREIGN KEY (workspace_id, mode) REFERENCES wallets
);
