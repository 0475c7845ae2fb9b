"""The error that a user can cause and can mend: one line, no traceback at the command line."""


class UserError(ValueError):
    """Something in a file, an argument or a directory is wrong, and the message says what to do.

    The message has one line: what is wrong, where, the value seen, what is expected and what to
    do. The command line prints it and exits with status 2; every other exception is a defect of
    ours and shows its traceback.
    """


def one_line(error: BaseException) -> str:
    """What another library's error says, in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
