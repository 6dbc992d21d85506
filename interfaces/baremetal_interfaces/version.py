"""The version of the contract, and the rule that says which plugins fit it."""

ContractVersion = tuple[int, int]
"""Major and minor number of the contract."""

CONTRACT_VERSION: ContractVersion = (1, 2)
"""The contract that this distribution publishes.

A plugin works with every runtime whose contract has the same major number and an equal or greater minor number. A
method that is added comes with a default (new minor); an abstract method that is added is a new major.
"""


def is_compatible(written_for: ContractVersion, offered: ContractVersion = CONTRACT_VERSION) -> bool:
    """Tell whether a plugin written for one version of the contract works with another.

    *written_for* is what the plugin declares as ``contract_version``; *offered* is what is installed.
    """
    return written_for[0] == offered[0] and written_for[1] <= offered[1]
