from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.media import service
from app.media.images import MAX_PIXELS, BadImage, probe_image
from app.media.kinds import GIF, HEAD, JPEG, PNG, WEBP, FileType, recognise
from app.media.service import MediaStore
from app.store.database import Store
from publishers.api import MediaKind
from tests.app.conftest import MovingClock

FORMATS = {"PNG": PNG, "JPEG": JPEG, "GIF": GIF, "WEBP": WEBP}
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 5000


@pytest.fixture
def media(store: Store, folder: DataFolder, clock: MovingClock) -> MediaStore:
    return MediaStore(store, folder, clock)


def encoded(image_format: str, size: tuple[int, int] = (40, 20), **options: object) -> bytes:
    """An image with some detail, so that cutting it off loses pixels."""
    image = Image.effect_noise(size, 50).convert("RGB")
    file = BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("image_format", FORMATS)
def test_an_image_is_copied_under_its_hash_whatever_it_is_called(
    media: MediaStore, store: Store, folder: DataFolder, tmp_path: Path, image_format: str
) -> None:
    content = encoded(image_format)
    facts = media.attach(written(tmp_path / "holiday.txt", content))
    sha256 = hashlib.sha256(content).hexdigest()
    found = FORMATS[image_format]
    assert facts.path == folder.media / sha256[:2] / f"{sha256}.{found.ending}"
    assert facts.path.read_bytes() == content
    assert (facts.sha256, facts.size, facts.mime) == (sha256, len(content), found.mime)
    assert (facts.width, facts.height, facts.kind) == (40, 20, MediaKind.IMAGE)
    assert store.read(lambda unit: unit.media.facts([sha256])).result() == {sha256: facts}
    (tmp_path / "holiday.txt").unlink()
    media.check(facts)
    assert media.attach(written(tmp_path / "again.png", content)) == facts


