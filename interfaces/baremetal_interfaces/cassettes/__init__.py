"""Cassettes: recorded HTTP traffic of a BMC, without identifying data, for replay in tests of plugins."""

from baremetal_interfaces.cassettes.cassette import Cassette, Exchange
from baremetal_interfaces.cassettes.recorder import Recorder
from baremetal_interfaces.cassettes.redaction import Redaction
from baremetal_interfaces.cassettes.replay import Replay

__all__ = ["Cassette", "Exchange", "Recorder", "Redaction", "Replay"]
