"""The boot image that the demonstration serves."""

from __future__ import annotations

import urllib.error
import urllib.request

from testtools import TestCase

from metald.images import empty_iso, served


class ServedImageTest(TestCase):
    """An image over HTTP on loopback."""

    def test_it_is_sent_whole_and_counted(self) -> None:
        """Whoever asks gets all of it, or its size alone, and each is counted."""
        with served(empty_iso()) as image:
            with urllib.request.urlopen(image.url, timeout=10.0) as answer:
                self.assertEqual(empty_iso(), answer.read())
            with urllib.request.urlopen(urllib.request.Request(image.url, method="HEAD"), timeout=10.0) as answer:
                self.assertEqual((str(len(empty_iso())), b""), (answer.headers["Content-Length"], answer.read()))
            self.assertEqual(2, image.asked)

    def test_there_is_nothing_else_to_be_had(self) -> None:
        """Another path is not found, and not counted."""
        with served(b"image") as image:
            error = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, f"{image.url}/etc/passwd", timeout=10.0)
            error.close()
            self.assertEqual((404, 0), (error.code, image.asked))

    def test_the_image_is_a_file_system_without_files(self) -> None:
        """Its sectors 16 and 17 are the descriptors that ISO 9660 begins with."""
        image = empty_iso()
        self.assertEqual((b"\x01CD001\x01", b"\xffCD001\x01"), (image[16 * 2048 :][:7], image[17 * 2048 :][:7]))
        self.assertEqual(0, len(image) % 2048)
