"""`bridge new`: what it writes, and what it refuses."""

import pytest


def test_a_folder_is_written_and_each_file_said(bridge, tmp_path):
    """The name is the pipeline's, the folder's, and that of its events."""
    ended = bridge("new", "my-model", "--folder", tmp_path)

    folder = tmp_path / "my-model"
    assert (0, "") == (ended.status, ended.err)
    assert sorted(map(str, folder.iterdir())) == sorted(ended.out.splitlines()[:-2])
    assert (
        f"next: bridge try {folder}/bridge.yaml {folder}/event.json" == ended.out.splitlines()[-1]
    )
    for file in folder.iterdir():
        assert "NAME" not in file.read_text(), file


@pytest.mark.parametrize("name", ["123", "true", "null", "1e3", "no", "0x1", "a" * 63])
def test_a_name_that_yaml_reads_as_something_else_works(bridge, tmp_path, name):
    """Whatever is a DNS label is a name."""
    bridge("new", name, "--folder", tmp_path)

    ended = bridge("check", tmp_path / name / "bridge.yaml")

    assert (0, "") == (ended.status, ended.err)


@pytest.mark.parametrize("name", ["My", "-a", "a-", "a_b", "a" * 64, "../a", "a\n", ""])
def test_a_name_that_is_no_label_is_refused(bridge, tmp_path, name):
    """It would be a bad pipeline, and perhaps a folder elsewhere."""
    ended = bridge("new", "--folder", tmp_path, "--", name)

    assert 2 == ended.status
    assert "expected up to 63 of a-z, 0-9 and '-', none at an end" in ended.err
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_left_alone(bridge, tmp_path):
    """Nobody's work is written over."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bridge.yaml").write_text("mine")

    ended = bridge("new", "mine", "--folder", tmp_path)

    assert (2, "") == (ended.status, ended.out)
    assert f"{tmp_path}/mine: is there already: expected a new name\n" == ended.err
    assert "mine" == (tmp_path / "mine" / "bridge.yaml").read_text()


def test_a_folder_that_cannot_be_made_is_said(bridge, tmp_path):
    """In the system's words."""
    (tmp_path / "file").write_text("")

    ended = bridge("new", "mine", "--folder", tmp_path / "file")

    assert 2 == ended.status
    assert f"{tmp_path}/file/mine: cannot be written: Not a directory\n" == ended.err
