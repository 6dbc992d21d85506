"""One module per migration. The order is also in ``baremetal_sdk.store.sql.schema.REVISIONS``."""
