"""The log handler with a bounded queue, on real pipes that are read late or never."""

from __future__ import annotations

import logging
import os
import threading

from testtools import TestCase

from baremetal_sdk.logs import MAX_RECORD_BYTES
from baremetal_sdk.observability.log_handler import LogHandler

PATIENCE_S = 60.0


class TestLogHandler(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reader, writer = os.pipe()
        self.handler = LogHandler(writer, max_bytes=100_000, max_audit_bytes=100_000)
        self.handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.log = self.create_log("test")
        self.addCleanup(os.close, writer)
        self.is_read = False
        self.addCleanup(self.read)

    def create_log(self, name: str) -> logging.Logger:
        """Return a logger that only this handler hears."""
        log = logging.Logger(name)
        log.addHandler(self.handler)
        return log

    def read(self) -> list[str]:
        """Read everything that the handler has to write, and return the lines. The reader is then closed."""
        if self.is_read:
            return []
        self.is_read = True
        chunks: list[bytes] = []
        reading = threading.Thread(target=self._read_all, args=(chunks,))
        reading.start()
        self.assertTrue(self.handler.drain(PATIENCE_S))
        self.log.info("end of test")
        reading.join(PATIENCE_S)
        os.close(self.reader)
        return b"".join(chunks).decode().splitlines()

    def _read_all(self, chunks: list[bytes]) -> None:
        while not any(b"end of test" in chunk for chunk in chunks[-2:]):
            chunks.append(os.read(self.reader, 1 << 16))

    def test_a_stalled_reader_blocks_no_caller(self) -> None:
        """Records beyond the queue are dropped and counted, and the log tells their number when the reader returns."""
        for number in range(5000):
            self.log.info("record %d %s", number, "x" * 100)
        self.assertGreater(self.handler.dropped, 0)
        self.assertFalse(self.handler.drain(0.01))
        lines = self.read()
        numbers = [int(line.split()[2]) for line in lines if line.startswith("test record")]
        self.assertEqual(list(range(len(numbers))), numbers)
        (notice,) = [line for line in lines if "were dropped" in line]
        self.assertIn(f"{5000 - len(numbers)} log records were dropped (0 of them audit records)", notice)
        self.assertEqual({"audit": 0, "other": self.handler.dropped}, {kind[0]: n for _, kind, n in self.handler.readings()})

    def test_other_records_do_not_displace_audit_records(self) -> None:
        """Audit records have a queue of their own, and all records keep their order."""
        audit = self.create_log("baremetal_sdk.audit")
        for _ in range(5000):
            self.log.info("%s", "x" * 100)
        for number in range(10):
            audit.info("change %d", number)
        lines = [line for line in self.read() if line.startswith("baremetal_sdk.audit")]
        self.assertEqual([f"baremetal_sdk.audit change {number}" for number in range(10)], lines)

    def test_the_flush_at_the_exit_is_bounded(self) -> None:
        """``logging.shutdown()`` returns although nobody reads."""
        for _ in range(2000):
            self.log.info("%s", "x" * 100)
        ending = threading.Thread(target=self.handler.flush)
        ending.start()
        ending.join(PATIENCE_S)
        self.assertFalse(ending.is_alive())

    def test_lines_are_bounded_and_cannot_be_forged(self) -> None:
        """Records of any logger are cleaned, and no line is longer than the limit."""
        self.log.info("x\nforged %s", "\N{ELECTRIC PLUG}" * 100_000)
        (line,) = [line for line in self.read() if "forged" in line]
        self.assertTrue(line.startswith("test x\\nforged"))
        self.assertLessEqual(len(line.encode()), MAX_RECORD_BYTES)

    def test_an_output_that_fails_is_no_error_of_the_caller(self) -> None:
        """Records that cannot be written, for example to a full disk, are counted as dropped."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        handler = LogHandler(full)
        log = logging.Logger("full")
        log.addHandler(handler)
        log.info("lost")
        end = threading.Event()
        for _ in range(600):
            if handler.dropped:
                break
            end.wait(0.1)
        self.assertGreater(handler.dropped, 0)
