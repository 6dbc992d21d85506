"""Errors of the runtime. They extend the contract's errors. Their class names and HTTP codes are those of the API."""

from __future__ import annotations

from baremetal_interfaces import BareMetalError, Busy, Conflict, InvalidInput, NotFound, Problem


class NodeNotFound(NotFound):
    """No node has this name or UUID."""


class InstanceNotFound(NotFound):
    """No node is associated with this instance."""


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
    """The node has no inventory."""


class NodeHistoryNotFound(NotFound):
    """The node's history has no entry with this UUID."""


class MarkerNotFound(InvalidInput):
    """The marker of a page names no record. The HTTP status is 404, as in Ironic, although other invalid input has 400."""

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
    """Another node or record has this name or UUID, or the same value of another unique field."""


class InstanceAssociated(Conflict):
    """Another node is associated with this instance."""


class NodeAssociated(Conflict):
    """The node is associated with an instance."""


class MACAlreadyExists(Conflict):
    """Another port has this MAC address."""


class RevisionConflict(Conflict):
    """The record changed between the read and the write. Read it again and retry."""


class LeaseLost(Conflict):
    """The task no longer holds the lease of its node, so its write was rejected."""


class InvalidState(Conflict):
    """The node's current state does not allow the change."""


class InvalidStateRequested(InvalidInput):
    """The current provision state of the node does not allow the requested provisioning verb."""


class NodeInMaintenance(InvalidInput):
    """The operation is not allowed on a node in maintenance."""


class NodeProtected(BareMetalError):
    """The operation is not allowed on a protected node."""

    code = 403


class NoFreeWorker(Busy, RuntimeError):
    """The pool did not accept work: the lane is full, or the pool is closed. Also a ``RuntimeError``, as of other executors."""


class StoreUnavailable(BareMetalError):
    """The database cannot be used. Nothing was written, unless the connection broke during the commit.

    The message names the database, the cause and the remedy.
    """

    code = 503


class StoreFull(StoreUnavailable):
    """The disk of the database is full. Nothing was written. Reads work."""


class ConfigurationError(BareMetalError):
    """The configuration is invalid. The message names section and option."""


class PluginError(BareMetalError):
    """A plugin failed to load. The message names the plugin and the reason."""


class EventsGone(BareMetalError):
    """Events after the cursor of a client have expired. The client has to read all nodes again."""

    code = 410


class InternalError(BareMetalError):
    """An internal error of the service. The log has its cause, in the records with the ID of the request."""


class MessageTooLarge(BareMetalError):
    """A message between API and conductor exceeds the limit on its size or on its nesting depth."""

    code = 413


class InvalidArguments(InvalidInput):
    """An RPC method was called with wrong arguments. The method did not run."""


class UnknownRPCMethod(BareMetalError):
    """The conductor has no such RPC method. The message names the available ones."""

    code = 501


class UnsupportedRPCVersion(BareMetalError):
    """The conductor has an older or incompatible version of the RPC method, named in the message. The method did not run."""

    code = 501


class ConductorUnreachable(BareMetalError):
    """No conductor is reachable. The RPC method did not run."""

    code = 503


class OutcomeUnknown(BareMetalError):
    """The connection to the conductor broke during a call. The call may or may not have run."""

    code = 504


class ConductorSilent(OutcomeUnknown):
    """The conductor sends no heartbeat during a call: it died, is paused or is unreachable. The call may or may not have run."""


def wrong_agent_token_error() -> InvalidInput:
    """Return the error for a heartbeat with a wrong token, or for an unknown node: the sender must not learn which it is."""
    return InvalidInput([Problem("agent_token", "is not that of this node", "use the token that the lookup returned")])
