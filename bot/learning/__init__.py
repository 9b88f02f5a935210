"""From votes to what is trained: `curation` first; `router` is how the router learns."""
