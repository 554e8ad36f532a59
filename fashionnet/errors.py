"""The one exception that FashionNet raises for a request it cannot serve."""


class RequestError(Exception):
    """A wrong request or unusable input.

    Its message is one line for the person who asked: what is wrong, where, and what to do.
    The command line prints it on stderr and exits with code 2.
    """
