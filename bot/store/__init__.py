"""
State in a SQL database: one module per aggregate, each implementing a port of `bot.ports`.

models.py      the tables; migrations/ brings an existing database to them
records.py     messages and replies as rows and back
engine.py      a URL becomes an engine with the settings that make SQLite durable
failures.py    the one place where a database error becomes a StoreError
schema.py      which version a database has, and how it gets to ours
database.py    open, read, write
backup.py      copy out, copy back
"""
