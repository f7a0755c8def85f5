"""Stdin and stdout as other programs use them."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="is-deaf-after-a-pause",
        breaks="Stops reading stdin once there was nothing to read.",
        edits=(
            Edit(
                "descriptors.py",
                old="            select.select([descriptor], [], [])",
                new="            select.select([], [], [])",
                package="headless",
            ),
        ),
        noticed_by={"S100": ("commands answered one by one",)},
        hurry=0.3,
    ),
    Mutant(
        name="calls-a-long-path-a-defect",
        breaks="Reports a path that is too long for the system as an internal error.",
        edits=(
            Edit(
                "library/folder.py",
                old="    except OSError as error:\n        raise LibraryError(",
                new="    except PermissionError as error:\n        raise LibraryError(",
            ),
        ),
        noticed_by={"S101": ("what hostile lines get", "always: no traceback on stderr")},
    ),
    Mutant(
        name="drops-its-games-with-a-bad-folder",
        breaks="Lists no games after a change to an unusable games folder was refused.",
        edits=(
            Edit(
                "peer.py",
                old="        except LibraryError as error:\n",
                new="        except LibraryError as error:\n"
                "            self._library._games.clear()\n"
                "            self._library.games_dir /= 'nothing'\n",
            ),
        ),
        noticed_by={"S101": ("games of alpha",)},
    ),
    Mutant(
        name="answers-whether-read-or-not",
        breaks="Accepts commands, and makes their replies, however many are waiting to be read.",
        edits=(
            Edit(
                "dispatch.py",
                old="            await self._output.caught_up()\n",
                new="",
                package="headless",
            ),
            Edit(
                "output.py",
                old="rows=data.rows,",
                new="rows=map(msgspec.Raw, [self._encode(row) for row in data.rows]),",
                package="headless",
            ),
        ),
        noticed_by={"S102": ("bytes by which memory grows",)},
    ),
    Mutant(
        name="tells-old-news",
        breaks="Keeps every event while nobody reads stdout.",
        edits=(
            Edit(
                "output.py",
                old="time.time(), event.state()))",
                new="time.time(), None))",
                package="headless",
            ),
        ),
        noticed_by={"S104": ("older ones that are told",)},
    ),
    Mutant(
        name="tells-only-the-first",
        breaks="Drops the newer of two events about a state while nobody reads stdout.",
        edits=(
            Edit(
                "output.py",
                old="        self._put(_Waiting(self._encode(event), event.event, time.time(), "
                "event.state()))\n",
                new="        if event.state() is None or event.state() not in self._newest:\n"
                "            self._put(_Waiting(self._encode(event), event.event, time.time(), "
                "event.state()))\n",
                package="headless",
            ),
        ),
        noticed_by={"S104": ("the newest",)},
    ),
    Mutant(
        name="forgets-whom-it-listed",
        breaks="Replies to list-peers with no peers after ten times.",
        edits=(
            Edit(
                "peer.py",
                old="        kept = sum(",
                new="        self.listed = getattr(self, 'listed', 0) + 1\n"
                "        if self.listed > 10:\n"
                "            now.clear()\n"
                "        kept = sum(",
            ),
        ),
        noticed_by={"S102": ("peers in all the replies",)},
    ),
)
