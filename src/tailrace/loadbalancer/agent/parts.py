"""From the settings to what makes objects and puts them: the load balancer, the form, the names, the store, and the API that is asked.

What finds a cloud loads more than an agent should keep, so that is done in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from tailrace.accesslogging import AccessLogging
from tailrace.clock import Clock
from tailrace.clouds.cloud import Cloud
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.loadbalancer.agent.apart import apart
from tailrace.loadbalancer.agent.attributes import LARGEST, Asking
from tailrace.loadbalancer.agent.ship import Parts
from tailrace.loadbalancer.model import Attributes, Balancer, Form, Naming, Store
from tailrace.privatecloud import Kind
from tailrace.quantities import Duration
from tailrace.settings import Resolved

if TYPE_CHECKING:
    from tailrace.clouds.direct.putting import KeySource, Target

SHORTEST, LONGEST = Duration(1), Duration(86_400)
"""Between these an interval must be."""
_SOME: Final = Balancer(name="lb", account="000000000000", region="", address="")
"""Whatever is refused for this one is refused for all."""
_UNKNOWN: Final = "it is found out later"
_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_REFUSED: Final = 400


@dataclass(frozen=True)
class Making:
    """Makes the parts of an agent. `say`: tells people a sentence."""

    resolved: Resolved
    environ: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]

    @property
    def lb(self) -> AccessLogging:
        """What is set."""
        return self.resolved.settings.lb

    def parts(self) -> Parts:
        """What makes objects and puts them. Raises UsageError."""
        from tailrace.clouds.direct.putting import Putting  # noqa: PLC0415 - it is the shipper's alone

        store = self._swift() if self._is_elsewhere else Putting(self._target(), self._keys(), self.clock)
        return Parts(self._balancer, self._form, self._naming, store, self._headers)

    def asking(self) -> Asking | None:
        """What asks the API that tells the attributes, if one is set."""
        if not self.lb.attributes_url:
            return None
        return Asking(lambda: self._balancer().name, self._sender())

    def check(self) -> None:
        """Look whether objects could be named and put, as far as it is known without asking anybody. Raises UsageError."""
        if not SHORTEST <= self.lb.interval <= LONGEST:
            message = f"lb.interval = {self.lb.interval}: write 5m or 60m as AWS has it, or any other from {SHORTEST} to {LONGEST}"
            raise UsageError(message)
        apart(self._checked)

    def _checked(self) -> None:
        from tailrace.loadbalancer.owner import balancer  # noqa: PLC0415 - in a process of its own

        def nobody(_path: str) -> str | None:
            raise Retryable(_UNKNOWN)

        self.parts()
        self.asking()
        try:
            found = balancer(self.lb, self.cloud.region.value, nobody if self.lb.metadata else None)
        except Retryable:
            self._headers(_SOME)
            return
        self._headers(found)
        form = self._form(found)
        if not self.lb.attributes_url:
            self._naming(found, form, Attributes(enabled=True, bucket=self.lb.bucket, prefix=self.lb.prefix))

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud that the settings name. Raises UsageError."""
        return apart(self._find)

    def _find(self) -> Cloud:
        from tailrace.clouds.finding import Given, find  # noqa: PLC0415 - in a process of its own

        return find(self.resolved.settings.region, Given.of(self.resolved, self.environ))

    @property
    def _kind(self) -> Kind:
        told = self.lb.kind or self.cloud.kind.value
        return told if told in ("aws", "eucalyptus", "ceph", "swift") else "other"  # type: ignore[return-value]

    def _target(self) -> Target:
        from tailrace.clouds.direct.putting import Target, target_of  # noqa: PLC0415 - as above

        cloud, region = self.cloud, self.cloud.region.value
        if cloud.private or cloud.endpoints.get("s3") or cloud.shared:
            return target_of(cloud)
        if not region:
            raise UsageError("it is not known which cloud takes the objects: set region, or endpoint_url")
        return Target(f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}", region)

    @property
    def _is_elsewhere(self) -> bool:
        """Whether objects go into another project's container, to which no S3 API leads."""
        return self._kind == "swift" and bool(self.lb.bucket_owner)

    def _swift(self) -> Store:
        from tailrace.clouds.direct.openstack import login_in, login_of  # noqa: PLC0415 - as above
        from tailrace.clouds.direct.swift import Swift  # noqa: PLC0415

        path = self.resolved.settings.clouds.get(self.cloud.name, {}).get("openrc")
        login = login_in(Path(str(path))) if path else login_of(self.environ)
        return Swift(login, account=self.lb.bucket_owner)

    def _keys(self) -> KeySource:
        """Keys of the user of the cloud, else of the environment, else of the instance's role."""
        from tailrace.clouds.cloud import Told, User  # noqa: PLC0415 - as above
        from tailrace.clouds.direct.instance import InstanceKeys  # noqa: PLC0415
        from tailrace.clouds.direct.metadata import Metadata  # noqa: PLC0415
        from tailrace.clouds.direct.putting import UserKeys  # noqa: PLC0415
        from tailrace.clouds.secrets import Vault  # noqa: PLC0415

        user = self.cloud.user
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        access, secret, token = (Told(self.environ.get(name, ""), name) for name in names)
        if user is None and access.value and secret.value and not self.cloud.private:
            user = User(name=access, access_key=access, secret_key=secret, session_token=token)
        if user:
            return UserKeys(user, Vault(_no_client, self.environ))
        if not self.lb.metadata:
            raise UsageError(
                "there are no keys to put objects with, and lb.metadata names no service to ask; set access_key and secret_key"
            )
        return InstanceKeys(Metadata(self.lb.metadata, self.clock), self.clock)

    def _balancer(self) -> Balancer:
        from tailrace.loadbalancer.owner import balancer  # noqa: PLC0415 - not for the worker

        return balancer(self.lb, self.cloud.region.value)

    def _form(self, balancer: Balancer) -> Form:
        from tailrace.kernel.load import parser_class  # noqa: PLC0415 - not for the worker
        from tailrace.kernel.zones import zone  # noqa: PLC0415
        from tailrace.loadbalancer.forms.opening import form  # noqa: PLC0415
        from tailrace.loadbalancer.forms.reading import plan  # noqa: PLC0415

        settings = self.resolved.settings
        parser = parser_class(settings.kernel, lambda text: self.say(f"warning: {text}"))
        return form(self.lb, balancer, parser, plan(settings.log_format, zone=zone(settings.timezone)))

    def _naming(self, balancer: Balancer, form: Form, attributes: Attributes) -> Naming:
        from tailrace.loadbalancer.naming import naming  # noqa: PLC0415 - not for the worker

        told = (attributes.bucket, attributes.prefix) if self.lb.attributes_url else None
        return naming(self.lb, balancer, form, self._kind, told=told)

    def _headers(self, balancer: Balancer) -> Mapping[str, str]:
        from tailrace.loadbalancer.grants.headers import put_headers  # noqa: PLC0415 - not for the worker

        return put_headers(self._kind, self.lb, balancer)

    def _sender(self) -> Callable[[Mapping[str, str]], bytes]:
        """Sends queries to the load balancing API, signed as the cloud's users sign them. Raises UsageError."""
        from tailrace.clouds.direct.http import PORTS, Server, ask  # noqa: PLC0415 - as above
        from tailrace.clouds.direct.signatures import Request, Scope, sign_v2, sign_v4  # noqa: PLC0415
        from tailrace.transport import Tls, endpoint_of  # noqa: PLC0415

        endpoint = endpoint_of(self.lb.attributes_url, PORTS)
        verify = self.cloud.verify.value
        tls = Tls(ca=verify if verify not in ("true", "false") else "", verify=verify != "false")
        server = Server(endpoint, tls.context() if endpoint.scheme == "https" else None, 20.0)
        keys, path = self._keys(), endpoint.path or "/"
        scope = Scope(self.cloud.region.value, "elasticloadbalancing")
        known = self.cloud.endpoints.get("elb") or self.cloud.shared
        old = known is not None and known.signature.value == "v2"

        def send(parameters: Mapping[str, str]) -> bytes:
            query = urlencode(parameters).encode()
            told = {"Host": server.host, "Content-Type": _FORM}
            request = Request("POST", path, "", list(told.items()), query)
            try:
                if old:
                    query = sign_v2(request, parameters, keys.read(), self.clock.now()).encode()
                else:
                    told |= sign_v4(request, keys.read(), scope, self.clock.now())
            except UsageError as error:
                raise Fatal(str(error)) from error
            answer = ask(server, f"POST {path}", {**told, "Content-Length": str(len(query))}, [query])
            if not answer.ok:
                kind = Fatal if _REFUSED <= answer.status < _REFUSED + 100 else Retryable
                why = answer.body[:LARGEST].decode("utf-8", "replace")
                code = why.partition("<Code>")[2].partition("</Code>")[0][:64] or str(answer.status)
                message = f"the load balancing API at {endpoint} refuses to tell the attributes ({code})"
                raise kind(message)
            return answer.body

        return send


def _no_client(service: str) -> object:
    message = f"the agent reads no secrets from {service}: it runs without boto3; give them by env: or file:"
    raise UsageError(message)
