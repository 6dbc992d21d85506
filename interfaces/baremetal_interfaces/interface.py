"""What all kinds of interface have in common."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from baremetal_interfaces.errors import NotSupported
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.state import DriverState
from baremetal_interfaces.steps import Phase, Step, Wait, declared_steps
from baremetal_interfaces.values import Kind
from baremetal_interfaces.version import ContractVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from baremetal_interfaces.connector import Connector
    from baremetal_interfaces.task import Task


class Interface(ABC):
    """The base of every interface.

    An instance is made once for each conductor and serves all nodes and threads at the same time: it keeps nothing
    about a node on ``self``. What belongs to a node is in ``task.state``.
    """

    kind: ClassVar[Kind]
    """Set by the thirteen abstract classes."""

    contract_version: ClassVar[ContractVersion | None] = None
    """The version of the contract that it was written for. None stands for the one that is installed."""

    info_type: ClassVar[type[DriverInfo] | None] = None
    """What it reads from ``driver_info``."""

    state_type: ClassVar[type[DriverState] | None] = None
    """What it keeps about a node."""

    options_type: ClassVar[type | None] = None
    """A frozen dataclass of the plugin's own options, with defaults; the runtime maps it to a configuration section."""

    connector: ClassVar[type[Connector[Any]] | None] = None
    """How it reaches the BMC."""

    attaches_to: ClassVar[tuple[str, ...]] = ()
    """Hardware types that it adds itself to, after the implementations that they list themselves."""

    steps: ClassVar[tuple[Step, ...]] = ()
    """The declared steps; filled from the methods under :func:`~baremetal_interfaces.steps.step`."""

    def __init__(self, options: Any = None) -> None:
        self.options = options if options is not None else (self.options_type() if self.options_type else None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.steps = declared_steps(cls)

    def validate(self, task: Task) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` with everything that is missing or wrong.

        It looks at what the node says and asks nobody: it runs while a client waits. The declared ``driver_info`` has
        been checked before it is called.
        """

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See how a step that returned ``Wait(poll_after=...)`` is getting on: ``None`` when it is done, else wait again.

        *state* is what the step, or the poll before, put into its ``Wait``.
        """
        raise NotSupported(f"{type(self).__name__} has no step that is polled")

    def steps_of(self, phase: Phase) -> tuple[Step, ...]:
        """The steps of one phase."""
        return tuple(one for one in self.steps if one.phase is phase)
