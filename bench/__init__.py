"""How fast, how small, how steady: the bridge beside its peers, in one run.

    over_http    load ──event──▶ bridge or peer ──Seldon REST──▶ stub_model
                   ◀───reply───┘ (a core of its own)
    over_kafka   load ──▶ topic ──▶ bridge or peer ──Seldon REST──▶ stub_model
                   ◀──── topic ◀──┘ (a core of its own)

`python -m bench` prints the tables, and ends with status 1 where a promise is not kept.
"""
