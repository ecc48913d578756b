-- Least rights: the program uses the tables and cannot change what they are; what is written for
-- good (ledger, seals, audit trail, heads told outside) it can only add to.
--
-- Run it as the owner of the tables, after every `channelsync db upgrade`:
--   psql --set app=channelsync_app --file rights.sql DATABASE
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"app";
GRANT USAGE ON SCHEMA public TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"app";
REVOKE UPDATE, DELETE ON movements, seals, audit, anchors FROM :"app";
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM :"app";
