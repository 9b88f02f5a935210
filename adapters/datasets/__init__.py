"""Training data: from curated replies or files of others to immutable versions, and to the rows that training reads."""
