# The commands of daily work. PYTHON is the interpreter of the virtual environment that `make dev` creates.
PYTHON ?= .venv/bin/python

.PHONY: dev test slow lint stubtest bench mutate train asan fuzz processes soak valgrind tsan coverage

# A virtual environment with the package built in place. Run it again after a change to csrc/ or a .pyx file.
dev:
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --editable '.[test]'

# All tests except the slow ones (-m slow runs those). One file: .venv/bin/python -m pytest tests/kernels/test_linear.py
test: dev
	$(PYTHON) -m pytest

# The slow tests: every float32 through each activation, all real texts through the tokenizers. Takes hours.
slow: dev
	$(PYTHON) -m pytest -m slow

# ruff, clang-format and mypy, pinned in .pre-commit-config.yaml, on all tracked files. Fixes what it can.
lint:
	$(PYTHON) -m pre_commit run --all-files --show-diff-on-failure

# The type stubs of the extensions against the extensions themselves, which `make dev` builds.
stubtest:
	$(PYTHON) -m mypy.stubtest roberta_c.kernels._kernels roberta_c.tokenizer._encoder \
	    --mypy-config-file pyproject.toml --concise \
	    --allowlist .ci/stubtest-allowlist --ignore-unused-allowlist --ignore-disjoint-bases

# The results, figures and tables of benchmarks/README.md and README.md. Takes more than an hour on an idle machine.
bench:
	$(PYTHON) -m pip install --quiet --editable '.[bench]'
	mkdir -p benchmarks/results
	$(PYTHON) benchmarks/peak.py --output benchmarks/results/peak.json
	$(PYTHON) benchmarks/linear.py --output benchmarks/results/linear.json
	$(PYTHON) benchmarks/linear.py --isa avx2 --output benchmarks/results/linear_avx2.json
	$(PYTHON) benchmarks/encoder.py --output benchmarks/results/encoder.json
	$(PYTHON) benchmarks/encoder.py --isa avx2 --engines torch --work 8x128 \
	    --output benchmarks/results/encoder_avx2.json
	$(PYTHON) benchmarks/threads.py --output benchmarks/results/threads.json
	$(PYTHON) benchmarks/neighbours.py --output benchmarks/results/neighbours.json
	$(PYTHON) benchmarks/memory.py --output benchmarks/results/memory.json
	$(PYTHON) benchmarks/startup.py --output benchmarks/results/startup.json
	$(PYTHON) benchmarks/command_line.py --output benchmarks/results/command_line.json
	$(PYTHON) benchmarks/embeddings.py --output benchmarks/results/embeddings.json
	$(PYTHON) benchmarks/serving.py --output benchmarks/results/serving.json
	for dtype in bfloat16 int8; do \
	    for script in encoder linear threads memory startup embeddings; do \
	        $(PYTHON) benchmarks/$$script.py --dtype $$dtype \
	            --output benchmarks/results/$${script}_$$dtype.json || exit 1; \
	    done; \
	done
	$(PYTHON) benchmarks/accuracy.py --output benchmarks/results/accuracy.json
	$(PYTHON) benchmarks/targets.py
	$(PYTHON) benchmarks/plot.py
	$(PYTHON) benchmarks/report.py

# Removes one check of the package after another: a test must fail for each. Takes hours; those of weight files alone,
# make mutate FILES=roberta_c/checkpoint, some minutes. Of the last commit.
mutate:
	$(PYTHON) -m pip install --quiet 'coverage>=7.17'
	$(PYTHON) -m tests.mutation $(FILES)

# The branches that the tests run: all of the readers of weight files, 95 % of the package.
coverage:
	$(PYTHON) -m pip install --quiet 'coverage>=7.10'
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -q -n auto --dist loadfile -m 'not slow and not untraced'
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report --show-missing --skip-covered --fail-under 95
	$(PYTHON) -m coverage report --include 'roberta_c/checkpoint/*' --fail-under 100

# Trains the bundled model into build/training; training/README.md has the time it takes.
train:
	$(PYTHON) -m pip install --quiet --editable '.[train]'
	$(PYTHON) training/train.py --data $${ROBERTA_C_TEST_DATA:-../shared}/data

