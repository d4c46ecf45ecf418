"""PostgreSQL, Valkey and a language model on this machine, and the supervisor behind `polyagent up`."""
