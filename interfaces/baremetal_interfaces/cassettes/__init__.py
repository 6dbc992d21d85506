"""What a BMC said, recorded without what identifies it, and replayed as a test: for plugins that speak HTTP."""

from baremetal_interfaces.cassettes.cassette import Cassette, Exchange
from baremetal_interfaces.cassettes.recorder import Recorder
from baremetal_interfaces.cassettes.redaction import Redaction
from baremetal_interfaces.cassettes.replay import Replay

__all__ = ["Cassette", "Exchange", "Recorder", "Redaction", "Replay"]
