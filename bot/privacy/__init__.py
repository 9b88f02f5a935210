"""Personal data and secrets, found and replaced before anything is kept for training: begin with `redaction`."""
