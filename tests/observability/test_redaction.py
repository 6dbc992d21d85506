"""Log lines that are written during driver calls, by the service and by device libraries, contain no secret."""

from __future__ import annotations

import io
import logging

from testtools import TestCase

from baremetal_sdk.observability.redaction import RedactingFilter, redact

SIGNED = "http://images.example.org/x.iso?sig=SIGNATURE9&v=1"


class RedactingFilterTest(TestCase):
    """The filter of a handler."""

    def log(self, name: str, text: str, *args: object) -> str:
        """Log *text* with the logger *name* and return the line."""
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.addFilter(RedactingFilter())
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        logger.error(text, *args)
        logger.removeHandler(handler)
        return stream.getvalue()

    def test_library_logs_no_query_of_a_url(self) -> None:
        """The query of a URL is masked whole in messages of libraries, because a signature can have any name."""
        for text in (
            f"PATCH {{'Image': '{SIGNED}'}}",
            f"GET {SIGNED}",
            "GET /x.iso?sig=SIGNATURE9",
            "got http://u:SIGNATURE9@h/",
        ):
            self.assertNotIn("SIGNATURE9", self.log("sushy.connector", "%s", text))

    def test_service_logs_no_signature(self) -> None:
        """In messages of the service within a driver call, signatures and passwords in URLs are masked."""
        with redact(["other-secret"]):
            self.assertNotIn("SIGNATURE9", self.log("baremetal_sdk.node", "cannot insert %s", SIGNED))

    def test_secret_that_becomes_known_within_the_block_is_masked(self) -> None:
        """The values of a block can be a function, so secrets that are unsealed during the block are masked."""
        known: list[str] = []
        with redact(lambda: known):
            known.append("S3CRET-late")
            self.assertEqual("it is ******\n", self.log("baremetal_sdk.node", "it is %s", "S3CRET-late"))

    def test_question_is_no_query(self) -> None:
        """Text after an ordinary question mark stays."""
        self.assertEqual("really? yes\n", self.log("sushy", "really? yes"))
