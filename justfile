# Recipes of the project. `./justw RECIPE` runs them where no just is installed.

set positional-arguments

python := ".venv/bin/python"

# List the recipes.
[private]
default:
    @{{ just_executable() }} --justfile "{{ justfile() }}" --list --unsorted

# However a recipe was called, .venv is made and kept fresh by the same bootstrap.
[private]
venv:
    @./justw --ensure-venv

# Run scenarios: all of them, or IDs such as S7, s7, S3-S9, "S1 S4"; see --help for options.
[group('scenarios')]
[no-exit-message]
peer-cli-tests *ids_and_options: venv
    @{{ python }} -m scenarios run "$@"

# Prove the scenarios by running them against mutants; IDs, --mutant NAME, --full; see --help.
[group('scenarios')]
[no-exit-message]
peer-cli-audit *ids_and_options: venv
    @{{ python }} -m scenarios audit "$@"

# List the scenarios: ID, name, what each proves.
[group('scenarios')]
[no-exit-message]
peer-cli-list *options: venv
    @{{ python }} -m scenarios list "$@"

# Write report.html and trace.json of a run again (default: the latest) and print the path.
[group('scenarios')]
[no-exit-message]
peer-cli-report *run: venv
    @{{ python }} -m scenarios report "$@"

# Show flake rates and durations of all runs: all scenarios, or IDs.
[group('scenarios')]
[no-exit-message]
peer-cli-history *ids_and_options: venv
    @{{ python }} -m scenarios history "$@"

# Print what runs came to as Markdown (default: the latest); --since UNIX-SECONDS.
[group('scenarios')]
[no-exit-message]
peer-cli-summary *runs_and_options: venv
    @{{ python }} -m scenarios summary "$@"

# Start a peer at your keyboard with the games of fixture-NAME (alpha, bravo, charlie, ...).
[group('scenarios')]
[no-exit-message]
peer-cli-run name *options: venv
    @{{ python }} -m scenarios live "$@"

# Build the peer's Docker image.
[group('scenarios')]
[no-exit-message]
peer-cli-image *options: venv
    @{{ python }} -m scenarios image "$@"

# Remove what dead runs left: containers, networks, processes.
[group('scenarios')]
[no-exit-message]
peer-cli-clean *options: venv
    @{{ python }} -m scenarios clean "$@"

# Write the scenario matrix (PEER_CLI_SCENARIOS.md) from the scenarios' own data; --log RUN.
[group('scenarios')]
[no-exit-message]
peer-cli-matrix *options: venv
    @{{ python }} -m scenarios matrix --write "$@"

# Everything: lint, unit tests, the audit, which proves that the scenarios can fail, and all of these
# as processes and, where an engine answers, in Docker.
[group('project')]
[no-exit-message]
test: lint unit
    @{{ python }} -m scenarios audit --quiet
    @{{ python }} -m scenarios run --backend all

# What CI runs at night, all of it or PARTS: process docker repeats audit benchmarks.
[group('project')]
[no-exit-message]
nightly *parts: venv
    @.ci/nightly "$@"

# Unit tests only; options go to pytest.
[group('project')]
[no-exit-message]
unit *options: venv
    @{{ python }} -m pytest "$@"

# ruff (rules and format) and mypy.
[group('project')]
[no-exit-message]
lint: venv
    @{{ python }} -m ruff check .
    @{{ python }} -m ruff format --check .
    @{{ python }} -m mypy

# Format the code and mend what ruff can mend by itself.
[group('project')]
[no-exit-message]
fmt: venv
    @{{ python }} -m ruff check --fix-only .
    @{{ python }} -m ruff format .
