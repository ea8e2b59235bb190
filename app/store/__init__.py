"""The database: tables, migrations, repositories and units of work. Rows never leave this package."""
