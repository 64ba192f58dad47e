# The commands of daily work. PYTHON is the interpreter of the virtual environment that `make dev` creates.
PYTHON ?= .venv/bin/python

.PHONY: dev test lint stubtest bench mutate train asan

# A virtual environment with the package built in place. Run it again after a change to csrc/ or roberta_c/kernels/.
dev:
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --editable '.[test]'

# All tests except the slow ones (-m slow runs those). One file: .venv/bin/python -m pytest tests/kernels/test_linear.py
test: dev
	$(PYTHON) -m pytest

# ruff, clang-format and mypy, pinned in .pre-commit-config.yaml, on all tracked files. Fixes what it can.
lint:
	$(PYTHON) -m pre_commit run --all-files --show-diff-on-failure

# The type stub of the extension against the extension itself, which `make dev` builds.
stubtest:
	$(PYTHON) -m mypy.stubtest roberta_c.kernels._kernels --mypy-config-file pyproject.toml --concise \
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
	$(PYTHON) benchmarks/memory.py --output benchmarks/results/memory.json
	$(PYTHON) benchmarks/startup.py --output benchmarks/results/startup.json
	$(PYTHON) benchmarks/command_line.py --output benchmarks/results/command_line.json
	$(PYTHON) benchmarks/embeddings.py --output benchmarks/results/embeddings.json
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

# Removes one check of weight files after another: a test must fail for each. Takes some minutes.
mutate:
	$(PYTHON) -m pip install --quiet coverage
	$(PYTHON) tests/mutation.py

# Trains the bundled model into build/training; training/README.md has the time it takes.
train:
	$(PYTHON) -m pip install --quiet --editable '.[train]'
	$(PYTHON) training/train.py --data $${ROBERTA_C_TEST_DATA:-../shared}/data

# Builds the package with AddressSanitizer and UndefinedBehaviorSanitizer in build/asan, and tests the kernels on it.
asan:
	rm -rf build/asan
	$(PYTHON) -m pip install --quiet 'setuptools>=77' 'cython>=3.1'
	ROBERTA_C_SANITIZE=address,undefined $(PYTHON) setup.py -q build \
	    --build-base build/asan/objects --build-lib build/asan/package
	LD_PRELOAD=$$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:handle_segv=0 \
	    PYTHONPATH=build/asan/package \
	    $(PYTHON) -P -m pytest -p no:cacheprovider tests/kernels -m 'not slow and not unsanitized'
