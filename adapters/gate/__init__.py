"""Whether a candidate may answer users: the probe, how answers are scored and compared, and the verdict."""
