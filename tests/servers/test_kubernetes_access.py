"""The ways to an API server over real sockets (kubernetes.md §1.1): in a pod, by kubeconfig, by options."""

import stat
import sys

import pytest
import trustme

from pointsman_kubernetes import access

from .kubernetes_following import a_server, failure, followed, hurry, service

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def server():
    with a_server() as running:
        yield running


async def test_a_token_that_is_renewed_in_its_file_is_used(server, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    server.tokens = {"first"}
    async with followed(server, token=str(file)) as said:
        server.tokens = {"second"}
        server.hang_up()
        await said.problem("API server: ", "does not take the token")
        file.write_text("second")
        server.apply(service("new"))
        await said.until("new", "web")
        await said.no_problem()
        assert {each.token for each in server.asked} == {"first", "second"}


async def test_whom_the_server_does_not_take_is_an_error_without_the_token(server):
    server.tokens = {"right"}
    told = await failure({"endpoint": server.url, "token": "wr0ng"})
    assert told == f"{server.url}: does not take the token or certificate: Unauthorized"


async def test_in_a_pod_the_service_account_is_enough(monkeypatch, tmp_path):
    with a_server(tls=True) as server:
        server.tokens = {"account"}
        (tmp_path / "token").write_text("account")
        server.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        monkeypatch.setattr(access, "SERVICE_ACCOUNT", str(tmp_path))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        async with followed(server, endpoint="") as said:
            assert said.services() == ["default/web"]
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
        told = await failure()
        assert told.startswith(f"{server.url}: its certificate is not trusted")
        server.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        async with followed(server, certAuthFilePath="/nowhere", token="other") as said:
            assert said.services() == ["default/web"]


async def test_a_kubeconfig_leads_there_with_a_certificate_of_the_client(monkeypatch, tmp_path):
    with a_server(tls=True) as server:
        server.stop()
        server.client_authority = trustme.CA()
        server.start()
        leaf = server.client_authority.issue_cert("me@test")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "me.crt")
        leaf.private_key_pem.write_to_path(tmp_path / "me.key")
        user = {"client-certificate": "me.crt", "client-key": "me.key"}
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", user)))
        async with followed(server, endpoint="http://not.looked.at") as said:
            assert said.services() == ["default/web"]
        server.kubeconfig(tmp_path / "config", {})
        assert (await failure()).startswith(f"{server.url}: ")


async def test_a_credential_plugin_is_run_and_run_again_when_refused(monkeypatch, tmp_path):
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "told = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert told['kind'] == 'ExecCredential' and os.environ['WHO'] == 'me' and sys.argv[1:] == ['-v']\n"
        f"token = open({str(tmp_path / 'token')!r}).read()\n"
        f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    plugin.chmod(stat.S_IRWXU)
    (tmp_path / "token").write_text("one")
    version = "client.authentication.k8s.io/v1"
    user = {"apiVersion": version, "command": "./plugin", "args": ["-v"], "env": [{"name": "WHO", "value": "me"}]}
    with a_server(tls=True) as server:
        server.tokens = {"one"}
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", {"exec": user})))
        async with followed(server, endpoint="") as said:
            assert (tmp_path / "runs").read_text() == "x"
            server.tokens = {"two"}
            (tmp_path / "token").write_text("two")
            server.hang_up()
            server.apply(service("new"))
            await said.until("new", "web")
        plugin.write_text("#!/bin/sh\necho no luck >&2; exit 3\n")
        assert await failure() == f"the credential plugin {tmp_path}/./plugin ended with 3 (no luck)"
