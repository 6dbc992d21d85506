"""One module per migration. ``baremetal_sdk.store.sql.schema.REVISIONS`` repeats their order."""
