"""Documents to chunks to vectors to passages."""
