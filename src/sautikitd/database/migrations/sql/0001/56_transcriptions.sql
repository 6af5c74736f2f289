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
    callback_due_at timestamptz,                  -- null: nothing to send; where the outbox tells of it, always
    callback_attempts int NOT NULL DEFAULT 0,
    CHECK (status <> 'failed' OR error IS NOT NULL),
    CHECK ((status = 'pending') = (completed_at IS NULL))
);
CREATE INDEX transcriptions_due ON transcriptions (due_at) WHERE status = 'pending';
CREATE INDEX transcriptions_callback ON transcriptions (callback_due_at) WHERE callback_due_at IS NOT NULL;

-- What was said goes with its recording, out of the events as well.
CREATE FUNCTION erase_transcription() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE transcriptions SET text = NULL WHERE recording_id = NEW.id AND text IS NOT NULL;
    IF FOUND THEN
        UPDATE events SET data = data - 'text'
        WHERE call_id = NEW.call_id AND kind = 'recording.transcribed' AND data ->> 'recording_id' = NEW.id::text;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER recording_gone AFTER UPDATE OF status ON recordings FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status IN ('deleted', 'expired'))
    EXECUTE FUNCTION erase_transcription();
