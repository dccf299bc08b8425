"""The ways to an API server, and which is taken (kubernetes.md §1.1)."""

import os

import pytest
import trustme

from pointsman import Secret, Url
from pointsman_kubernetes import access
from pointsman_kubernetes.access import Trust, place
from pointsman_kubernetes.credentials import AccessError, Fixed, TokenFile
from pointsman_kubernetes.options import AccessConfig


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


def config(endpoint="", token=""):
    return AccessConfig(endpoint=Url(endpoint), token=Secret(token))


@pytest.mark.parametrize(
    ("host", "endpoint", "url"),
    [
        ("10.43.0.1", "", "https://10.43.0.1:443"),
        ("fd00::1", "", "https://[fd00::1]:443"),
        ("10.43.0.1", "https://near.test:6443/", "https://near.test:6443"),
    ],
)
def test_in_a_pod_the_service_account_goes_first(monkeypatch, host, endpoint, url):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    found = place(config(endpoint, "not.looked.at"))

    assert found.url == url
    assert found.credentials == TokenFile(f"{access.SERVICE_ACCOUNT}/token")


def test_elsewhere_an_endpoint_is_needed():
    with pytest.raises(AccessError, match=r"endpoint missing for external cluster client: .* set 'endpoint' and 'token'"):
        place(config())


@pytest.mark.parametrize(
    "url", ["k.test:6443", "ftp://k.test", "https://", "https://me:pw@k.test", "https://k:0", "https://k?x=1"]
)
def test_what_is_no_url_of_a_server_is_refused_without_its_secrets(url):
    with pytest.raises(AccessError, match="write it as https://host:port") as caught:
        place(config(url))
    assert "pw" not in str(caught.value)


async def test_a_token_is_itself_or_a_file(tmp_path):
    (tmp_path / "token").write_text("t\n")

    for given in ("t", str(tmp_path / "token")):
        identity = await place(config("https://k.test", given)).credentials.identity()
        assert identity.headers == {"Authorization": "Bearer t"}
    assert isinstance(place(config("https://k.test")).credentials, Fixed)
    assert "secret" not in repr(place(config("https://k.test", "secret")))


@pytest.mark.parametrize(
    ("content", "told"), [(None, "No such file"), (b"", "is empty"), (b"\xff", "is no text"), (b"a\x00b", "characters")]
)
async def test_a_token_file_that_holds_none_is_an_error_that_names_it(tmp_path, content, told):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AccessError, match=told):
        await TokenFile(str(file)).identity()


def test_contexts_are_made_anew_when_a_file_is_replaced(tmp_path):
    file = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(file)
    trust = Trust(str(file))
    first = trust.context(None)
    assert trust.context(None) is first

    trustme.CA().cert_pem.write_to_path(tmp_path / "new")
    os.replace(tmp_path / "new", file)
    assert trust.context(None) is not first


def test_an_authority_that_cannot_be_used_is_an_error_that_says_so(tmp_path):
    with pytest.raises(AccessError, match="No such file"):
        Trust(str(tmp_path / "ca.crt")).context(None)
    (tmp_path / "ca.crt").write_text("nothing")
    with pytest.raises(AccessError, match=r"way to the API server cannot be used: TLS\.ca: "):
        Trust(str(tmp_path / "ca.crt")).context(None)
    with pytest.raises(AccessError, match=r"cannot be used: .*cert"):
        Trust().context(("-----BEGIN CERTIFICATE-----\n", "-----BEGIN KEY-----\n"))
