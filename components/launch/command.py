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
@click.option("--warm-start", default="", metavar="URI", help="Start with the weights of this model or training.")
@click.option("--run", "run_id", metavar="ID", help="Id of the run that it belongs to, for the Job's name and labels.")
@click.option("--image", help="Image of the trainer.  [default: the template's, else LUTHIER_TRAIN_IMAGE]")
@click.option(
    "--template",
    default=f"configmap/{CONFIG_MAP}",
    show_default=True,
    metavar="TEMPLATE",
    help="The Job to fill in: a YAML file, a directory of a Job and patches, or configmap/NAME.",
)
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "-n", "--namespace", help="Namespace of the Job.  [default: LUTHIER_NAMESPACE, else the pod's or the context's]"
)
@click.option("--queue", metavar="NAME", help="LocalQueue of Kueue.")
@click.option(
    "--priority-class",
    metavar="NAME",
    help="PriorityClass of the pods; with a queue, the WorkloadPriorityClass of Kueue.",
)
@click.option("--nodes", default=1, show_default=True, help="Pods that train together.")
@click.option("--gpus", type=int, help="GPUs of each pod; 0 for none.  [default: the template's]")
@click.option("--follow/--detach", "follows", default=True, help="Follow the Job to its end, or only create it.")
@click.option(
    "--on-terminate",
    type=click.Choice(["suspend", "delete", "leave"]),
    default="suspend",
    show_default=True,
    help="What to do with the Job on SIGTERM or Ctrl-C.",
)
@click.option(
    "--dry-run",
    is_flag=False,
    flag_value="client",
    type=click.Choice(["client", "server"]),
    help="Print the Job instead of creating it; with --dry-run=server, the API server checks it first.",
)
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
    dry_run: str | None,
) -> None:
    """Train one synthesizer as a Kubernetes Job and follow it.

    Repeat the command at any time: it follows the Job if it is active, continues a training that was stopped, and does
    nothing if the training is finished.
    """
    from components.artifacts.training_dir import TrainingDir
    from components.launch import result
    from components.launch.request import Placement, TrainingRequest
    from components.launch.step import ClusterOptions, check_on_server, launch, manifest

    request = TrainingRequest.checked(data_uri, family, synth, out_uri, preset, bindings, run_id, warm_start)
    placement = Placement(image, queue, priority_class, nodes, gpus)
    cluster = ClusterOptions(context, namespace, template)
    if dry_run:
        import yaml

        job = manifest(request, placement, cluster)
        if dry_run == "server":
            click.echo(check_on_server(job, cluster), err=True)
        click.echo(yaml.safe_dump(job, sort_keys=False, width=120), nl=False)
        return
    launched = launch(request, placement, cluster, on_terminate, follows)
    if launched.record is None:
        click.echo(f"launched: {request.name}")
        click.echo(f"  follow  kubectl -n {launched.namespace} logs -f job/{launched.job_name}")
        return
    click.echo(f"{'trained already' if launched.reused else 'trained'}: {request.name}")
    outcome = result.outcome(launched.record)
    click.echo(f"  steps   {outcome.steps} ({outcome.stop_reason})")
    click.echo(f"  loss    {outcome.best_valid_loss:.2f} held out, at step {outcome.best_step}")
    click.echo(f"  model   {TrainingDir(request.out_uri).model_uri}")
