"""Archives: checkpoints of a run copied to an object store, so that a host with an empty disk goes on from there.

Below the URL of an archive:

- `archive.json`, the head: who writes it, and which checkpoints it has. It is replaced only by whoever read it last, so
  that of two writers one is refused.
- `checkpoints/<number>.json`: the manifest of one, as a savepoint has it, and in which pieces its files lie.
- `packs/<generation>-<number>`: bytes of many files. A segment of saved state only grows, so what it has grown by is a
  piece in the pack of that checkpoint.

A checkpoint is written from the bottom up, and is there when the head names it.
"""
