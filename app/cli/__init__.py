"""The command line (cli.md): one small module for each command."""
