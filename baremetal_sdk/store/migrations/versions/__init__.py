"""One module per migration. The order is also in ``baremetal_sdk.store.schema.REVISIONS``."""
