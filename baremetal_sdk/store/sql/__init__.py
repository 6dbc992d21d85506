"""The store in an SQL database: SQLite, PostgreSQL or MariaDB."""
