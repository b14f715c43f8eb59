"""The launcher in a pod: the service account's token, certificate and namespace, over TLS."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes.config import incluster_config

from components.kubernetes import connection
from tests.launch.api_rules import TOKEN


def certificate(folder):
    """Returns the files of a certificate for 127.0.0.1 that signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(address, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    (folder / "ca.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return folder / "ca.crt", folder / "key.pem"


@pytest.fixture
def pod(server, tmp_path, monkeypatch):
    """Makes this process look like a pod of the launcher's service account; returns the token's file."""
    certificate_file, key_file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    server.serve_tls(context)
    token, namespace = tmp_path / "token", tmp_path / "namespace"
    token.write_text(TOKEN)
    namespace.write_text("luthier\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate_file))
    monkeypatch.setattr(connection, "POD_NAMESPACE_PATH", namespace)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
    monkeypatch.delenv("KUBECONFIG")
    return token


def test_it_needs_nothing_but_its_service_account(pod, controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        workload.pod(node="node-1").runs().says("step 1").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert "step 1" in finished.out
    assert controllers.workloads[0].job is not None
    assert log_lines.count("volume is mounted") == 0  # a local path may well be one, in a pod


def test_a_certificate_of_somebody_else(pod, refused, arguments, monkeypatch, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate(other)[0]))
    assert "is not trusted" in refused(*arguments)
