"""How long tests wait for what has to happen, however busy the machine is: a wait that ends early is no finding."""

PATIENCE = 60.0  # seconds
