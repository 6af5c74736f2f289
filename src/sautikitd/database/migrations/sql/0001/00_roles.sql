-- The application's role. Where a database of the operator's own is used and the role is missing, it is made here without login:
-- the application then connects as the owner with `role=sautikit_app`.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sautikit_app') THEN
        CREATE ROLE sautikit_app NOLOGIN;
        EXECUTE format('GRANT sautikit_app TO %I', current_user);
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO sautikit_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sautikit_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO sautikit_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO sautikit_app;

CREATE DOMAIN mode AS text CHECK (VALUE IN ('live', 'test'));
