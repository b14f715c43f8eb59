"""One Kubernetes Job for each training: create or adopt it, follow it, log its state, terminate it. No TensorFlow.

`request` has what to train, `template` and `job` make the Job of it, `labels` its labels and annotations; `pod_state`,
`job_state` and `events` tell what it is doing and why it is pending; `reconcile`, `follow` and `terminate` act on it;
`result` reads what it trained; `step` connects them. `local_process` trains without a cluster.
"""
