"""How often the interpreter looks for garbage in cycles: while it looks at everything, all threads stand still."""

from __future__ import annotations

import gc

_YOUNG, _OLDER, _OLDEST = 10_000, 20, 20


def look_for_cycles_seldom() -> None:
    """Call it when the service is ready: what was made until now is not looked at any more.

    What a request or a read of a BMC makes is gone by the time of the next look. With the interpreter's own limits much of it
    is still in use then, is taken for something that stays, and soon everything is looked at: with 10,000 BMCs that takes
    0.3 s, every few seconds.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
    gc.freeze()
