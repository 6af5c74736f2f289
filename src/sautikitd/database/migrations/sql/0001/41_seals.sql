-- Tamper evidence: batches of the ledger, sealed some minutes after they were written. Whoever rewrites a transaction with every
-- balance after it must rewrite all seals from there on too, and the newest hash that `sautikitd ledger audit` showed before tells.
CREATE TABLE ledger_seals (
    sequence bigint PRIMARY KEY CHECK (sequence > 0),  -- 1, 2, 3, … without a gap
    first_transaction uuid NOT NULL,              -- the batch is all transactions between the two, in the order of their ids
    last_transaction uuid NOT NULL UNIQUE,
    transaction_count int NOT NULL CHECK (transaction_count > 0),
    entry_count int NOT NULL CHECK (entry_count > 0),
    digests bytea NOT NULL,                       -- SHA-256 of each transaction with its entries, one after another
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),  -- over all of the above and the hash of the seal before
    sealed_at timestamptz NOT NULL,
    CHECK (octet_length(digests) = 32 * transaction_count),
    CHECK (first_transaction <= last_transaction)
);
REVOKE UPDATE, DELETE, TRUNCATE ON ledger_seals FROM sautikit_app;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();
