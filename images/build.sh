#!/bin/sh
# Builds images with docker buildx, podman or buildah: `build.sh IMAGE...`, from the repository's root. `make images` calls it.
#
# The same commit and the same base make the same image: the base is named by digest, every date is the commit's, and all
# packages are locked. Settings come from the environment; images/README.md lists them.
set -eu

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
: "${ENGINE:=docker}" "${REGISTRY:=}" "${TAG:=$version}" "${VARIANT:=gpu}" "${PIP_CONF:=}" "${CA_CERT:=}" "${BUILD_FLAGS:=}" "${PUSH:=}"
: "${PYTHON_IMAGE:=docker.io/library/python:3.11-slim-bookworm}" "${PYTHON_DIGEST:=}" "${OUTPUT:=type=docker}"
: "${SOURCE_URL:=$(git config remote.origin.url | grep -o '^https://.*' | sed 's#//[^/]*@#//#' || true)}"
: "${GIT_COMMIT:=$(git describe --always --dirty --abbrev=40 --exclude '*')}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH

fail() {
    echo "build.sh: $1" >&2
    exit 2
}

digest_of() { # of the image that the engine has or can pull
    case $ENGINE in
        docker) docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1" ;;
        podman) { podman image exists "$1" || podman pull -q "$1" >&2; } && podman image inspect --format '{{.Digest}}' "$1" ;;
        buildah) buildah pull -q --policy missing "$1" >&2 && buildah inspect --type image --format '{{.FromImageDigest}}' "$1" ;;
    esac
}

build() { # image name, Dockerfile
    set -- -t "$1" -f "$2"
    for pair in "PYTHON_IMAGE=$PYTHON_IMAGE" "PYTHON_DIGEST=$PYTHON_DIGEST" "GIT_COMMIT=$GIT_COMMIT" "VERSION=$version" \
        "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" "SOURCE=$SOURCE_URL" "VARIANT=$VARIANT"; do
        set -- "$@" --build-arg "$pair"
    done
    if [ -n "$PIP_CONF" ]; then set -- "$@" --secret "id=pip.conf,src=$PIP_CONF"; fi
    if [ -n "$CA_CERT" ]; then set -- "$@" --secret "id=ca.crt,src=$CA_CERT"; fi
    # shellcheck disable=SC2086  # BUILD_FLAGS are several
    case $ENGINE in
        docker) docker buildx build --provenance=false --build-arg SOURCE_DATE_EPOCH --output "$OUTPUT" $BUILD_FLAGS "$@" . ;;
        podman) podman build --timestamp "$SOURCE_DATE_EPOCH" $BUILD_FLAGS "$@" . ;;
        buildah) buildah bud --timestamp "$SOURCE_DATE_EPOCH" $BUILD_FLAGS "$@" . ;;
    esac
}

case $ENGINE in
    docker | podman | buildah) command -v "$ENGINE" >/dev/null || fail "there is no '$ENGINE' here: install it or set ENGINE" ;;
    *) fail "ENGINE is '$ENGINE', expected docker, podman or buildah" ;;
esac
case $VARIANT in gpu | cpu) ;; *) fail "VARIANT is '$VARIANT', expected gpu or cpu" ;; esac
if [ -z "$PYTHON_DIGEST" ]; then
    PYTHON_DIGEST=$(digest_of "$PYTHON_IMAGE") || fail "cannot get the base '$PYTHON_IMAGE': set PYTHON_IMAGE or PYTHON_DIGEST"
fi
for image in "$@"; do
    [ -f "images/$image/Dockerfile" ] || fail "there is no image '$image': expected data, train or mlflow"
    name=${REGISTRY:+$REGISTRY/}luthier-$image:$TAG
    build "$name" "images/$image/Dockerfile"
    if [ -n "$PUSH" ]; then "$ENGINE" push "$name"; fi
done
