#!/bin/sh
# Builds images with docker buildx, podman or buildah: `build.sh IMAGE...`, from the repository's root. `make images` calls it.
#
# The same commit and the same base make the same image: the base is named by digest, every date is the commit's, and all
# packages are locked. Settings come from the environment; images/README.md lists them. At the end it writes the names of the
# images, by digest if they were pushed, to build/images, a kustomize component.
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

push() { # image name; prints its digest in the registry
    case $ENGINE in
        docker)
            docker push -q "$1" >&2
            digest_of "$1"
            ;;
        podman | buildah)
            "$ENGINE" push --digestfile "$component/digest" "$1" >&2
            cat "$component/digest"
            rm "$component/digest"
            ;;
    esac
}

add_to_component() { # image name without tag, digest or nothing
    pinned="newTag: '$TAG'" reference=$1:$TAG
    if [ -n "$2" ]; then pinned="digest: $2" reference=$1@$2; fi
    echo "  - { name: luthier-$image, newName: $1, $pinned }" >>"$component/images"
    # Overlays such as gke name the registry themselves.
    if [ -n "$REGISTRY" ]; then echo "  - { name: $1, newName: $1, $pinned }" >>"$component/images"; fi
    case $image in
        data) echo "      - LUTHIER_DATA_IMAGE=$reference" >>"$component/settings" ;;
        train)
            echo "      - LUTHIER_TRAIN_IMAGE=$reference" >>"$component/settings"
            printf '%s\n' "# A patch of training-job.yaml." "spec:" "  template:" "    spec:" "      containers:" \
                "        - name: trainer" "          image: $reference" >"$component/job.yaml"
            ;;
    esac
}

finish_component() {
    {
        echo "# The images of commit $GIT_COMMIT, written by images/build.sh: add this component to your overlay, as the last one."
        printf '%s\n' "apiVersion: kustomize.config.k8s.io/v1alpha1" "kind: Component" "images:"
        cat "$component/images"
        if [ -f "$component/settings" ]; then
            printf '%s\n' "configMapGenerator:" "  - name: luthier-config" "    behavior: merge" \
                "    options: { disableNameSuffixHash: true }" "    literals:"
            cat "$component/settings"
        fi
        if [ -f "$component/job.yaml" ]; then
            printf '%s\n' "  - name: luthier-training-job" "    behavior: merge" \
                "    options: { disableNameSuffixHash: true }" "    files: [zz-images.yaml=job.yaml]"
        fi
    } >"$component/kustomization.yaml"
    if [ -f "$component/settings" ]; then sed 's/^ *- /export /' "$component/settings"; fi
    rm -f "$component/images" "$component/settings"
    rm -rf build/images
    mv "$component" build/images
}

case $ENGINE in
    docker | podman | buildah) command -v "$ENGINE" >/dev/null || fail "there is no '$ENGINE' here: install it or set ENGINE" ;;
    *) fail "ENGINE is '$ENGINE', expected docker, podman or buildah" ;;
esac
case $VARIANT in gpu | cpu) ;; *) fail "VARIANT is '$VARIANT', expected gpu or cpu" ;; esac
if [ -z "$PYTHON_DIGEST" ]; then
    PYTHON_DIGEST=$(digest_of "$PYTHON_IMAGE") || fail "cannot get the base '$PYTHON_IMAGE': set PYTHON_IMAGE or PYTHON_DIGEST"
fi
mkdir -p build
component=$(mktemp -d build/images.XXXXXX)
trap 'rm -rf "$component"' EXIT
chmod 755 "$component"
for image in "$@"; do
    [ -f "images/$image/Dockerfile" ] || fail "there is no image '$image': expected data, train or mlflow"
    name=${REGISTRY:+$REGISTRY/}luthier-$image digest=
    build "$name:$TAG" "images/$image/Dockerfile"
    if [ -n "$PUSH" ]; then digest=$(push "$name:$TAG"); fi
    add_to_component "$name" "$digest"
done
finish_component
