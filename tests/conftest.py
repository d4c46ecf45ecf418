pytest_plugins = ["tests.engines", "tests.model_service.fixtures"]
