-- Somebody listens to a call, whispers to its agent, or joins it. One at a time for a call.
CREATE TABLE supervisions (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls,
    supervision_mode text NOT NULL CHECK (supervision_mode IN ('listen', 'whisper', 'barge')),
    announce text NOT NULL CHECK (announce IN ('none', 'agent', 'both')),
    notify_agent boolean NOT NULL,
    label text,
    supervisor_type text NOT NULL CHECK (supervisor_type IN ('phone', 'sip', 'client')),
    supervisor_address text NOT NULL,             -- a number, or the identity of a client or a SIP address
    state text NOT NULL DEFAULT 'connecting' CHECK (state IN ('connecting', 'ringing', 'connected', 'ended', 'failed')),
    leg_id uuid REFERENCES calls,                 -- the supervisor's own call
    reason text,                                  -- why it ended or failed
    created_at timestamptz NOT NULL,
    connected_at timestamptz,
    ended_at timestamptz,
    CHECK ((ended_at IS NOT NULL) = (state IN ('ended', 'failed')))
);
CREATE INDEX supervisions_call ON supervisions (call_id, id DESC);
CREATE UNIQUE INDEX supervisions_one_per_call ON supervisions (call_id) WHERE ended_at IS NULL;
