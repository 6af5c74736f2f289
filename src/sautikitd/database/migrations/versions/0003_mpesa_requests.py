"""What we ask of M-PESA by the initiator's right: reversals and questions for a status. Results come as callbacks."""

from alembic import op

revision = "0003"
down_revision = "0002"

_SQL = """
CREATE TABLE mpesa_requests (
    id uuid PRIMARY KEY,
    mode mode NOT NULL,
    kind text NOT NULL CHECK (kind IN ('reversal', 'status')),
    receipt text NOT NULL,
    amount_minor bigint,
    case_id uuid REFERENCES suspense_cases,       -- whose money a reversal sends back
    about uuid REFERENCES mpesa_requests,         -- the reversal that a status is asked for
    state text NOT NULL CHECK (state IN ('sending', 'waiting', 'done', 'refused')),
    note text NOT NULL DEFAULT '',
    conversation_id text,
    result_code text,
    told text NOT NULL DEFAULT '',                -- the TransactionStatus that was told
    told_amount_minor bigint,
    asked_at timestamptz NOT NULL,
    next_check_at timestamptz,
    completed_at timestamptz,
    CHECK ((kind = 'reversal') = (case_id IS NOT NULL AND amount_minor IS NOT NULL))
);
CREATE UNIQUE INDEX mpesa_requests_one_reversal ON mpesa_requests (mode, receipt)
    WHERE kind = 'reversal' AND state <> 'refused';
CREATE INDEX mpesa_requests_check ON mpesa_requests (next_check_at) WHERE kind = 'reversal' AND state IN ('sending', 'waiting');
INSERT INTO topup_transitions VALUES
    ('request', 'sending', 'waiting'), ('request', 'sending', 'done'), ('request', 'sending', 'refused'),
    ('request', 'waiting', 'done'), ('request', 'waiting', 'refused'), ('request', 'refused', 'done');
CREATE FUNCTION check_mpesa_request_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM check_transition('request', OLD.state, NEW.state);
    RETURN NEW;
END $$;
CREATE TRIGGER transitions BEFORE UPDATE ON mpesa_requests FOR EACH ROW EXECUTE FUNCTION check_mpesa_request_change();
REVOKE DELETE, TRUNCATE ON mpesa_requests FROM sautikit_app;
GRANT SELECT, INSERT, UPDATE ON mpesa_requests TO sautikit_app;
ALTER TABLE mpesa_inbox ADD COLUMN request_id uuid REFERENCES mpesa_requests;
ALTER TABLE mpesa_inbox DROP CONSTRAINT mpesa_inbox_kind_check;
ALTER TABLE mpesa_inbox ADD CONSTRAINT mpesa_inbox_kind_check CHECK (kind IN ('stk', 'c2b', 'result'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_SQL)
