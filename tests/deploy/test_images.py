"""Dockerfile, compose.yaml and kubernetes.yaml: what they run, as whom, and what they keep out."""

import re
import tomllib
from typing import Any

import pytest

from tests.deploy.files import COMPOSE, IGNORED, KUBERNETES, compose, instructions, kubernetes
from tests.spawned import ROOT

SERVERS = ["server-1", "server-2", "server-3"]
NAME = r"\b(?:INCIDENTIO|INCIDENT_MCP|IONHOUR)_[A-Z_]+[A-Z]\b"
KNOWN = {name for path in (ROOT / "src").rglob("*.py") for name in re.findall(NAME, path.read_text("utf-8"))}
SECRETS = ["INCIDENTIO_API_KEY", "IONHOUR_API_KEY", "INCIDENT_MCP_SECRET"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def last(instruction: str) -> str:
    return [text for name, text in instructions() if name == instruction][-1]


def pod() -> dict[str, Any]:
    return kubernetes("Deployment")["spec"]["template"]["spec"]


def test_the_image_runs_as_a_numeric_user_who_is_not_root() -> None:
    user, _, group = last("USER").partition(":")
    assert user.isdigit()
    assert group.isdigit()
    assert 0 not in (int(user), int(group))


def test_the_image_has_a_health_check_that_starts_no_shell() -> None:
    assert re.search(r'CMD \["python", "-c", ".*http://127\.0\.0\.1:8000/health', last("HEALTHCHECK"))
    # Python accepts the program text between the quotes.
    compile(re.findall(r'"-c", "(.*)"\]', last("HEALTHCHECK"))[0], "health", "exec")


def test_the_image_starts_the_server() -> None:
    assert (last("ENTRYPOINT"), last("CMD")) == ('["incident-mcp"]', '["serve", "--host", "0.0.0.0"]')


def test_the_image_adds_nothing_from_an_address_and_takes_only_the_installed_package() -> None:
    assert [text for name, text in instructions() if name == "ADD"] == []
    assert [text for name, text in instructions() if name == "COPY"][1:] == [
        "--from=build /opt/incident-mcp /opt/incident-mcp"
    ]
    assert not [
        text for name, text in instructions() if name in ("ARG", "ENV") and re.search(r"KEY|SECRET|TOKEN", text)
    ]


def images() -> list[str]:
    bases = [text.split()[0] for name, text in instructions() if name == "FROM"]
    services = [service["image"] for service in compose()["services"].values()]
    return bases + services + [container["image"] for container in pod()["containers"]]


@pytest.mark.parametrize("image", images())
def test_every_image_is_pinned_to_a_minor_version(image: str) -> None:
    assert re.search(r":\d+\.\d+[\w.-]*$", image)


def test_images_of_ours_are_of_this_version() -> None:
    ours = [image.rpartition(":")[2] for image in images() if "incident-mcp:" in image]
    assert ours == [VERSION] * 4


def test_what_is_sent_to_the_builder_is_an_allow_list_of_what_the_wheel_needs() -> None:
    lines = [line for line in IGNORED.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {path.split("/")[0] for path in build["force-include"]} | set(build["sources"])
    assert allowed == needed | {"pyproject.toml", "README.md", "LICENSE"}


@pytest.mark.parametrize("file", [COMPOSE, KUBERNETES], ids=["compose", "kubernetes"])
def test_every_setting_that_a_deployment_names_exists(file: Any) -> None:
    named = set(re.findall(NAME, file.read_text("utf-8")))
    assert named
    assert sorted(named - KNOWN) == []


def test_compose_runs_three_equal_replicas_and_publishes_only_nginx() -> None:
    services = compose()["services"]
    assert [services[name] for name in SERVERS] == [services["server-1"]] * 3
    assert [name for name in services if "ports" in services[name]] == ["nginx"]
    assert services["nginx"]["networks"] == ["public", "front"]
    assert services["redis"]["networks"] == ["state"]
    assert compose()["networks"]["state"] == {"internal": True}


@pytest.mark.parametrize("name", [*SERVERS, "nginx", "redis"])
def test_every_container_is_hardened(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode"} & set(service)
    assert "0" not in service["user"].split(":")
    assert service["mem_limit"]


def test_redis_writes_before_it_answers_and_evicts_nothing() -> None:
    command = compose()["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert compose()["services"]["redis"]["volumes"] == ["redis:/data"]


def test_no_secret_is_written_into_a_deployment() -> None:
    environment = compose()["services"]["server-1"]["environment"]
    assert not set(SECRETS) & set(environment)
    assert environment["INCIDENTIO_API_KEY_FILE"].startswith("/run/secrets/")
    assert environment["INCIDENT_MCP_SECRET_FILE"].startswith("/run/secrets/")
    assert environment["INCIDENT_MCP_WEBHOOK_SECRET"].startswith("${")
    assert "kind: Secret" not in KUBERNETES.read_text("utf-8")
    [container] = pod()["containers"]
    written = {entry["name"] for entry in container["env"] if "value" in entry}
    assert not written & {*SECRETS, "INCIDENT_MCP_WEBHOOK_SECRET", "INCIDENT_MCP_REDIS_URL"}


def test_kubernetes_runs_three_replicas_of_which_one_may_be_away() -> None:
    assert kubernetes("Deployment")["spec"]["replicas"] == 3
    assert kubernetes("PodDisruptionBudget")["spec"]["minAvailable"] == 2
    labels = kubernetes("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        kubernetes("Deployment")["spec"]["selector"]["matchLabels"],
        kubernetes("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        kubernetes("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        kubernetes("Service")["spec"]["selector"],
    ):
        assert selector == labels


def test_a_pod_is_not_root_and_writes_only_to_its_own_folders() -> None:
    [container] = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert f"{pod()['securityContext']['runAsUser']}:{pod()['securityContext']['runAsGroup']}" == last("USER")
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert set(container["resources"]) == {"requests", "limits"}
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/state", "/tmp"]  # noqa: S108  # paths in a container


def test_a_pod_is_replaced_when_it_hangs_and_gets_calls_when_they_can_succeed() -> None:
    [container] = pod()["containers"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert [container[probe]["httpGet"]["path"] for probe in probes] == ["/health", "/health", "/ready?for=reads"]


def test_files_of_secrets_are_mounted_as_a_folder_so_that_changes_arrive() -> None:
    [container] = pod()["containers"]
    assert not any("subPath" in mount for mount in container["volumeMounts"])
    assert compose()["services"]["server-1"]["volumes"][0] == "./secrets:/run/secrets:ro"
    [secrets] = [volume["secret"] for volume in pod()["volumes"] if "secret" in volume]
    folder = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
    mounted = {f"{folder}/{item['path']}" for item in secrets["items"]}
    assert mounted == {entry["value"] for entry in container["env"] if entry["name"].endswith("_FILE")}
