CREATE TYPE transcription_status AS ENUM ('pending', 'completed', 'failed');

-- Asked for when its recording begins, in the same transaction; due once the recording is in the store.
CREATE TABLE transcriptions (
    recording_id uuid PRIMARY KEY REFERENCES recordings,
    status transcription_status NOT NULL DEFAULT 'pending',
    wanted_language text,                         -- null: the engine finds out
    callback_url text,
    text text,
    language text,                                -- what the engine heard
    engine text,
    error text,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,                  -- while an attempt runs: when it is taken for dead
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    CHECK (status <> 'failed' OR error IS NOT NULL),
    CHECK ((status = 'pending') = (completed_at IS NULL))
);
CREATE INDEX transcriptions_due ON transcriptions (due_at) WHERE status = 'pending';

-- What was said goes with its recording.
CREATE FUNCTION erase_transcription() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE transcriptions SET text = NULL WHERE recording_id = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER recording_gone AFTER UPDATE OF status ON recordings FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status IN ('deleted', 'expired'))
    EXECUTE FUNCTION erase_transcription();
