"""What kubeconfig files say, and what in them cannot be used."""

import base64
import json

import pytest

from pointsman_kubernetes.credentials import AccessError, Fixed, Identity, Plugin, TokenFile
from pointsman_kubernetes.kubeconfig import read_kubeconfig

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
ENCODED = base64.b64encode(PEM.encode()).decode()


@pytest.fixture
def written(tmp_path):
    """Writes a kubeconfig; its path."""

    def write(user=None, cluster=None, name="config", **content):
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://k.test:6443", **(cluster or {})}}],
            "users": [{"name": "u", "user": user or {}}],
        } | content
        (tmp_path / name).write_text(json.dumps(content))
        return str(tmp_path / name)

    return write


async def test_the_current_context_says_where_and_as_whom(written, tmp_path):
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": "n", "proxy-url": "http://p:1"}
    found = read_kubeconfig(written({"token": "t"}, cluster))

    assert (found.url, found.server_name, found.proxy) == ("https://k.test:6443", "n", "http://p:1")
    assert found.authority == str(tmp_path / "ca.crt")
    assert not found.skip_verify
    assert (await found.credentials.identity()).headers == {"Authorization": "Bearer t"}
    assert "Bearer" not in repr(found)


@pytest.mark.parametrize(
    ("user", "headers"),
    [
        ({"username": "a", "password": "b"}, {"Authorization": "Basic YTpi"}),
        ({"token": "t", "as": "jane"}, {"Impersonate-User": "jane", "Authorization": "Bearer t"}),
        ({"client-certificate-data": ENCODED, "client-key-data": ENCODED}, {}),
        ({}, {}),
    ],
)
async def test_users_show_what_they_have(written, user, headers):
    identity = await read_kubeconfig(written(user)).credentials.identity()

    assert identity.headers == headers
    assert identity.pair == ((PEM, PEM) if "client-key-data" in user else None)


def test_a_token_file_is_beside_the_file_that_names_it(written, tmp_path):
    assert read_kubeconfig(written({"tokenFile": "t"})).credentials == TokenFile(str(tmp_path / "t"))


def test_nothing_secret_is_told_to_a_server_without_tls(written):
    found = read_kubeconfig(written({"token": "t"}, {"server": "http://k.test"}))

    assert found.credentials == Fixed(Identity())


def test_what_several_files_say_is_put_together_and_the_first_wins(written, tmp_path):
    first = written(name="1", users=[], clusters=[])
    second = written({"token": "second"}, {"server": "https://second", "certificate-authority-data": ENCODED}, name="2")
    third = written({"token": "third"}, {"server": "https://third"}, name="3")

    found = read_kubeconfig(f"{first}:{second}::{third}")
    assert (found.url, found.authority) == ("https://second", PEM)


async def test_a_plugin_is_told_of_the_cluster_if_it_wants_to_be(written, tmp_path):
    out = tmp_path / "out"
    status = '{"status": {"clientCertificateData": "c", "clientKeyData": "k"}}'
    script = f"echo \"$KUBERNETES_EXEC_INFO\" > {out}; echo '{status}'"
    said = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}
    found = read_kubeconfig(written({"exec": {**said, "provideClusterInfo": True}}, {"certificate-authority-data": ENCODED}))

    assert await found.credentials.identity() == Identity({}, ("c", "k"))
    told = json.loads(out.read_text())
    assert told["spec"]["cluster"] == {"server": "https://k.test:6443", "certificate-authority-data": ENCODED}
    assert told["apiVersion"] == "client.authentication.k8s.io/v1"


@pytest.mark.parametrize(
    ("ends", "runs"), [("2999-01-01T00:00:00Z", 1), ("2000-01-01T00:00:00Z", 2), ("2999-01-01T00:00:00", 1)]
)
async def test_a_plugin_is_run_again_when_what_it_said_ends(tmp_path, ends, runs):
    script = f'echo >> {tmp_path}/n; echo \'{{"status": {{"token": "t", "expirationTimestamp": "{ends}"}}}}\''
    plugin = Plugin(["sh", "-c", script], {}, "v1")

    assert (await plugin.identity()).headers == (await plugin.identity()).headers == {"Authorization": "Bearer t"}
    assert len((tmp_path / "n").read_text()) == runs


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo hello", "prints no ExecCredential"),
        ("echo '{\"status\": 7}'", "prints no ExecCredential"),
        ('echo \'{"status": {"expirationTimestamp": "soon"}}\'', "prints no ExecCredential"),
        ('echo \'{"status": {"token": "a b"}}\'', "the token has characters that no token has"),
        ("echo first >&2; echo last >&2; exit 7", r"ended with 7 \(last\)"),
    ],
)
async def test_a_plugin_that_says_nothing_of_use_is_an_error(script, told):
    with pytest.raises(AccessError, match=told):
        await Plugin(["sh", "-c", script], {}, "v1").identity()


async def test_a_plugin_that_is_not_there_is_an_error():
    with pytest.raises(AccessError, match="/nowhere cannot be run: No such file"):
        await Plugin(["/nowhere"], {}, "v1").identity()


async def test_a_plugin_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr("pointsman_kubernetes.credentials.PLUGIN_SECONDS", 0.05)
    with pytest.raises(AccessError, match=r"takes longer than 0\.05 s"):
        await Plugin(["sleep", "60"], {}, "v1").identity()


PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}


@pytest.mark.parametrize(
    ("user", "cluster", "content", "told"),
    [
        ({}, {}, {"current-context": "x"}, "has no context 'x'"),
        ({}, {}, {"contexts": 7}, "has no context 'c'"),
        ({}, {}, {"clusters": []}, "names the cluster 'k'"),
        ({}, {}, {"users": [{}]}, "names the user 'u'"),
        ({}, {"certificate-authority-data": "!"}, {}, "certificate-authority-data is no base64"),
        ({}, {"proxy-url": "socks5://p"}, {}, "proxy-url"),
        ({"auth-provider": {"name": "gcp"}}, {}, {}, "auth-provider is gone"),
        ({"as": "j", "as-groups": ["g"]}, {}, {}, "as-groups"),
        ({"token": "a\nb"}, {}, {}, "characters"),
        ({"exec": {**PLUGIN, "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, {}, {}, "apiVersion"),
        ({"exec": {**PLUGIN, "command": ""}}, {}, {}, "needs a command"),
        ({"exec": {**PLUGIN, "interactiveMode": "Always"}}, {}, {}, "nobody is there"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_file_and_the_way_out(written, user, cluster, content, told):
    with pytest.raises(AccessError, match=told):
        read_kubeconfig(written(user, cluster, **content))


@pytest.mark.parametrize(
    ("text", "told"), [("a: [", "is no YAML: an error in line"), ("\xff\x00", "is no YAML"), ("7", "no context")]
)
def test_what_is_no_kubeconfig_is_refused(tmp_path, text, told):
    (tmp_path / "config").write_text(text, encoding="latin-1")
    with pytest.raises(AccessError, match=told):
        read_kubeconfig(str(tmp_path / "config"))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(AccessError, match="cannot be read: No such file"):
        read_kubeconfig(str(tmp_path / "config"))
