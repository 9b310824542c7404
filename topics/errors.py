"""The one error a user reads."""


class TaplineError(Exception):
    """Something the user has to know or mend; its message is one line that says what to do.

    The command line prints ``tapline: <message>`` and leaves with code 1, without a traceback.
    """
