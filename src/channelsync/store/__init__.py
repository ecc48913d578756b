"""The database: tables, transactions, queries. SQLAlchemy Core on SQLite and PostgreSQL."""