# Builds the package with AddressSanitizer and UndefinedBehaviorSanitizer in build/asan, tests kernels, readers,
# models and the encoders of texts on it, and fuzzes models and encoders. Then LeakSanitizer looks for memory that
# the extensions have lost: what CPython and numpy keep to the end is no report of it.
# libstdc++ is for torch, which throws C++ exceptions.
ASAN_LIBRARIES = $$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)
asan:
	rm -rf build/asan
	$(PYTHON) -m pip install --quiet 'setuptools>=77' 'cython>=3.1,<3.3'
	ROBERTA_C_SANITIZE=address,undefined $(PYTHON) setup.py -q build \
	    --build-base build/asan/objects --build-lib build/asan/package
	LD_PRELOAD="$(ASAN_LIBRARIES)" ASAN_OPTIONS=detect_leaks=0:handle_segv=0 PYTHONPATH=build/asan/package \
	    $(PYTHON) -P -m pytest -p no:cacheprovider -n auto --dist loadfile \
	    tests/kernels tests/checkpoint tests/model \
	    tests/tokenizer/test_encoder_byte_pairs.py tests/tokenizer/test_encoder_unigram.py \
	    -m 'not slow and not unsanitized and not untraced'
	LD_PRELOAD="$(ASAN_LIBRARIES)" ASAN_OPTIONS=detect_leaks=0:handle_segv=0:quarantine_size_mb=8 \
	    PYTHONPATH=build/asan/package:tests $(PYTHON) -P -m fuzz encoders model_inputs \
	    --executions $(or $(EXECUTIONS),20000)
	LD_PRELOAD="$(ASAN_LIBRARIES)" ASAN_OPTIONS=detect_leaks=1:exitcode=0:log_path=build/asan/leaks \
	    PYTHONMALLOC=malloc PYTHONPATH=build/asan/package:tests $(PYTHON) -P -m process.every_kernel generic
	! grep -h -E -B8 -A4 '_kernels|_encoder' build/asan/leaks.*

# Four threads call one model while ThreadSanitizer watches the kernels, built in build/tsan. Addresses are those
# it expects only without randomization.
tsan:
	rm -rf build/tsan
	$(PYTHON) -m pip install --quiet 'setuptools>=77' 'cython>=3.1,<3.3'
	ROBERTA_C_SANITIZE=thread $(PYTHON) setup.py -q build \
	    --build-base build/tsan/objects --build-lib build/tsan/package
	LD_PRELOAD=$$(gcc -print-file-name=libtsan.so) TSAN_OPTIONS=exitcode=66:report_signal_unsafe=0 \
	    PYTHONPATH=build/tsan/package:tests setarch -R $(PYTHON) -P -m process.callers 20 4

# Every kernel of the generic instruction set under Valgrind. Reports about CPython itself do not count: those that
# name the extension do, and every byte of a result that nothing has set.
valgrind:
	mkdir -p build
	PYTHONMALLOC=malloc valgrind --leak-check=no --log-file=build/valgrind.log \
	    $(PYTHON) -m tests.process.every_kernel generic
	! grep -E -B4 -A8 '_kernels|Syscall param' build/valgrind.log

# Changed files and arguments for everything that reads what strangers wrote: at least a million inputs for each
# target of tests/fuzz/targets.py, guided by the branches they reach, in several hours. Failed and kept inputs are
# in build/fuzz. A short run of one: make fuzz TARGET=zip EXECUTIONS=20000
fuzz:
	$(PYTHON) -m pip install --quiet --editable '.[fuzz]'
	$(PYTHON) -m tests.fuzz $(or $(TARGET),all) --engine atheris --executions $(or $(EXECUTIONS),1000000)

# 1,000 forks beside calls, 1,000 processes killed while they write the cache of packed weights, 64 callers for
# 10 minutes, Ctrl-C in the largest model, and the failure of every allocation.
processes:
	$(PYTHON) -m tests.process.forks 1000
	$(PYTHON) -m tests.process.cache_writers 1000 20
	$(PYTHON) -m tests.process.callers 600
	$(PYTHON) -m tests.process.interrupts
	mkdir -p build
	for name in crash_place failing_malloc; do \
	    $(CC) -shared -fPIC -O1 tests/process/$$name.c -o build/$$name.so || exit 1; \
	done
	$(PYTHON) -m tests.process.allocations python build/crash_place.so
	LD_PRELOAD=build/failing_malloc.so $(PYTHON) -m tests.process.allocations c build/crash_place.so

# Texts through pipelines of three dtypes for an hour, or HOURS=24; memory, files and threads must stay the same.
soak:
	$(PYTHON) -m tests.process.soak $(or $(HOURS),1)
