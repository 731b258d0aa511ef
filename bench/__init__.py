"""How fast, how small, how steady: the bridge beside its peers, in one run.

    load ──binary events──▶ bridge or peer ──Seldon REST──▶ stub_model
      ◀──────replies──────┘ (a core of its own)

`python -m bench` prints the table, and ends with status 1 where a promise is not kept.
"""
