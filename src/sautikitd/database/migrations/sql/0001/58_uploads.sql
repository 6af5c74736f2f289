-- Sound files that customers upload once and play by `sautikit://uploads/audio/ID`. They never change.
CREATE TABLE audio_uploads (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    mode mode NOT NULL,
    name text NOT NULL,
    format text NOT NULL CHECK (format IN ('wav', 'mp3', 'ogg')),
    size_bytes bigint NOT NULL,
    duration_ms int NOT NULL,
    sha256 text NOT NULL,
    object_key text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    purge_after timestamptz                       -- its object is to be removed from the store; null: nothing to remove
);
CREATE INDEX audio_uploads_list ON audio_uploads (workspace_id, mode, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX audio_uploads_purge ON audio_uploads (purge_after) WHERE purge_after IS NOT NULL;
