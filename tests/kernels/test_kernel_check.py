"""kernel_check.c: all kernels without Python, on this CPU and, under an emulator, on AArch64."""

from __future__ import annotations

import ast
import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples.kernels import TESTS
from samples.requirements import missing

from roberta_c.kernels import available_isas

pytestmark = pytest.mark.unsanitized
CSRC = TESTS.parent / "csrc"
# The fewest rounds that reach every case of kernel_check.c.
ALWAYS = ["-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", f"-I{CSRC}", "-DROUNDS=10"]


def isa_flags(x86: bool) -> dict[str, list[str]]:
    """ISA_FLAGS of setup.py, file → flags. It is read from the source, since importing setup.py would
    build."""
    for node in ast.parse((TESTS.parent / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "ISA_FLAGS":
            return eval(compile(ast.Expression(node.value), "setup.py", "eval"), {"X86": x86})
    raise AssertionError("setup.py has no ISA_FLAGS")


def found(*programs: str) -> str:
    """The first of these programs that is installed; without any, the test is skipped, or fails in CI."""
    for program in programs:
        if shutil.which(program):
            return program
    missing(f"not installed: {' or '.join(programs)}")


def built(folder: Path, compiler: str, x86: bool, isa_level: str, flags: list[str]) -> Path:
    """kernel_check linked with all of csrc/. `isa_level` is the optimization level of isa_*.c; each of these
    is compiled with its own flags, as in setup.py. `flags` are for all files and for the linker."""
    table = isa_flags(x86)
    sources = [*sorted(CSRC.glob("*.c")), TESTS / "kernels/kernel_check.c"]
    objects = [folder / f"{source.stem}.o" for source in sources]

    def compile_file(source: Path, output: Path) -> None:
        own = table.get(f"csrc/{source.name}", [])
        # The oracle takes most of the time to run.
        level = isa_level if source.stem.startswith("isa_") else "-O2"
        command = [compiler, *ALWAYS, level, *flags, *own, "-c", str(source), "-o", str(output)]
        subprocess.run(command, check=True, timeout=300)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_file, sources, objects))  # list(): raises what a compilation raised
    program = folder / "kernel_check"
    subprocess.run([compiler, *flags, *map(str, objects), "-lm", "-o", str(program)], check=True, timeout=60)
    return program


def run(*command: str) -> str:
    # The program ends without freeing what it checked.
    settings = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_on_this_machine_with_sanitizers(tmp_path):
    """AddressSanitizer and UndefinedBehaviorSanitizer find nothing, where the compiler has them."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    compiler = found("cc", "gcc", "clang")
    # Without optimization: that takes a third of the time of -O1. The other kernel tests run the optimized
    # build, and AArch64 is compiled with -O2.
    program = built(tmp_path, compiler, x86, "-O0", sanitizers(compiler, tmp_path))
    for isa in available_isas():
        assert "encoder_layer" in run(str(program), isa)


def sanitizers(compiler: str, folder: Path) -> list[str]:
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    source = folder / "nothing.c"
    source.write_text("int main(void) { return 0; }\n")
    program = folder / "nothing"
    links = subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=False)
    if links.returncode == 0 and subprocess.run([program], check=False).returncode == 0:
        return flags
    if os.environ.get("CI"):
        missing(f"{compiler} has no sanitizers")
    return []


@pytest.mark.parametrize("isa", ["neon", "generic"])
def test_on_an_emulated_aarch64(isa, aarch64_program):
    emulator = found("qemu-aarch64", "qemu-aarch64-static")
    assert "encoder_layer" in run(emulator, str(aarch64_program), isa)


@pytest.fixture(scope="module")
def aarch64_program(tmp_path_factory):
    found("qemu-aarch64", "qemu-aarch64-static")
    folder = tmp_path_factory.mktemp("aarch64")
    return built(folder, found("aarch64-linux-gnu-gcc"), False, "-O2", ["-static"])
