"""What is installed: its errors, its types, its files."""

import importlib.metadata
import pickle
from pathlib import Path

import pytest

import tidelock
from tidelock import _tidelock, aio, errors


def test_every_kind_has_its_class() -> None:
    """Held against the library's own list; a kind that only later libraries have may have its class already."""
    classes = {cls.kind: cls for cls in tidelock.TidelockError.__subclasses__()}
    assert set(_tidelock.error_kinds()) <= set(classes)
    for kind, cls in classes.items():
        assert cls.__name__ == "".join(word.capitalize() for word in kind.split("-")) + "Error"
        assert getattr(tidelock, cls.__name__) is cls and cls.__name__ in tidelock.__all__


def test_an_error_says_what_why_and_what_next() -> None:
    error = errors.of_kind("wrong-key", "it does not open the vault", "slots/1", "check the code", False)
    assert type(error) is tidelock.WrongKeyError and error.kind == "wrong-key"
    assert str(error) == "it does not open the vault: `slots/1` (check the code)"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and again.next_step == "check the code"


def test_what_is_public() -> None:
    for module in (tidelock, aio):
        assert sorted(module.__all__) == module.__all__
        assert all(hasattr(module, name) for name in module.__all__)


def test_asyncio_has_the_same_names() -> None:
    """Beside what only one of the two can have."""

    def names(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert names(tidelock.Vault) == names(aio.Vault)
    assert names(tidelock.Batch) == names(aio.Batch) and names(tidelock.Live) == names(aio.Live)
    tables = {"to_arrow", "to_pandas"}
    of_a_dict = {"clear", "items", "keys", "pop", "popitem", "setdefault", "values"}
    assert names(tidelock.Log) == names(aio.Log) | tables
    assert names(tidelock.Map) == names(aio.Map) | tables | of_a_dict
    assert names(tidelock.Documents) == names(aio.Documents) | tables | of_a_dict


def test_the_wheel_is_typed_and_for_every_python() -> None:
    folder = Path(tidelock.__file__).parent
    assert (folder / "py.typed").exists() and (folder / "_tidelock.pyi").exists()
    files = importlib.metadata.files("tidelock")
    assert files is not None and any(file.name == "entry_points.txt" for file in files)
    assert importlib.metadata.version("tidelock") == "0.1.0"
    assert Path(str(_tidelock.__file__)).name == "_tidelock.abi3.so"


@pytest.mark.parametrize("text", ["", "60RK", "0000-0000-0000-0000-0000-0000-0000-0000-0000"])
def test_a_code_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(tidelock.InvalidError):
        tidelock.RecoveryCode(text)
