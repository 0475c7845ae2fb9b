"""The command line: a file a command; each reads arguments, calls a function, shows its result."""
