"""Builds the two extensions: _kernels.pyx over csrc/, each isa_*.c with its own flags, and _encoder.pyx over
csrc/tokenizer/.

Switches (environment): ROBERTA_C_DEBUG=1 builds with asserts, bounds checks and symbols;
ROBERTA_C_SANITIZE=address,undefined adds those sanitizers; ROBERTA_C_NO_THREADS=1 builds serial.
"""

import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86 = platform.machine().lower() in ("x86_64", "amd64")

# The only place where instruction sets meet the compiler. Flags attach to files, so that wide instructions
# land nowhere else. Never -march=native (wheels must run elsewhere) nor -ffast-math or -Ofast (before GCC 13
# they change how the host process treats subnormal numbers).
# The file that takes longest to compile comes first, so that no processor waits for it at the end.
ISA_FLAGS = {
    # prefetchw, with which tile.inc prefetches the output, is older than AVX-512, and every CPU with AVX-512
    # has it. Some CPUs with AVX2 alone lack it; there the output is prefetched for reading.
    "csrc/isa_avx512.c": ["-mavx512f", "-mavx2", "-mfma", "-mprfchw"] if X86 else [],
    "csrc/isa_generic.c": [],
    "csrc/isa_neon.c": [],  # part of AArch64's baseline; elsewhere the file is a stub
    "csrc/isa_avx2.c": ["-mavx2", "-mfma"] if X86 else [],
    "csrc/isa_avx512_bf16.c": ["-mavx512f", "-mavx512bf16", "-mavx2", "-mfma", "-mprfchw"] if X86 else [],
    "csrc/isa_avx_vnni.c": ["-mavx2", "-mfma", "-mavxvnni"] if X86 else [],
    "csrc/isa_avx512_vnni.c": ["-mavx512f", "-mavx512vnni", "-mavx2", "-mfma", "-mprfchw"] if X86 else [],
    "csrc/isa_amx.c": [
        *("-mavx512f", "-mavx512vnni", "-mavx512bf16", "-mavx2", "-mfma", "-mprfchw"),
        *("-mamx-tile", "-mamx-bf16", "-mamx-int8"),
    ]
    if X86
    else [],
}
# Flags that only GCC has. Without this one, GCC 12 copies accumulators in int8's tile of 9 x 48, where a step
# then has 57 instructions instead of 45.
GCC_FLAGS = {"csrc/isa_avx512_vnni.c": ["-fira-region=all"]}
# Files that are stubs without their flags, for compilers or assemblers older than the instructions.
OPTIONAL = {
    "csrc/isa_amx.c": ("AMX", "tdpbf16ps %tmm0, %tmm1, %tmm2"),
    "csrc/isa_avx512_bf16.c": ("AVX512-BF16", "vdpbf16ps %zmm0, %zmm1, %zmm2"),
    "csrc/isa_avx512_vnni.c": ("AVX512-VNNI", "vpdpbusd %zmm0, %zmm1, %zmm2"),
    "csrc/isa_avx_vnni.c": ("AVX-VNNI", "{vex} vpdpbusd %ymm0, %ymm1, %ymm2"),
}
PLAIN_SOURCES = [
    f"csrc/{stem}.c"
    for stem in ("reference", "dispatch", "cpu_features", "status", "digest", "event", "team", "threads")
]
# The files that depend on POSIX threads: compiled with -pthread, or with -DRC_NO_THREADS.
THREADED = ("csrc/event.c", "csrc/threads.c", "roberta_c/kernels/_kernels.c")
SOURCES_AND_HEADERS = sorted(
    str(path) for pattern in ("*.h", "*.inc", "*.c") for path in Path("csrc").glob(pattern)
)