def test_pixels_are_counted_as_people_see_them(media: MediaStore, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright
    facts = media.attach(written(tmp_path / "upright.jpg", encoded("JPEG", exif=exif)))
    assert (facts.width, facts.height) == (20, 40)


def test_a_gif_that_moves_is_told_from_one_that_stands_still(media: MediaStore, tmp_path: Path) -> None:
    second = Image.effect_noise((40, 20), 90).convert("RGB")
    moving = encoded("GIF", save_all=True, append_images=[second])
    assert media.attach(written(tmp_path / "moving.gif", moving)).kind is MediaKind.GIF


@pytest.mark.parametrize(
    ("content", "mime", "kind"),
    [
        (MP4, "video/mp4", MediaKind.VIDEO),
        (b"\0\0\0\x14ftypqt  \0\0\0\0" + b"\0" * 99, "video/quicktime", MediaKind.VIDEO),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm" + b"\0" * 99, "video/webm", MediaKind.VIDEO),
        (b"%PDF-1.7\n", "application/pdf", MediaKind.DOCUMENT),
    ],
)
def test_videos_and_documents_are_known_by_their_first_bytes(
    media: MediaStore, tmp_path: Path, content: bytes, mime: str, kind: MediaKind
) -> None:
    facts = media.attach(written(tmp_path / "file", content))
    assert (facts.mime, facts.kind, facts.width) == (mime, kind, None)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf <!DOCTYPE html><p>", "a web page"),
        ("Grüße".encode(), "a text"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound file"),
        (b"\0\1\2\3", "a file of an unknown type"),
    ],
)
def test_another_type_is_named_with_what_is_accepted(
    media: MediaStore, folder: DataFolder, tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(KnownError, match=f"photo.jpg is {words}.*accepted are JPEG, PNG"):
        media.attach(written(tmp_path / "photo.jpg", content))
    assert list(folder.media.iterdir()) == []


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_cut_off_image_is_refused(media: MediaStore, folder: DataFolder, tmp_path: Path, image_format: str) -> None:
    content = encoded(image_format, (300, 300))
    with pytest.raises(KnownError, match="damaged or cut off"):
        media.attach(written(tmp_path / "half", content[: len(content) // 2]))
    assert list(folder.media.iterdir()) == []


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(media: MediaStore, tmp_path: Path) -> None:
    for side in (9_000, 30_000):  # beyond our limit; beyond the one at which Pillow gives up
        bomb = bytearray(encoded("GIF", (8, 8)))
        bomb[6:10] = side.to_bytes(2, "little") * 2
        assert side**2 > MAX_PIXELS
        with pytest.raises(KnownError, match="more than 80 million pixels"):
            media.attach(written(tmp_path / "bomb.gif", bytes(bomb)))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images") / "image"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow mutters about what it can still read
@given(data=st.data())
def test_a_hostile_image_is_refused_in_a_known_way(scratch: Path, data: st.DataObject) -> None:
    found = data.draw(st.sampled_from([JPEG, PNG, GIF, WEBP]))
    content = bytearray(IMAGES[found])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(content)
    try:
        facts = probe_image(scratch, found)
    except BadImage:
        return
    assert 0 < facts.width * facts.height <= MAX_PIXELS


IMAGES = {found: encoded(name, (9, 5)) for name, found in FORMATS.items()}


@given(head=st.binary(max_size=HEAD))
def test_any_bytes_are_recognised_or_described(head: bytes) -> None:
    found = recognise(head)
    assert isinstance(found, FileType) or found.startswith(("a ", "an "))


def make_link(path: Path) -> None:
    path.with_name("real.png").write_bytes(encoded("PNG"))
    path.symlink_to(path.with_name("real.png"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "cannot be opened"),
        (lambda path: path.mkdir(), "is a folder"),
        (make_link, "is a link"),
        (lambda path: os.mkfifo(path), "a device or a pipe"),
        (lambda path: path.touch(), "is empty"),
    ],
)
def test_what_is_no_file_is_refused(
    media: MediaStore, tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    make(tmp_path / "thing")
    with pytest.raises(KnownError, match=sentence):
        media.attach(tmp_path / "thing")


def test_a_device_is_refused(media: MediaStore) -> None:
    with pytest.raises(KnownError, match="a device or a pipe"):
        media.attach(Path("/dev/zero"))


# ---- sizes and the disk --------------------------------------------------------------------------


def test_a_large_file_stays_where_it_is_and_is_looked_at_again(
    media: MediaStore, store: Store, folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "COPIED_UP_TO", 1000)
    film = written(tmp_path / "film.mp4", MP4)
    facts = media.attach(film)
    assert facts.path == film
    assert list(folder.media.iterdir()) == []
    assert store.read(lambda unit: unit.media.facts([facts.sha256])).result() == {facts.sha256: facts}
    media.check(facts)
    film.write_bytes(MP4[:-1] + b"x")
    with pytest.raises(KnownError, match=r"film.mp4 has changed since it was attached"):
        media.check(facts)
    film.unlink()
    with pytest.raises(KnownError, match="put it back"):
        media.check(facts)


def test_a_copy_that_shrank_is_noticed(media: MediaStore, tmp_path: Path) -> None:
    facts = media.attach(written(tmp_path / "a.png", encoded("PNG")))
    facts.path.write_bytes(b"x")
    with pytest.raises(KnownError, match="has changed"):
        media.check(facts)


def test_too_large_an_image_is_refused(media: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_IMAGE", 100)
    with pytest.raises(KnownError, match="MB are accepted"):
        media.attach(written(tmp_path / "a.png", encoded("PNG", (200, 200))))


def test_a_file_another_program_still_writes_is_refused(
    media: MediaStore, folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = written(tmp_path / "film.mp4", MP4)
    real = recognise

    def while_it_grows(head: bytes) -> FileType | str:
        with film.open("ab") as file:
            file.write(b"more")
        return real(head)

    monkeypatch.setattr(service, "recognise", while_it_grows)
    with pytest.raises(KnownError, match="being changed by another program"):
        media.attach(film)
    assert list(folder.media.iterdir()) == []


@contextmanager
def no_room_for_files_above(size: int) -> Iterator[None]:
    """What a full disk or a quota does, by the kernel's limit on this process."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_leaves_no_half_copy(media: MediaStore, folder: DataFolder, tmp_path: Path) -> None:
    film = written(tmp_path / "film.mp4", MP4)
    with no_room_for_files_above(1000), pytest.raises(KnownError, match="no room on the disk"):
        media.attach(film)
    assert list(folder.media.iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(
    media: MediaStore, folder: DataFolder, clock: MovingClock, tmp_path: Path
) -> None:
    now = clock().timestamp()
    for name, age in (("old", 90_000), ("new", 1_000)):
        os.utime(written(folder.media / f".attaching-{name}", b"half"), (now - age, now - age))
    media.attach(written(tmp_path / "film.mp4", MP4))
    assert [path.name for path in folder.media.glob(".attaching-*")] == [".attaching-new"]
