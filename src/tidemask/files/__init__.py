"""Files and the paths to them: whole or absent, locked by one process, watched, named by a user."""
