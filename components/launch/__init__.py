"""One Kubernetes Job for each training: create it or adopt it, watch it, say what it waits for, stop it. No TensorFlow.

`training` and `names` say what is launched, `template` and `job` make the Job of it; `connection`, `api` and `answers`
speak with the API server, `watching` and `logs` follow what it streams; `pods`, `refusals` and `states` turn that into
words; `adopting`, `following` and `termination` decide what to do, `step` puts it all together.
"""
