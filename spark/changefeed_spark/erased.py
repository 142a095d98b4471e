"""The erased documents: they are not verified, not written, and no version of them is stored."""

import hashlib
import hmac
import json

from .names import key_text

ITEMS = ["erased"] + [f"erased-{digit}" for digit in "0123456789abcdef"]


class ErasedSet:
    """The erased documents, by the HMACs of their names."""

    def __init__(self, items=()):
        """`items`: those of `ITEMS` that the jobs container has."""
        by_id = {item["id"]: item for item in items}
        self.key = bytes.fromhex(by_id["erased"]["key"]) if "erased" in by_id else b""
        self.hashes = frozenset(
            digits for name, item in by_id.items() if name != "erased" for digits in item.get("hashes", ())
        )

    def contains(self, key, document_id):
        """Whether a document is erased. `key` is its partition key as `names.key` returns it."""
        if not self.hashes:
            return False
        text = f'["default",{key_text(key, in_ascii=False)},{json.dumps(document_id, ensure_ascii=False)}]'
        found = hmac.new(self.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()[:16]
        return found.hex() in self.hashes
