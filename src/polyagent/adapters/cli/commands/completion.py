"""The command that teaches a shell to complete."""

import rich_click as click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete `polyagent`.

    bash and zsh: eval "$(polyagent completion bash)" in their start file.
    fish: polyagent completion fish > ~/.config/fish/completions/polyagent.fish
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = ctx.find_root().command
    click.echo(complete(root, {}, "polyagent", "_POLYAGENT_COMPLETE").source())
