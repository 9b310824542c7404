"""``python -m tapline`` is the command line."""

from __future__ import annotations

from tapline.commands import main

if __name__ == "__main__":
    main()
