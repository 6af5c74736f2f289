-- What a controlled call (`control: "mcp"`) tells its controller, in order from 1: turns that he is to answer, and
-- what became of those that he did not. The end of the call is not a row: it is read off the call itself.
CREATE TABLE control_events (
    call_id uuid NOT NULL REFERENCES calls,
    sequence int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('turn', 'timeout', 'fallback')),
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    respond_before timestamptz,                   -- of a turn
    closed_at timestamptz,                        -- of a turn: answered, given up, or overtaken by a new flow
    answered boolean NOT NULL DEFAULT false,
    response jsonb,                               -- the actions that answered it
    PRIMARY KEY (call_id, sequence)
);
CREATE INDEX control_events_open ON control_events (call_id) WHERE kind = 'turn' AND closed_at IS NULL;
