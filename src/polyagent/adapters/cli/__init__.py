"""The command line: `polyagent up`, `serve`, `chat` and the rest."""
