"""Files are whole or not there."""

from __future__ import annotations

import os

import pytest

from keras_handpose.files import whole_file


def test_a_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "folder" / "file.txt"
    with pytest.raises(RuntimeError), whole_file(target) as path:
        path.write_text("half")
        raise RuntimeError
    assert os.listdir(target.parent) == []
    with whole_file(target) as path:
        path.write_text("whole")
        assert not target.exists()
    assert os.listdir(target.parent) == ["file.txt"] and target.read_text() == "whole"
