-- Everything that happened, written in the transaction of the change itself. `flow.*` kinds are a call's own story and are not delivered.
-- No foreign key, as in the audit log: eight rows a call would each look up and lock their workspace.
CREATE TABLE events (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    mode mode NOT NULL,
    kind text NOT NULL,
    call_id uuid,
    number_id uuid,
    sequence int,                                 -- of the public events of one call, from 1
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX events_workspace ON events (workspace_id, mode, id DESC) WHERE kind NOT LIKE 'flow.%';
CREATE INDEX events_call ON events (call_id, id) WHERE call_id IS NOT NULL;
CREATE UNIQUE INDEX events_call_sequence ON events (call_id, sequence) WHERE sequence IS NOT NULL;
