#!/bin/sh
# What an image's builder stage runs: `install.sh libraries LOCK...`, then `install.sh application`.
#
# Libraries go to /opt/luthier, a virtual environment without pip; Luthier itself goes to /app, a layer of its own, so that
# a new version is a small download. Hashes are checked where packages are fetched. The tools that build kfp, which comes as
# source, stay in /build and in the builder stage.
set -eu

# A mirror's settings come as build secrets and leave no trace: /etc/pip.conf (pip reads it) and a certificate authority.
if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
export PYTHONHASHSEED=0 # sets inside compiled modules are written in one order

pip_into() { # the environment's own pip would be left in it
    python=$1
    shift
    /build/bin/pip --python "$python" install --quiet --no-index --no-deps --no-compile "$@"
}

purelib() {
    /opt/luthier/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

compile() { # by hash and never checked: no dates in the files, nothing to read beside them at a start
    /opt/luthier/bin/python -m compileall -q -j 1 --invalidation-mode unchecked-hash "$1"
}

libraries() {
    python3 -m venv /build
    /build/bin/pip install --quiet --no-deps --require-hashes -r bootstrap.txt
    for lock in "$@"; do
        /build/bin/pip wheel --quiet --no-deps --no-build-isolation --require-hashes -r "$lock" -w /wheels
    done
    python3 -m venv --without-pip /opt/luthier
    pip_into /opt/luthier/bin/python /wheels/*.whl
    rm -r /wheels
    echo /app >"$(purelib)/luthier.pth"
    find "$(purelib)" -depth -type d -name tests -exec rm -r {} + # of pandas, NumPy, SciPy: 100 MB that nothing imports
    compile /opt/luthier/lib
}

application() {
    /build/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation -w /dist .
    pip_into /opt/luthier/bin/python --target /app /dist/*.whl
    compile /app
}

"$@"