DEBUG = os.environ.get("ROBERTA_C_DEBUG") == "1"
SANITIZE = os.environ.get("ROBERTA_C_SANITIZE", "")
# -ffp-contract=off: a*b+c is fused where a body says so and nowhere else, on every compiler.
COMPILE_FLAGS = ["-std=c11", "-O1" if DEBUG else "-O3", "-ffp-contract=off", "-fvisibility=hidden"]
# Functions begin on a cache line, so that code elsewhere does not move inner loops: one that spanned three
# lines instead of two cost AVX2 5 % of RoBERTa-base's time for 8 tokens (AMD Zen 3, 2026-11-29).
COMPILE_FLAGS += ["-falign-functions=64"]
# -g0: many Pythons bring -g of their own, and what it adds is more than all the code.
COMPILE_FLAGS += ["-g", "-UNDEBUG"] if DEBUG else ["-DNDEBUG", "-g0"]
LINK_FLAGS = []
if SANITIZE:
    COMPILE_FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g"]
    LINK_FLAGS += [f"-fsanitize={SANITIZE}"]


class BuildSideBySide(build_ext):
    """Compiles all files of both extensions side by side, each with its own flags, then links both. Where the
    system has no POSIX threads, the kernels run on one thread."""

    def build_extensions(self):
        """Replace the sources of both extensions by their objects, and link them."""
        threads = [] if os.environ.get("ROBERTA_C_NO_THREADS") == "1" else ["-pthread"]
        if threads and not self.links(
            "#include <pthread.h>\nint main(void) { return pthread_self() == 0; }\n", threads
        ):
            print("warning: the C compiler has no POSIX threads: building for one thread", file=sys.stderr)
            threads = []
        nothing = "int main(void) { return 0; }\n"
        flags_of = {source: list(flags) for source, flags in ISA_FLAGS.items()}
        for source, (name, instruction) in OPTIONAL.items():
            program = f'int main(void) {{ __asm__("{instruction}"); return 0; }}\n'
            if flags_of[source] and not self.links(program, flags_of[source]):
                print(f"warning: the C compiler does not know {name}: building without", file=sys.stderr)
                flags_of[source] = []
        for source, flags in GCC_FLAGS.items():
            flags_of[source] += flags if self.links(nothing, flags) else []
        for source in THREADED:
            flags_of[source] = threads or ["-DRC_NO_THREADS"]

        def compiled(source, ext):
            return self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=[*COMPILE_FLAGS, "-Wall", "-Wextra", *flags_of.get(source, [])],
                depends=ext.depends,
            )

        jobs = [(source, ext) for ext in self.extensions for source in ext.sources]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, *zip(*jobs, strict=True)))
        for ext in self.extensions:
            ext.extra_objects = [
                one for job, found in zip(jobs, objects, strict=True) if job[1] is ext for one in found
            ]
            # distutils links only where one of these is newer than the extension.
            ext.depends = [*ext.depends, *ext.sources]
            ext.sources = []
            ext.extra_link_args = [*LINK_FLAGS, *threads]
        super().build_extensions()

    def links(self, program, flags):
        """Whether a program compiles and links with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
                self.compiler.link_executable(objects, "probe", output_dir=folder, extra_postargs=flags)
            except Exception:
                return False
        return True


kernels = Extension(
    "roberta_c.kernels._kernels",
    sources=[*ISA_FLAGS, "roberta_c/kernels/_kernels.pyx", *PLAIN_SOURCES],
    include_dirs=["csrc"],
    depends=[*SOURCES_AND_HEADERS, *map(str, sorted(Path("roberta_c/kernels").glob("*.px[di]"))), "setup.py"],
)

encoder = Extension(
    "roberta_c.tokenizer._encoder",
    sources=["roberta_c/tokenizer/_encoder.pyx", *map(str, sorted(Path("csrc/tokenizer").glob("*.c")))],
    include_dirs=["csrc/tokenizer"],
    depends=[*map(str, sorted(Path("csrc/tokenizer").glob("*.[hi]*"))), "setup.py"],
)

setup(
    ext_modules=cythonize(
        [kernels, encoder],
        force=DEBUG,  # its directives differ, and an existing _kernels.c would be kept
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    cmdclass={"build_ext": BuildSideBySide},
)
