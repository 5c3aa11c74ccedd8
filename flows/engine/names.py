"""Names of keys that Bytewax's routing spreads evenly over 1 to 16 workers.

Bytewax routes a key to worker SipHash-1-3(name + 0xff, key 0) modulo the number of workers, and offers no say in it.
The names can be chosen, though: name i hashes to i modulo 720720, the least common multiple of 1 to 16, so that key i
goes to worker i modulo W for every W up to 16. The suffixes that do this were found by trying 24-bit numbers in order.
"""

from typing import Final

_SUFFIXES: Final = """
    03cc95 054cac 054284 052f47 0d69f7 075f76 0aae14 045c15 24257a 01ced9 01d7b6 1206d9 3863eb 093d31 01bf10 0f36c6
    0f3bd6 1c0a55 0c0d0f 236cac 11a613 02ca99 090c9d 051c9a 0a274c 16b981 068638 01888c 0ed0ea 0748ec 02c9a4 02b5ca
    00ef78 1962a1 0247b9 05ca0f 16bb8d 01a5e8 0b3bf2 2f8bd3 0b9f8d 02bffb 02710a 28c8ad 2e9695 029ae7 0f55af 0b9634
    16de82 20d19e 006781 048929 005316 00c4a8 09a92a 1d4da6 051a79 0ead95 034b84 0de58d 1f4feb 0425fb 1a7deb 19a2c0
    0447c4 0983de 005da5 0e7c62 054c2d 0305d7 10867c 02d134 005fba 040efb 063bde 2dec19 0441a4 160595 093b80 04f0e2
    0810b7 06e2a2 1228e3 05ad06 10f7f7 151f35 033258 19a837 009463 169150 02ce39 00f1be 059277 05e2b2 05ef7a 003221
    05911e 041572 29c538 1911c9 0f63f6 0a3e24 27c75c 09c39d 009a91 03c4dd 04981e 023c64 00d5be 14d16f 072bb5 0bb43c
    154a8f 0b6de6 055c84 0a1152 1247e8 01e807 253949 031967 034888 067188 189c4e 1ee8fd 02fc49 047bc0 1488aa 011a2b
""".split()  # noqa: SIM905

BALANCED: Final = len(_SUFFIXES)
"""Keys from this index on have plain names, which land on workers at random."""


def key_name(index: int) -> str:
    """The name of key group, or cohort, number index >= 0.  Part of saved state: a name never changes."""
    return f"{index:03d}.{_SUFFIXES[index]}" if index < BALANCED else f"{index:03d}"
