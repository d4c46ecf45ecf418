"""The command `polyagent`."""

from polyagent.adapters.cli.main import cli
from polyagent.adapters.cli.product import Product


def main() -> None:
    cli(obj=_product, prog_name="polyagent")


def _product() -> Product:
    import polyagent.app  # noqa: PLC0415 - it imports every adapter: `polyagent --help` does without

    return polyagent.app


if __name__ == "__main__":
    main()
