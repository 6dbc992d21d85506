"""The version of the contract, and the rule for compatibility."""

ContractVersion = tuple[int, int]
"""Major and minor number of a contract version."""

CONTRACT_VERSION: ContractVersion = (1, 4)
"""The contract version of this distribution.

A plugin works with each runtime whose contract has the same major number and an equal or greater minor number. A new method
with a default raises the minor number; a new abstract method raises the major number.
"""


def is_compatible(written_for: ContractVersion, offered: ContractVersion = CONTRACT_VERSION) -> bool:
    """Return whether a plugin for one version of the contract works with another version.

    *written_for* is the ``contract_version`` that the plugin declares; *offered* is the installed version.
    """
    return written_for[0] == offered[0] and written_for[1] <= offered[1]
