"""``python -m loopline``: the same as the command ``loopline``."""

from loopline.apps.cli.main import main

main()
