-- Where calls hear each other: conferences, and the bridges of two, of whom one was taken from a queue, or who were put
-- together over two nodes. The voice node that a room is at home on mixes it; legs of other nodes and media processes join
-- over an internal link. The node's lease covers its rooms.
CREATE TYPE room_status AS ENUM ('waiting', 'live', 'ended');

CREATE TABLE rooms (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    kind text NOT NULL CHECK (kind IN ('conference', 'bridge')),
    name text NOT NULL DEFAULT '',
    node_id uuid NOT NULL REFERENCES voice_nodes,
    owner_call_id uuid NOT NULL REFERENCES calls, -- whose recordings the room's are
    status room_status NOT NULL DEFAULT 'waiting',
    max_seats int NOT NULL,
    status_url text,
    status_events text[] NOT NULL DEFAULT '{}',   -- kinds of events for status_url
    recording_status_url text,                    -- told of its recordings, in Twilio's words
    status_form text CHECK (status_form IN ('twilio')), -- in whose words they are told; null: ours
    event_sequence int NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,            -- goes up with every change of the room or a seat in it
    recorded boolean NOT NULL DEFAULT false,      -- whether it is to be recorded while it is live
    recording_id uuid,                            -- the newest; its row follows
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CHECK ((status = 'ended') = (ended_at IS NOT NULL)),
    CHECK (kind = 'bridge' OR name <> '')
);
CREATE UNIQUE INDEX rooms_live_name ON rooms (workspace_id, mode, name) WHERE kind = 'conference' AND ended_at IS NULL;
CREATE INDEX rooms_workspace ON rooms (workspace_id, mode, id DESC) WHERE kind = 'conference';
CREATE INDEX rooms_node ON rooms (node_id) WHERE ended_at IS NULL;

CREATE TABLE room_seats (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms,
    call_id uuid NOT NULL REFERENCES calls,
    node_id uuid NOT NULL REFERENCES voice_nodes, -- of the call
    muted boolean NOT NULL DEFAULT false,
    held boolean NOT NULL DEFAULT false,
    hold_url text,
    coached_call_id uuid,                         -- heard by this call alone
    starts boolean NOT NULL DEFAULT true,
    ends boolean NOT NULL DEFAULT false,
    beep text NOT NULL DEFAULT 'none' CHECK (beep IN ('none', 'enter', 'exit', 'both')),
    link jsonb NOT NULL DEFAULT '{}',             -- both ends' media addresses of a leg that is elsewhere: {"guest": …, "home": …}
    seated_at timestamptz,                        -- its sound is connected
    joined_at timestamptz NOT NULL,
    left_at timestamptz,
    leave_reason text,
    CHECK ((left_at IS NULL) = (leave_reason IS NULL))
);
CREATE UNIQUE INDEX room_seats_taken ON room_seats (room_id, call_id) WHERE left_at IS NULL;
CREATE INDEX room_seats_room ON room_seats (room_id, id);
CREATE INDEX room_seats_node ON room_seats (node_id) WHERE left_at IS NULL;
CREATE INDEX room_seats_call ON room_seats (call_id) WHERE left_at IS NULL;

-- Voice nodes look at versions ten times a second, and read only rooms whose version they do not know.
CREATE FUNCTION count_room_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER room_version BEFORE UPDATE ON rooms FOR EACH ROW EXECUTE FUNCTION count_room_change();
CREATE FUNCTION count_seat_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE rooms SET version = version + 1 WHERE id = NEW.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER seat_version AFTER INSERT OR UPDATE ON room_seats FOR EACH ROW EXECUTE FUNCTION count_seat_change();

-- What is said to a whole room, by order of the API; carried out by the room's node.
CREATE TABLE room_commands (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms,
    kind text NOT NULL CHECK (kind IN ('announce', 'hush')),
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    done_at timestamptz,
    outcome text
);
CREATE INDEX room_commands_waiting ON room_commands (room_id) WHERE done_at IS NULL;

-- Queues of callers, by name; made when the first caller enters.
CREATE TABLE caller_queues (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, mode, name)
);

CREATE TYPE queue_member_status AS ENUM ('waiting', 'taken', 'left');

CREATE TABLE queue_members (
    id uuid PRIMARY KEY,                          -- time-ordered: the order of the queue
    queue_id uuid NOT NULL REFERENCES caller_queues,
    call_id uuid NOT NULL REFERENCES calls,
    node_id uuid NOT NULL REFERENCES voice_nodes, -- of the call
    status queue_member_status NOT NULL DEFAULT 'waiting',
    seat_id uuid REFERENCES room_seats,           -- where he meets who took him
    taken_by_call_id uuid,
    taken_at timestamptz,
    entered_at timestamptz NOT NULL,
    left_at timestamptz,
    result text,
    CHECK ((status = 'left') = (left_at IS NOT NULL)),
    CHECK ((left_at IS NULL) = (result IS NULL)),
    CHECK (status <> 'taken' OR seat_id IS NOT NULL)
);
CREATE INDEX queue_members_waiting ON queue_members (queue_id, id) WHERE status = 'waiting';
CREATE INDEX queue_members_present ON queue_members (queue_id, id) WHERE left_at IS NULL;
CREATE INDEX queue_members_node ON queue_members (node_id) WHERE left_at IS NULL;
CREATE INDEX queue_members_call ON queue_members (call_id) WHERE left_at IS NULL;
CREATE INDEX queue_members_left ON queue_members (queue_id, left_at) WHERE left_at IS NOT NULL;
