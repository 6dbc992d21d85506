"""The errors of the runtime, on the tree of the contract. Names and codes are what clients of the Bare Metal API know."""

from __future__ import annotations

from baremetal_interfaces import BareMetalError, Busy, Conflict, InvalidInput, NotFound


class NodeNotFound(NotFound):
    """No node has this name or UUID."""


class InstanceNotFound(NotFound):
    """No node carries this instance."""


class PortNotFound(NotFound):
    """No port has this UUID or address."""


class ChassisNotFound(NotFound):
    """No chassis has this UUID."""


class PortgroupNotFound(NotFound):
    """No port group has this UUID, name or address."""


class VolumeConnectorNotFound(NotFound):
    """No volume connector has this UUID."""


class VolumeTargetNotFound(NotFound):
    """No volume target has this UUID."""


class BIOSSettingNotFound(NotFound):
    """The node has no such BIOS setting."""


class FirmwareComponentNotFound(NotFound):
    """The node has no such firmware component."""


class NodeInventoryNotFound(NotFound):
    """Nothing is known of what the node's machine is made of."""


class NodeHistoryNotFound(NotFound):
    """The history of the node has no such entry."""


class MarkerNotFound(InvalidInput):
    """A page cannot begin after a record that is not there. Clients know it as something that was not found."""

    code = 404


class AllocationNotFound(NotFound):
    """No allocation has this UUID or name."""


class DeployTemplateNotFound(NotFound):
    """No deploy template has this UUID or name."""


class RunbookNotFound(NotFound):
    """No runbook has this UUID or name."""


class InspectionRuleNotFound(NotFound):
    """No inspection rule has this UUID."""


class TokenNotFound(NotFound):
    """No token of the API has this UUID or name."""


class DriverNotFound(NotFound):
    """No conductor offers this hardware type."""


class ConductorNotFound(NotFound):
    """No conductor has this host name."""


class DuplicateName(Conflict):
    """Another node has this name, or this UUID."""


class InstanceAssociated(Conflict):
    """Another node carries this instance."""


class NodeAssociated(Conflict):
    """The node carries an instance."""


class MACAlreadyExists(Conflict):
    """Another port has this MAC address."""


class RevisionConflict(Conflict):
    """Somebody else changed the record since it was read."""


class LeaseLost(Conflict):
    """The lease under which this was to be written is no longer held: nothing was written."""


class InvalidState(Conflict):
    """The node cannot be changed in its present state."""


class InvalidStateRequested(InvalidInput):
    """The verb is not allowed in the present provision state."""


class NodeInMaintenance(InvalidInput):
    """The node is in maintenance, and this is not done to such nodes."""


class NodeProtected(BareMetalError):
    """The node is protected from this."""

    code = 403


class NoFreeWorker(Busy, RuntimeError):
    """The pool has no room for more work now. A ``RuntimeError``, too, as that is what executors raise."""


class StoreUnavailable(BareMetalError):
    """The database cannot be used now. The message says what the operator can do; nothing was written."""

    code = 503


class ConfigurationError(BareMetalError):
    """The configuration cannot be used; the message names the option."""


class PluginError(BareMetalError):
    """A plugin cannot be loaded; the message names it and the reason."""


class EventsGone(BareMetalError):
    """Events after a reader's cursor are not kept any more: what it knows has to be read again."""

    code = 410


class InternalError(BareMetalError):
    """Something that is nobody's input went wrong; the log of the service has it under the request's id."""


class MessageTooLarge(BareMetalError):
    """A message between API and conductor has more bytes, or is nested deeper, than such messages may be."""

    code = 413


class InvalidArguments(InvalidInput):
    """A method was called with other arguments than it takes. It was not run."""


class UnknownRPCMethod(BareMetalError):
    """The conductor has no such method; the message names those that it has."""

    code = 501


class UnsupportedRPCVersion(BareMetalError):
    """The conductor speaks an older version of a method, or another major one; the message says which. It was not run."""

    code = 501


class ConductorUnreachable(BareMetalError):
    """No conductor can be reached now. What was asked of it was not run."""

    code = 503


class OutcomeUnknown(BareMetalError):
    """The conductor was lost in the middle of a call: whether it was run, and how it ended, is not known."""

    code = 504


class ConductorSilent(OutcomeUnknown):
    """The conductor gives no sign of life while it should work on a call: it has died, stands still, or cannot be reached."""
