#!/usr/bin/env python3
"""Counts words."""

import os
from collections import Counter

MOST = 8


# What is counted.
@dataclass(frozen=True)
class Word:
    """A word."""

    text: str
    count: int = 0

    # How long.
    @property
    def length(self):
        return len(self.text)

    class Meta:
        def inner(self): pass


class Empty: pass


def count(words):
    def inner():
        pass
    return Counter(words)  # done


async def later():
    pass


if __name__ == "__main__":
    count(os.environ)
