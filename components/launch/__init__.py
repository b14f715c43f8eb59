"""One Kubernetes Job for each training: create or adopt it, follow it, log its state, terminate it.

* `request` has what to train; `template`, `job` and `labels` make the Job of it.
* `pod_state`, `job_state` and `events` tell what the Job is doing, and why it is pending.
* `reconcile` creates or adopts it, `follow` with its `inbox` follows it, `terminate` stops it.
* `followed_at` notes in the Job that a launcher follows it; `jobs` lists all Jobs and stops those without a launcher.
* `result` reads what it trained. `step` connects all of these. `local_process` trains without a cluster.
"""
