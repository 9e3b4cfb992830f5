"""A flow's place in the emulated kernel: how its socket is opened, established and closed, and
which implementation serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.bpf.handshake import tell_before_init
from ccsim.catalog import labelled
from ccsim.kernel import TCP_CONGESTION, KernelError
from ccsim.kernel.errors import ENOENT
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TcpCongestionOps
from ccsim.sim.flow.codepoints import Codepoints
from ccsim.sim.hosts import tcp_of_ends
from ccsim.tcp.accecn import AccurateEcho, AccurateHookEcho
from ccsim.tcp.ecn import TCP_ECN_AGREED, TCP_ECN_MODE_ACCECN, EcnEcho, agreed_on
from ccsim.tcp.ecn_hooks import HookEcho

if TYPE_CHECKING:
    from ccsim.sim.flow.flow import Flow

__all__ = ["KernelSocket"]


class KernelSocket:
    """A flow's socket as the kernel sees it.

    ``congestion`` is the name that it began with, as getsockopt says it; ``first_ops`` served when
    the SYN left; ``peer`` is the receiving end, if hooks of its own run there.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.sk = flow.sk
        self.spec = flow.spec
        self.registry = flow.world.registry
        self.congestion = ""
        self.first_ops: TcpCongestionOps | None = None
        self.peer: HookEcho | None = None

    @property
    def running(self) -> bool:
        """Whether there is a socket that is not closed."""
        return self.sk.kernel_data is not None

    def implementation(self) -> str:
        """Return the name of the struct_ops map (or module) that serves now."""
        registry, recorder = self.registry, self.flow.recorder
        if self.running:
            own = registry.kernel.implementation_of(self.sk)
            # Without ECN dctcp puts another table of its file in its place, as Linux does.
            return registry.label(own) if self.sk.ca_ops is own.ops else self.sk.ca_ops.name
        if recorder.implementations:
            return recorder.implementations[-1]
        return registry.label(registry.inherited(self.spec))

    def open(self) -> None:
        """Open the socket and choose its congestion control, as the application does before
        ``connect``."""
        missing = False
        try:
            self.registry.open_socket(self.sk, self.spec)
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            missing = True
        self._began(missing=missing)

    def _began(self, *, missing: bool = False) -> None:
        """Note what the socket begins with; ``missing``: not with what it asked for (ENOENT)."""
        registry, flow = self.registry, self.flow
        wanted, got = self.spec.congestion, registry.kernel.getsockopt(self.sk, TCP_CONGESTION)
        chosen = labelled(wanted, self.spec.congestion_params)
        self.congestion = chosen if wanted and not missing else registry.shown(got)
        flow.recorder.implementation_changed()
        if missing:
            detail = {"wanted": wanted, "got": got, "errno": ENOENT}
            flow.world.log("fallback", flow, self.sk.tcp_clock_cache, detail)

    def syn_sent(self) -> None:
        """Note what the SYN and its answer agree on: the ECN that the flow says, or else what both
        hosts do or the algorithm needs that it has now; one that is chosen later begins at once."""
        ops = self.first_ops = self.registry.first_ops(self.sk, self.spec)
        self.sk.ecn_flags = self._ecn(needed=bool(ops.flags & TCP_CONG_NEEDS_ECN))
        if not self.flow.passive:
            self.registry.kernel.syn_sent(self.sk)

    def _ecn(self, *, needed: bool) -> int:
        wish = self.spec.ecn
        if wish is not None:
            return agreed_on(wish, wish or "off", needed=False)
        client, server = tcp_of_ends(self.spec, self.flow.world.scenario)
        if self.flow.passive:
            client, server = server, client
        return agreed_on(client.ecn, server.ecn, needed=needed)

    def establish(self, t_ns: int) -> None:
        """Let the kernel establish the connection: the implementation's ``init`` runs."""
        registry, sk, flow = self.registry, self.sk, self.flow
        if sk.ecn_flags & TCP_ECN_AGREED:
            self._agree_on_ecn(t_ns)
        sk.snd_cwnd = sk.host.initial_window  # whatever a hook or policy set it to before
        if not flow.passive:
            self._watch()
            tell_before_init(sk)
            registry.kernel.connect(sk)
            self.moved()
            return
        registry.accept(sk, self.spec)
        self._watch()
        self._began()
        self.moved()
        flow.world.log("accept", flow, t_ns, {"congestion": self.congestion})

    def _watch(self) -> None:
        """Note when a hook moves the connection to another implementation."""
        self.sk.kernel_data.on_moved = self.moved

    def moved(self) -> None:
        """Note that another implementation may serve from now on."""
        self.flow.recorder.implementation_changed()
        self.flow.sending.note_algorithm()

    def _agree_on_ecn(self, t_ns: int) -> None:
        """Use ECN, unless it was a SYN sent again that was answered: such a one does not ask for it
        (``tcp_ecn_clear_syn``, RFC 3168 section 6.1.1.1)."""
        flow, sk = self.flow, self.sk
        if not (flow.sending.first_syn_answered or flow.passive):
            sk.ecn_flags &= ~TCP_ECN_AGREED
            return
        accurate = sk.ecn_flags & TCP_ECN_MODE_ACCECN != 0
        flow.sending.codepoints = codepoints = Codepoints(sk, accurate=accurate)
        flow.receiving.use_ecn(self._echo(t_ns), codepoints)

    def _echo(self, t_ns: int) -> EcnEcho | HookEcho:
        """Return what echoes marks: the receiving end's own algorithm if it needs ECN."""
        flow, ops = self.flow, self.first_ops
        host, accurate = flow.receiving.receiver.host, self.sk.ecn_flags & TCP_ECN_MODE_ACCECN
        assert ops is not None
        if not ops.flags & TCP_CONG_NEEDS_ECN:
            return AccurateEcho(host) if accurate else EcnEcho()
        made = AccurateHookEcho if accurate else HookEcho
        random = flow.world.random("peer", flow.index)
        self.peer = made(host, random, t_ns, flow.path.rtt_ns // 1000)
        self.registry.open_peer(self.peer, ops)
        return self.peer

    def settle(self) -> None:
        """Let a flow that was never accepted bear what its listener would have given it."""
        recorder, registry = self.flow.recorder, self.registry
        if self.flow.passive and not recorder.implementations:
            chosen = self.spec.congestion
            self.congestion = (
                labelled(chosen, self.spec.congestion_params)
                if chosen
                else registry.shown(registry.inherited(self.spec).name)
            )
            recorder.implementation_changed()

    def close(self) -> None:
        """Close the socket: the implementation is released and loses a reference."""
        if self.running:
            self.registry.kernel.close(self.sk)
        if self.peer is not None:
            self.registry.close_peer(self.peer)
