"""`luthier launch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from components.config.catalog import preset_help, synth_help
from components.launch.template import CONFIG_MAP

if TYPE_CHECKING:
    from components.launch.terminate import OnTerminate


@click.command("launch")
@click.option("--data", "data_uri", required=True, metavar="URI", help="Root of a sorted set.")
@click.option("--family", required=True, help="Instrument family.")
@click.option("--synth", required=True, help=f"{synth_help()}.")
@click.option("--out", "out_uri", required=True, metavar="URI", help="The training directory.")
@click.option("--preset", default="smoke", show_default=True, help=f"{preset_help()}.")
@click.option("--set", "bindings", multiple=True, metavar="BINDING", help="Gin binding, 'train.max_steps = 400'.")
@click.option("--warm-start", default="", metavar="URI", help="A training or model whose weights it begins with.")
@click.option("--run", "run_id", metavar="ID", help="The run that it belongs to: part of the Job's name, and a label.")
@click.option("--image", help="The trainer's image, over the template's and LUTHIER_TRAIN_IMAGE.")
@click.option(
    "--template",
    default=f"configmap/{CONFIG_MAP}",
    show_default=True,
    metavar="PLACE",
    help="The Job to fill in: a file, a folder with files laid over it, or configmap/NAME.",
)
@click.option("--context", help="Context of the kubeconfig.")
@click.option("-n", "--namespace", help="Default: LUTHIER_NAMESPACE, the pod's own, or the context's.")
@click.option("--queue", metavar="NAME", help="Kueue LocalQueue to wait in.")
@click.option("--priority-class", metavar="NAME", help="PriorityClass of the pods.")
@click.option("--nodes", default=1, show_default=True, help="Pods that train together.")
@click.option("--gpus", type=int, help="GPUs of each pod; 0 for none.  [default: the template's]")
@click.option("--follow/--detach", "follows", default=True, help="Wait for the end, or only create the Job.")
@click.option(
    "--on-terminate",
    type=click.Choice(["suspend", "delete", "leave"]),
    default="suspend",
    show_default=True,
    help="What becomes of the Job on SIGTERM or Ctrl-C.",
)
@click.option("--dry-run", is_flag=True, help="Print the Job, and create nothing.")
def command(
    data_uri: str,
    family: str,
    synth: str,
    out_uri: str,
    preset: str,
    bindings: tuple[str, ...],
    warm_start: str,
    run_id: str | None,
    image: str | None,
    template: str,
    context: str | None,
    namespace: str | None,
    queue: str | None,
    priority_class: str | None,
    nodes: int,
    gpus: int | None,
    follows: bool,
    on_terminate: OnTerminate,
    dry_run: bool,
) -> None:
    """Trains one synthesizer on one family as a Kubernetes Job.

    The same command again adopts its Job, or goes on where an earlier one was stopped; where the training is finished,
    it does nothing.
    """
    from components.launch.step import Cluster, launch, manifest
    from components.launch.training import Placement, Training

    training = Training.checked(data_uri, family, synth, out_uri, preset, bindings, run_id, warm_start)
    placement = Placement(image, queue, priority_class, nodes, gpus)
    cluster = Cluster(context, namespace, template)
    if dry_run:
        import yaml

        click.echo(yaml.safe_dump(manifest(training, placement, cluster), sort_keys=False, width=120), nl=False)
        return
    launched = launch(training, placement, cluster, on_terminate, follows)
    if launched.record is None:
        click.echo(f"launched: {training.name}")
        click.echo(f"  follow  kubectl -n {launched.namespace} logs -f job/{launched.job_name}")
        return
    click.echo(f"{'trained already' if launched.reused else 'trained'}: {training.name}")
    click.echo(f"  steps   {launched.record['steps']} ({launched.record['stop_reason']})")
    best = launched.record["best"]
    click.echo(f"  loss    {best['valid_loss']:.2f} held out, at step {best['step']}")
    click.echo(f"  model   {training.out_uri.rstrip('/')}/model")
