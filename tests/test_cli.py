"""The command line as a whole: what every command shares."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fashionnet.cli import main, run_command
from fashionnet.cli.main import COMMANDS
from fashionnet.errors import RequestError
from fashionnet.progress import progress

ROOT = Path(__file__).parents[1]
SCRIPTS = ("train_heads.py", "build_repository.py", "recommend.py")


def python(*words, **options):
    return subprocess.run(
        [sys.executable, *(str(word) for word in words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def exits(call, *words):
    with pytest.raises(SystemExit) as caught:
        call(*words)
    return caught.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert exits(main, [command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: fashionnet {command}")


def test_help_lists_the_commands(capsys):
    assert exits(main, ["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {command}" in printed for command in COMMANDS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_start_their_commands(script):
    done = python(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["describe"], "required: PHOTO_OR_FOLDER"),
        (["describe", "a.jpg", "--format", "xml"], "invalid choice: 'xml'"),
        (["describe", "a.jpg", "--models", "x"], "unrecognized arguments: --models"),
        (["train", "--output", "x"], "required: --labels"),
        (["train", "--labels", "a", "--output", "x", "--views", "many"], "invalid int value"),
    ],
)
def test_a_command_line_that_does_not_parse_exits_with_two(words, said, capsys):
    assert exits(main, words) == 2
    assert said in capsys.readouterr().err


def fake_run(monkeypatch, run):
    monkeypatch.setattr("fashionnet.cli.describe.run", run)
    return run_command("describe", ["a.jpg"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RequestError("a\n  b: wrong;\nmend it"), 2, "fashionnet: a b: wrong; mend it\n"),
        (KeyboardInterrupt(), 130, "fashionnet: interrupted\n"),
        (OSError(28, "No space left on device"), 2, "fashionnet: no space left on device\n"),
        (
            PermissionError(13, "Permission denied", "/a/b"),
            2,
            "fashionnet: /a/b: permission denied\n",
        ),
        (
            UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"),
            2,
            "fashionnet: a name or a text that is not UTF-8 cannot be used here: 'utf-8' codec "
            "can't encode character '\\udce9' in position 3: surrogates not allowed\n",
        ),
        (
            RequestError("\x1b[31m\x1b]0;title\x07.jpg: gone"),
            2,
            "fashionnet: [31m ]0;title .jpg: gone\n",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(monkeypatch, capsys, error, code, said):
    def run(arguments):
        raise error

    assert fake_run(monkeypatch, run) == code
    assert capsys.readouterr().err == said


@pytest.fixture
def unwritable(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if not os.access(folder, os.W_OK):
        return folder
    if not Path("/proc/self").exists():
        pytest.skip("this user may write everywhere")
    return Path("/proc")


@pytest.mark.parametrize(
    "words",
    [
        ["curate", "{photos}", "--output", "{locked}/looked"],
        ["recommend", "{photos}", "--output", "{locked}/page.html"],
        ["recommend", "{photos}", "--profile", "{locked}/me.json"],
        ["similar", "{photos}/0.jpg", "--output", "{locked}/page.html"],
        ["map", "--output", "{locked}/map.html"],
        ["evaluate", "--labels", "{photos}/labels.csv", "--output", "{locked}/figures"],
        ["train", "--labels", "{photos}/labels.csv", "--output", "{locked}/model"],
    ],
)
def test_where_nothing_can_be_written_is_said_before_any_work(
    few_photos, unwritable, words, monkeypatch, capsys
):
    monkeypatch.setattr("fashionnet.network.compiled.CompiledNetwork.open", pytest.fail)
    before = sorted(unwritable.iterdir()) if unwritable.name == "locked" else None
    words = [word.format(photos=few_photos, locked=unwritable) for word in words]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fashionnet: cannot write to {unwritable}")
    assert error.endswith(": name another\n") and error.count("\n") == 1
    assert before is None or sorted(unwritable.iterdir()) == before


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_s_code_is_the_exit_code(monkeypatch, code):
    assert fake_run(monkeypatch, lambda arguments: code) == code


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_output_that_nobody_reads_to_its_end_is_no_error(few_photos, tiny_model, form):
    reading, writing = os.pipe()
    os.close(reading)
    words = ["-m", "fashionnet", "describe", few_photos, "--model", tiny_model, "--format", form]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 0


def test_output_is_cut_short_by_head(few_photos, tiny_model):
    command = f'"{sys.executable}" -m fashionnet describe "{few_photos}" --model "{tiny_model}"'
    done = subprocess.run(
        f"{command} --format csv | head -n 1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.startswith("image,relevant,") and done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_command_starts_quickly():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        python("-m", "fashionnet", "describe", "--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 3


def test_long_work_elsewhere_than_on_a_terminal_is_told_in_lines(monkeypatch, capsys):
    monkeypatch.setattr("fashionnet.progress.SECONDS_BETWEEN_LINES", 0.0)
    with progress("describing photos", 4) as advance:
        for _ in range(4):
            time.sleep(0.01)
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"describing photos: {done}/4" for done in range(1, 5)
    ]
    assert "/s, " in lines[0] and lines[-1].endswith("0 s left")


def test_short_work_is_not_worth_a_line(capsys):
    with progress("describing photos", 2) as advance:
        advance(2)
    assert capsys.readouterr().err == ""
