from __future__ import annotations

from pathlib import Path

from ml_playground.runs.notes import add_note, archive, is_archived, read_notes, refer, references


def test_notes_are_kept_in_order_beside_what_else_is_recorded(tmp_path: Path) -> None:
    add_note(tmp_path, "first\nline")
    archive(tmp_path, archived=True)
    add_note(tmp_path, "zweite ☃")
    assert [note.text for note in read_notes(tmp_path)] == ["first\nline", "zweite ☃"]
    assert is_archived(tmp_path)
    archive(tmp_path, archived=False)
    assert not is_archived(tmp_path)


def test_a_line_cut_by_a_kill_and_foreign_lines_are_skipped(tmp_path: Path) -> None:
    add_note(tmp_path, "kept")
    with (tmp_path / "notes.jsonl").open("ab") as file:
        file.write(b'[1]\n\xff\xfe\n{"note": "cu')
    assert [note.text for note in read_notes(tmp_path)] == ["kept"]
    assert read_notes(tmp_path / "nowhere") == []


def test_a_page_refers_to_a_run_as_long_as_it_exists(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.touch()
    refer(tmp_path, page)
    refer(tmp_path, page)
    assert references(tmp_path) == [page]
    page.unlink()
    assert references(tmp_path) == []
