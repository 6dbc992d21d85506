"""The HTTP server for the boot image."""

from __future__ import annotations

import urllib.error
import urllib.request

from testtools import TestCase

from metald.boot_image import build_empty_iso, serve_image


class ServedImageTest(TestCase):
    """A boot image over HTTP on loopback."""

    def test_the_image_is_served_and_requests_are_counted(self) -> None:
        """GET returns the whole image, HEAD its size, and each request is counted."""
        with serve_image(build_empty_iso()) as image:
            with urllib.request.urlopen(image.url, timeout=10.0) as answer:
                self.assertEqual(build_empty_iso(), answer.read())
            with urllib.request.urlopen(urllib.request.Request(image.url, method="HEAD"), timeout=10.0) as answer:
                self.assertEqual(str(len(build_empty_iso())), answer.headers["Content-Length"])
                self.assertEqual(b"", answer.read())
            self.assertEqual(2, image.request_count)

    def test_other_paths_are_not_found(self) -> None:
        """A request for another path is answered with 404 and not counted."""
        with serve_image(b"image") as image:
            error = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, f"{image.url}/etc/passwd", timeout=10.0)
            error.close()
            self.assertEqual(404, error.code)
            self.assertEqual(0, image.request_count)

    def test_the_image_is_an_empty_file_system(self) -> None:
        """Sectors 16 and 17 are the volume descriptors of ISO 9660."""
        image = build_empty_iso()
        self.assertEqual(b"\x01CD001\x01", image[16 * 2048 :][:7])
        self.assertEqual(b"\xffCD001\x01", image[17 * 2048 :][:7])
        self.assertEqual(0, len(image) % 2048)
