"""An API server that is reached through a proxy, as kubectl does: proxy-url of the kubeconfig, else the environment."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.core.backoff import RetryPolicy
from components.core.errors import InputError, StepError
from components.kubernetes.connection import connect
from components.kubernetes.errors import ApiError

FAR = "http://api.example.invalid:8080"
ONCE = RetryPolicy(limit_s=0.0, first_pause_s=0.0)


@pytest.fixture
def proxy():
    """A proxy that is the API server as well; its attribute `asked` has the targets of its requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            body = json.dumps({"items": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.address = [], f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    """Writes a kubeconfig with a cluster."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    def write(**cluster):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "far",
            "contexts": [{"name": "far", "context": {"cluster": "far", "user": "me", "namespace": "music"}}],
            "clusters": [{"name": "near", "cluster": {"server": "http://near"}}, {"name": "far", "cluster": cluster}],
            "users": [{"name": "me", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(json.dumps(config))

    return write


def test_the_proxy_of_the_kubeconfig_is_used(proxy, kubeconfig, monkeypatch):
    kubeconfig(server=FAR, **{"proxy-url": f"http://{proxy.address}"})
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert connect(policy=ONCE).get("pods") == {"items": []}
    assert proxy.asked == [f"{FAR}/api/v1/namespaces/music/pods"]


@pytest.mark.parametrize("scheme", ["", "http://"])
@pytest.mark.parametrize(
    ("server", "without"), [(FAR, ".example.invalid"), ("http://240.0.0.1", "10.0.0.0/8,240.0.0.0/8")]
)
def test_the_proxy_of_the_environment_is_used(proxy, kubeconfig, monkeypatch, scheme, server, without):
    kubeconfig(server=server)
    monkeypatch.setenv("HTTP_PROXY", scheme + proxy.address)
    assert connect(policy=ONCE).get("pods") == {"items": []}
    monkeypatch.setenv("NO_PROXY", without)
    with suppress(StepError, ApiError):  # nobody is there, or somebody else
        connect(policy=ONCE).get("pods")
    assert len(proxy.asked) == 1


def test_a_cluster_of_this_machine_needs_no_proxy(proxy, kubeconfig, monkeypatch):
    kubeconfig(server=f"http://{proxy.address}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert connect(policy=ONCE).get("pods") == {"items": []}
    assert proxy.asked == ["/api/v1/namespaces/music/pods"]


def test_another_kind_of_proxy_is_refused(kubeconfig):
    kubeconfig(server=FAR, **{"proxy-url": "socks5://me:secret@127.0.0.1:1080"})
    with pytest.raises(
        InputError, match=r"^proxy-url of the kubeconfig '.*' is 'socks5://.*': expected http://"
    ) as told:
        connect()
    assert "secret" not in str(told.value)
