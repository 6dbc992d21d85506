"""The base class of all interfaces."""

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
    """Base class of the thirteen kinds of interface.

    A conductor creates one instance, and all nodes and threads share it. Therefore an instance stores nothing about a node on
    ``self``; the state of a node belongs in ``task.state``.
    """

    kind: ClassVar[Kind]
    """The kind of the interface; set by the abstract class of each kind."""

    contract_version: ClassVar[ContractVersion | None] = None
    """The version of the contract that the class was written for, as ``(major, minor)``; None: the installed version."""

    info_type: ClassVar[type[DriverInfo] | None] = None
    """The type of ``driver_info`` that the interface reads, or None."""

    state_type: ClassVar[type[DriverState] | None] = None
    """The type of the state that the interface keeps for each node, or None."""

    options_type: ClassVar[type | None] = None
    """A frozen dataclass of configuration options, all with defaults; the runtime maps it to a configuration section."""

    connector: ClassVar[type[Connector[Any]] | None] = None
    """The connector that opens the interface's sessions with the BMC, or None."""

    attaches_to: ClassVar[tuple[str, ...]] = ()
    """Hardware types of other plugins that also offer this interface, after the implementations that they list themselves."""

    steps: ClassVar[tuple[Step, ...]] = ()
    """The declared steps, collected from the methods with :func:`~baremetal_interfaces.steps.step`. Plugins do not set it."""

    def __init__(self, options: Any = None) -> None:
        self.options = options if options is not None else (self.options_type() if self.options_type else None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.steps = declared_steps(cls)

    def validate(self, task: Task) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` with all problems of the node's fields.

        A client waits for the result, so the method sends nothing to the BMC. The runtime checks the declared ``driver_info``
        before it calls this method.
        """

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Check the progress of *step*, which returned ``Wait(poll_after=...)``. Return None if it is done, else another Wait.

        *state* is the state of the ``Wait`` that the step or the previous poll returned.
        """
        raise NotSupported(f"{type(self).__name__} has no step that can be polled")

    def steps_of(self, phase: Phase) -> tuple[Step, ...]:
        """Return the declared steps of *phase*."""
        return tuple(step for step in self.steps if step.phase is phase)
