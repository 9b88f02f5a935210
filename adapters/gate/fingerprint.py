"""What tells an adapter's files from any others."""

import hashlib

from adapters.registry import NONE, AdapterRegistry
from bot.errors import AdapterUnusable

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def fingerprint(registry: AdapterRegistry, label: str) -> str:
    """
    A hash of the files of the adapter called *label*, read anew: what was measured before they changed counts no more.

    Raises: AdapterNotFound; AdapterUnusable if they are missing, torn or made for another base model.
    """
    from safetensors import SafetensorError, safe_open

    if label == NONE:
        return NONE
    folder = registry.get(label).folder
    try:
        with safe_open(folder / WEIGHTS, framework="np"):
            content = (folder / CONFIG).read_bytes() + (folder / WEIGHTS).read_bytes()
    except (OSError, SafetensorError) as exc:
        raise AdapterUnusable(label, f"its files in {folder} are missing or torn ({exc})") from exc
    return hashlib.sha256(content).hexdigest()
