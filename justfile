# Recipes of the project. `./justw RECIPE` runs them without just installed.

set positional-arguments

python := ".venv/bin/python"

# List the recipes.
[private]
default:
    @{{ just_executable() }} --justfile "{{ justfile() }}" --list --unsorted

# However a recipe is called, the same script creates and updates .venv.
[private]
venv:
    @./justw --ensure-venv

# Run scenarios: all, IDs such as S7, s3-S9, "S1 T4", or a family such as lan; see --help.
[group('scenarios')]
[no-exit-message]
peer-cli-tests *ids_and_options: venv
    @{{ python }} -m scenarios run "$@"

# Run the scenarios against mutants, to prove that they can fail: IDs, --mutant NAME, --full; see --help.
[group('scenarios')]
[no-exit-message]
peer-cli-audit *ids_and_options: venv
    @{{ python }} -m scenarios audit "$@"

# List the scenarios: ID, name, what each proves.
[group('scenarios')]
[no-exit-message]
peer-cli-list *options: venv
    @{{ python }} -m scenarios list "$@"

# Rewrite report.html and trace.json of a run (default: the latest) and print the path.
[group('scenarios')]
[no-exit-message]
peer-cli-report *run: venv
    @{{ python }} -m scenarios report "$@"

# Show failure rates and durations over all runs: all scenarios, or IDs.
[group('scenarios')]
[no-exit-message]
peer-cli-history *ids_and_options: venv
    @{{ python }} -m scenarios history "$@"

# Print the results of runs as Markdown (default: the latest); --since UNIX-SECONDS.
[group('scenarios')]
[no-exit-message]
peer-cli-summary *runs_and_options: venv
    @{{ python }} -m scenarios summary "$@"

# Start a node at your keyboard: by default a peer with the games of fixture-NAME (alpha, ...).
[group('scenarios')]
[no-exit-message]
peer-cli-run name *options: venv
    @{{ python }} -m scenarios live "$@"

# Build the Docker images, one per program.
[group('scenarios')]
[no-exit-message]
peer-cli-image *options: venv
    @{{ python }} -m scenarios image "$@"

# Remove what killed runs and live nodes left: containers, networks, processes, mounts.
[group('scenarios')]
[no-exit-message]
peer-cli-clean *options: venv
    @{{ python }} -m scenarios clean "$@"

# Write the scenario matrix (PEER_CLI_SCENARIOS.md) from the scenarios' own data; --log RUN.
[group('scenarios')]
[no-exit-message]
peer-cli-matrix *options: venv
    @{{ python }} -m scenarios matrix --write "$@"

# Run everything: lint, unit tests, the audit, which runs all scenarios as processes too, and (with an engine) Docker.
[group('project')]
[no-exit-message]
test: lint (unit "-n" "3")
    @{{ python }} -m scenarios audit --quiet
    @{{ python }} -m scenarios run

# Measure downloads side by side: peers, bare sockets, curl, aria2, rsync, libtorrent; see --help.
[group('project')]
[no-exit-message]
bench *options: venv
    @{{ python }} -m benchmarks.compare "$@"

# Run CI's nightly job, all of it or PARTS: process docker repeats audit benchmarks.
[group('project')]
[no-exit-message]
nightly *parts: venv
    @.ci/nightly "$@"

# Run the unit tests only; options go to pytest.
[group('project')]
[no-exit-message]
unit *options: venv
    @{{ python }} -m pytest "$@"

# Run ruff (rules and format) and mypy.
[group('project')]
[no-exit-message]
lint: venv
    @{{ python }} -m ruff check .
    @{{ python }} -m ruff format --check .
    @{{ python }} -m mypy

# Format the code and apply ruff's automatic fixes.
[group('project')]
[no-exit-message]
fmt: venv
    @{{ python }} -m ruff check --fix-only .
    @{{ python }} -m ruff format .

# Lock all dependencies by version and hash (requirements/), after pyproject.toml changed; --upgrade.
[group('project')]
lock *options:
    @python3 -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv
    @.cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command "just lock" "$@" --output-file requirements/peer-cli.txt --extra mount pyproject.toml
    @.cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command "just lock" "$@" --output-file requirements/dev.txt --extra dev \
        --constraint requirements/peer-cli.txt pyproject.toml
