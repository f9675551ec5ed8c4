"""The README's chain, from rendered frames in MSRA15's files to an evaluation: how long it takes and what comes out.

python benchmarks/chain.py runs/chain --output benchmarks/results/chain.json
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def chain_commands() -> list[list[str]]:
    """Return the README's commands from `synth` to `evaluate`, as lists of words, without the program's name."""
    block = re.search(r"<!-- chain -->\n```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = block[1].replace("\\\n", "").splitlines()
    return [shlex.split(line)[1:] for line in lines]


def main() -> None:
    from report import write_report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to run it; an empty folder, to time all of it")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    seconds = {}
    for command in chain_commands():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "keras_handpose", *command], cwd=arguments.folder, check=True)
        seconds[command[0]] = round(time.perf_counter() - start, 1)
    report = json.loads((arguments.folder / "report" / "report.json").read_text(encoding="utf-8"))
    write_report(
        {
            "commands": [" ".join(["keras-handpose", *command]) for command in chain_commands()],
            "seconds": seconds,
            "results": report["results"],
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
