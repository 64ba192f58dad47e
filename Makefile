# The commands of daily work. PYTHON is the virtual environment's; `make dev` makes it.
PYTHON ?= .venv/bin/python

.PHONY: dev test lint bench train asan

# Once, and again after csrc/ or _kernels.pyx changed: an environment with everything, built in place.
dev:
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --editable '.[test]'

# All tests but the slow ones (-m slow runs those). For one file: .venv/bin/python -m pytest tests/kernels/test_linear.py
test: dev
	$(PYTHON) -m pytest

# What tests/test_rules.py checks too; `ruff format` and clang-format -i mend most of it.
lint:
	$(PYTHON) -m ruff check roberta_c tests benchmarks training setup.py
	$(PYTHON) -m ruff format --check roberta_c tests benchmarks training setup.py
	$(PYTHON) -m mypy
	for file in csrc/*; do \
	    $(dir $(PYTHON))clang-format --assume-filename=x.c < $$file | diff -u $$file - || exit 1; done

# Figures for README and benchmarks/README.md; needs an otherwise idle machine and half an hour of it.
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
	for dtype in bfloat16 int8; do \
	    for script in encoder linear threads memory startup; do \
	        $(PYTHON) benchmarks/$$script.py --dtype $$dtype \
	            --output benchmarks/results/$${script}_$$dtype.json || exit 1; \
	    done; \
	done
	$(PYTHON) benchmarks/accuracy.py --output benchmarks/results/accuracy.json
	$(PYTHON) benchmarks/targets.py
	$(PYTHON) benchmarks/plot.py
	$(PYTHON) benchmarks/report.py

# The bundled model again, into build/training; training/README.md says how long it takes.
train:
	$(PYTHON) -m pip install --quiet --editable '.[train]'
	$(PYTHON) training/train.py --data $${ROBERTA_C_TEST_DATA:-../shared}/data

# The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own.
asan:
	rm -rf build/asan && mkdir -p build/asan
	ROBERTA_C_SANITIZE=address,undefined $(PYTHON) setup.py -q build_ext \
	    --build-lib build/asan --build-temp build/asan/objects
	find roberta_c -name '*.py' -exec cp --parents {} build/asan \;
	LD_PRELOAD=$$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:handle_segv=0 \
	    PYTHONPATH=build/asan:tests \
	    $(PYTHON) -P -m pytest -p no:cacheprovider --import-mode=importlib tests/kernels \
	    --ignore tests/kernels/test_door.py --ignore tests/kernels/test_kernel_check.py
